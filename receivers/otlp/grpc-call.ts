import type { Encoding } from '../../pipeline/compression.ts';
import { asPipelineError, PipelineError } from '../../pipeline/errors.ts';
import type { RequestListener, ServerStream } from '../../pipeline/http2/server-stream.ts';
import type { RpcStatus } from '../../proto/google/status.ts';
import type { Body } from './body.ts';
import type { Budget } from './budget.ts';
import { answerError, answerOk, answerStatus } from './grpc-answer.ts';
import { GrpcMessage } from './grpc-message.ts';

export interface GrpcMethod {
  /** Takes a message that has arrived, releases it in any case, and gives the framed answer or another status. Rejects, never throws. */
  serve(body: Body, encoding: Encoding): Promise<Buffer | RpcStatus>;
  /** Counts a request that ended before it could be served. */
  refused(error: PipelineError): void;
}

export interface CallSettings {
  readonly maxRequestBytes: number;
  readonly requestTimeoutMs: number;
}

const TIMEOUT_UNITS_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };
/** The longest delay that a timer of Node can hold. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The `grpc-timeout` header in ms (gRPC over HTTP2, Timeout: up to 8 digits and a unit); undefined where none is told. */
export function timeoutMsOf(header: string | undefined): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(header ?? '');
  if (match === null) return undefined;
  return Math.min(Number(match[1]) * (TIMEOUT_UNITS_MS[match[2] as string] as number), TIMER_MS_MAX);
}

/** How the messages of a call are compressed. Throws `bad_encoding`. */
export function grpcEncodingOf(header: string | undefined): Encoding {
  if (header === undefined || header === 'identity') return 'identity';
  if (header === 'gzip' || header === 'zstd') return header;
  throw new PipelineError('bad_encoding', `grpc-encoding ${header}`);
}

/** One unary call whose headers have been understood: from its first byte to its answer. */
export class GrpcCall implements RequestListener {
  readonly #stream: ServerStream;
  readonly #method: GrpcMethod;
  readonly #encoding: Encoding;
  readonly #message: GrpcMessage;
  readonly #settings: CallSettings;
  /** When the client stops waiting, ms on the clock of `performance.now`: it waits in real time, whatever ours is. */
  readonly #deadlineMs: number;
  #timer: NodeJS.Timeout | undefined;
  #phase: 'arriving' | 'serving' | 'over' = 'arriving';

  /** Throws `bad_encoding`. */
  constructor(stream: ServerStream, method: GrpcMethod, budget: Budget, settings: CallSettings) {
    const { headers } = stream;
    this.#stream = stream;
    this.#method = method;
    this.#settings = settings;
    this.#encoding = grpcEncodingOf(headers['grpc-encoding']);
    this.#message = new GrpcMessage(budget, settings.maxRequestBytes);
    const timeoutMs = timeoutMsOf(headers['grpc-timeout']) ?? Number.POSITIVE_INFINITY;
    this.#deadlineMs = performance.now() + timeoutMs;
    this.#timer = setTimeout(() => this.#lateRequest(), Math.min(timeoutMs, settings.requestTimeoutMs));
    stream.listen(this);
  }

  data(bytes: Buffer, start: number, end: number): void {
    if (this.#phase !== 'arriving') return;
    try {
      this.#message.push(bytes, start, end);
    } catch (error) {
      this.#refuse(asPipelineError(error));
    }
  }

  end(): void {
    void this.#serve();
  }

  closed(): void {
    if (this.#phase === 'arriving') this.#method.refused(new PipelineError('cancelled', 'the request did not end'));
    this.#end();
  }

  async #serve(): Promise<void> {
    if (this.#phase !== 'arriving') return;
    let serving: Promise<Buffer | RpcStatus>;
    try {
      const { compressed, body } = this.#message.finish(this.#encoding);
      serving = this.#method.serve(body, compressed ? this.#encoding : 'identity');
    } catch (error) {
      this.#refuse(asPipelineError(error));
      return;
    }
    this.#phase = 'serving';
    clearTimeout(this.#timer);
    if (this.#deadlineMs < Number.POSITIVE_INFINITY) {
      this.#timer = setTimeout(() => this.#lateAnswer(), Math.max(this.#deadlineMs - performance.now(), 0));
    }
    try {
      const answer = await serving;
      if (!this.#end()) return;
      if (answer instanceof Uint8Array) answerOk(this.#stream, answer);
      else answerStatus(this.#stream, answer);
    } catch (error) {
      if (this.#end()) answerError(this.#stream, asPipelineError(error));
    }
  }

  #lateRequest(): void {
    const expired = this.#deadlineMs <= performance.now() + 1;
    const why = expired ? 'the deadline of the call passed' : `${this.#settings.requestTimeoutMs} ms passed`;
    this.#refuse(new PipelineError('timeout', `${why} before the request had arrived`));
  }

  /** The pipelines may still take the request: the client will send it again, which at-least-once allows. */
  #lateAnswer(): void {
    if (!this.#end()) return;
    answerError(this.#stream, new PipelineError('timeout', 'the deadline of the call passed before the answer'));
  }

  /** Answers a request that has not been served. */
  #refuse(error: PipelineError): void {
    if (!this.#end()) return;
    this.#method.refused(error);
    answerError(this.#stream, error);
  }

  /** Whether the call was still open; it is over now. */
  #end(): boolean {
    if (this.#phase === 'over') return false;
    this.#phase = 'over';
    clearTimeout(this.#timer);
    this.#message.release();
    return true;
  }
}
