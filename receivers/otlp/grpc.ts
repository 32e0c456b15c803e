import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { TelemetrySignal } from '../../pipeline/batch.ts';
import type { Context } from '../../pipeline/component.ts';
import { asPipelineError, PipelineError } from '../../pipeline/errors.ts';
import { listen } from '../../pipeline/listener.ts';
import { EXPORT_METHODS } from '../../proto/otlp/export.ts';
import type { GrpcConfig } from './config.ts';
import { answerError, answerHttp, EMPTY_MESSAGE } from './grpc-answer.ts';
import { type CallSettings, GrpcCall, type GrpcMethod } from './grpc-call.ts';
import { HEALTH_CHECK_METHOD, healthCheck } from './grpc-health.ts';
import { HTTP2_OPTIONS, Sessions } from './http2-sessions.ts';
import { type Intake, SIGNALS } from './intake.ts';

/**
 * The unary OTLP services over HTTP/2 without TLS. On `node:http2` rather than a gRPC library, which has neither a
 * window to set nor zstd: see docs/decisions/0003-grpc-server.md.
 */
export class GrpcServer {
  readonly #config: GrpcConfig;
  readonly #context: Context;
  readonly #methods: ReadonlyMap<string, GrpcMethod>;
  readonly #call: CallSettings;
  readonly #sessions = new Sessions();
  #server: Http2Server | undefined;

  constructor(config: GrpcConfig, intake: Intake, context: Context) {
    this.#config = config;
    this.#context = context;
    const mib = config.max_recv_msg_size_mib;
    const maxRequestBytes = mib === undefined ? config.max_request_size : mib * 1024 ** 2;
    this.#call = { budget: intake.budget, maxRequestBytes, requestTimeoutMs: config.request_timeout };
    this.#methods = methodsOf(intake, maxRequestBytes);
  }

  /** Resolves to the address. Rejects with `port_in_use` or `cannot_listen`. */
  async start(): Promise<string> {
    const server = createServer({
      ...HTTP2_OPTIONS,
      settings: { ...HTTP2_OPTIONS.settings, maxConcurrentStreams: this.#config.max_concurrent_streams },
    });
    server.maxConnections = this.#config.max_connections;
    server.on('session', (session: ServerHttp2Session) => this.#sessions.add(session, this.#config.request_timeout));
    server.on('sessionError', (error: Error) => this.#context.logger.debug({ err: error }, 'a gRPC connection failed'));
    server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => this.#accept(stream, headers));
    this.#server = server;
    return listen(server, this.#config.endpoint, 'protocols.grpc.endpoint', this.#context.logger);
  }

  async stop(deadline: AbortSignal): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    await this.#sessions.close(deadline);
    await closed;
  }

  #accept(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    // A stream that its client resets; the call sees it as a close.
    stream.on('error', () => {});
    const type = headers['content-type'] ?? '';
    if (!/^application\/grpc($|[+;])/i.test(type)) {
      answerHttp(
        stream,
        415,
        'this is a gRPC endpoint: the content type must be application/grpc; OTLP over HTTP has its own port',
      );
      return;
    }
    const method = this.#methods.get(headers[':path'] ?? '');
    try {
      if (method === undefined) throw new PipelineError('unknown_path', `no method ${headers[':path']}`);
      if (headers[':method'] !== 'POST') throw new PipelineError('bad_method', `${headers[':method']}`);
      new GrpcCall(stream, headers, method, this.#call);
    } catch (thrown) {
      const error = asPipelineError(thrown);
      method?.refused(error);
      answerError(stream, error);
    }
  }
}

function methodsOf(intake: Intake, maxRequestBytes: number): Map<string, GrpcMethod> {
  const methods = new Map([[HEALTH_CHECK_METHOD, healthCheck((signal) => intake.serves(signal))]]);
  for (const signal of SIGNALS) methods.set(EXPORT_METHODS[signal], exportMethod(signal, intake, maxRequestBytes));
  return methods;
}

function exportMethod(signal: TelemetrySignal, intake: Intake, maxRequestBytes: number): GrpcMethod {
  return {
    async serve(body, encoding) {
      await intake.accept(signal, body, encoding, maxRequestBytes);
      return EMPTY_MESSAGE;
    },
    refused(error) {
      intake.refuse(signal, error);
    },
  };
}
