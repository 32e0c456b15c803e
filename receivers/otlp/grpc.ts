import type { TelemetrySignal } from '../../pipeline/batch.ts';
import type { Context, Sheddable } from '../../pipeline/component.ts';
import { FailedHandshakes } from '../../pipeline/handshakes.ts';
import { asPipelineError, PipelineError } from '../../pipeline/errors.ts';
import { Http2Server } from '../../pipeline/http2/server.ts';
import type { ServerStream } from '../../pipeline/http2/server-stream.ts';
import { listen } from '../../pipeline/listener.ts';
import { ServerTls } from '../../pipeline/server-tls.ts';
import { encodeExportResponse, EXPORT_METHODS } from '../../proto/otlp/export.ts';
import { exposureOf, type GrpcConfig } from './config.ts';
import { answerError, answerHttp, EMPTY_MESSAGE, frame } from './grpc-answer.ts';
import { type CallSettings, GrpcCall, type GrpcMethod } from './grpc-call.ts';
import { HEALTH_CHECK_METHOD, healthCheck, ProbeBudget } from './grpc-health.ts';
import { HEADER_BYTES_MAX, WINDOW_BYTES } from './http2-limits.ts';
import type { Gate } from './gate.ts';
import { type Intake, SIGNALS } from './intake.ts';

/**
 * The unary OTLP services over HTTP/2. On an HTTP/2 of our own rather than a gRPC library or node:http2:
 * see docs/decisions/0003-grpc-server.md and 0007-http2.md.
 */
export class GrpcServer {
  readonly #config: GrpcConfig;
  readonly #context: Context;
  readonly #methods: ReadonlyMap<string, GrpcMethod>;
  readonly #gate: Gate;
  readonly #probes = new ProbeBudget();
  readonly #call: CallSettings;
  #server: Http2Server | undefined;
  #endReloading: () => void = () => {};

  constructor(config: GrpcConfig, intake: Intake, gate: Gate, context: Context) {
    this.#gate = gate;
    this.#config = config;
    this.#context = context;
    const mib = config.max_recv_msg_size_mib;
    const maxRequestBytes = mib === undefined ? config.max_request_size : mib * 1024 ** 2;
    this.#call = { maxRequestBytes, requestTimeoutMs: config.request_timeout };
    this.#methods = methodsOf(intake, maxRequestBytes);
  }

  /** Resolves to the address. Rejects with `port_in_use`, `cannot_listen`, `file_unreadable` or `bad_certificate`. */
  async start(): Promise<string> {
    const { max_concurrent_streams, max_connections, request_timeout, endpoint } = this.#config;
    const tls = this.#config.tls && (await ServerTls.load(this.#config.tls, 'protocols.grpc.tls'));
    const failed = new FailedHandshakes('grpc', this.#context);
    const secured = tls && { tls, protocols: ['h2'], handshakeMs: request_timeout, failed };
    const limits = {
      windowBytes: WINDOW_BYTES,
      headerListBytes: HEADER_BYTES_MAX,
      streamsMax: max_concurrent_streams,
      helloMs: request_timeout,
    };
    const http2 = new Http2Server(limits, (stream) => this.#accept(stream), secured);
    http2.server.maxConnections = max_connections;
    this.#server = http2;
    const { clock, logger } = this.#context;
    if (tls !== undefined) this.#endReloading = tls.keepFresh(http2.sockets.tls, clock, logger);
    return listen(http2.server, endpoint, 'protocols.grpc.endpoint', logger, exposureOf(this.#config));
  }

  get open(): Sheddable | undefined {
    return this.#server?.open;
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.#endReloading();
    await this.#server?.close(deadline);
  }

  #accept(stream: ServerStream): void {
    const { headers } = stream;
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
      // Probes of an orchestrator carry no credentials.
      const isProbe = headers[':path'] === HEALTH_CHECK_METHOD;
      new GrpcCall(stream, method, isProbe ? this.#probes.forOne() : this.#gate.admit(headers), this.#call);
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
      const refused = await intake.accept(signal, body, encoding, maxRequestBytes);
      return refused === undefined ? EMPTY_MESSAGE : frame(encodeExportResponse(refused));
    },
    refused(error) {
      intake.refuse(signal, error);
    },
  };
}
