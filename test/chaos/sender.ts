import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeExportResponse, EXPORT_METHODS, EXPORT_PATHS } from '../../proto/otlp/export.ts';

/** A request on its way, with the ids of its spans. */
export interface Outgoing {
  readonly ids: readonly string[];
  readonly bytes: Uint8Array;
  readonly via: 'grpc' | 'http';
}

/** `again`: refused for now, or nobody knows. */
type Answer = { readonly kind: 'taken' } | { readonly kind: 'again' | 'refused'; readonly why: string };

const ATTEMPT_MS = 4000;
const PAUSE_MS = { first: 100, longest: 800 } as const;

/** By the OTLP specification; RESOURCE_EXHAUSTED only with RetryInfo. */
const RETRYABLE_CODES = new Set<number>([
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
  status.ABORTED,
  status.OUT_OF_RANGE,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);
const RETRYABLE_STATUSES = new Set([429, 502, 503, 504]);

/** Sends what it is given until it is taken, over gRPC and HTTP, as an SDK does, but without giving up. */
export class Sender {
  /** Ids of spans that were acknowledged. */
  readonly acked = new Set<string>();
  /** Requests that were refused in a way that forbids another attempt. */
  readonly refused: string[] = [];
  /** How many attempts had to be repeated. */
  retries = 0;
  readonly #pending = new Set<Outgoing>();
  readonly #grpc: Client;
  readonly #url: string;
  #isClosed = false;

  constructor(grpcPort: number, httpPort: number) {
    this.#url = `http://127.0.0.1:${httpPort}${EXPORT_PATHS.traces}`;
    this.#grpc = new Client(`127.0.0.1:${grpcPort}`, credentials.createInsecure(), {
      'grpc.initial_reconnect_backoff_ms': PAUSE_MS.first,
      'grpc.min_reconnect_backoff_ms': PAUSE_MS.first,
      'grpc.max_reconnect_backoff_ms': PAUSE_MS.longest,
    });
  }

  /** Requests that were not acknowledged yet. */
  get pending(): ReadonlySet<Outgoing> {
    return this.#pending;
  }

  send(outgoing: Outgoing): void {
    this.#pending.add(outgoing);
    void this.#deliver(outgoing);
  }

  close(): void {
    this.#isClosed = true;
    this.#grpc.close();
  }

  async #deliver(outgoing: Outgoing): Promise<void> {
    for (let pauseMs: number = PAUSE_MS.first; !this.#isClosed; pauseMs = Math.min(pauseMs * 2, PAUSE_MS.longest)) {
      const answer = await (outgoing.via === 'grpc' ? this.#callGrpc(outgoing) : this.#callHttp(outgoing));
      if (answer.kind === 'again') {
        this.retries++;
        await sleep(pauseMs * (0.5 + Math.random()));
        continue;
      }
      if (answer.kind === 'taken') for (const id of outgoing.ids) this.acked.add(id);
      else this.refused.push(`${outgoing.via}: ${answer.why}`);
      break;
    }
    this.#pending.delete(outgoing);
  }

  #callGrpc({ bytes }: Outgoing): Promise<Answer> {
    const same = (buffer: Buffer): Buffer => buffer;
    return new Promise((resolve) => {
      const done = (error: ServiceError | null, response?: Buffer): void =>
        resolve(error === null ? answerOf(response ?? Buffer.alloc(0)) : grpcAnswer(error));
      const options = { deadline: Date.now() + ATTEMPT_MS };
      this.#grpc.makeUnaryRequest(EXPORT_METHODS.traces, same, same, Buffer.from(bytes), new Metadata(), options, done);
    });
  }

  async #callHttp({ bytes }: Outgoing): Promise<Answer> {
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: { 'content-type': 'application/x-protobuf' },
        body: bytes as Uint8Array<ArrayBuffer>,
        signal: AbortSignal.timeout(ATTEMPT_MS),
      });
      const body = Buffer.from(await response.arrayBuffer());
      if (response.ok) return answerOf(body);
      const why = `status ${response.status}`;
      return { kind: RETRYABLE_STATUSES.has(response.status) ? 'again' : 'refused', why };
    } catch (thrown) {
      // The connection broke, or took too long.
      return { kind: 'again', why: String(thrown) };
    }
  }
}

function answerOf(response: Buffer): Answer {
  const { rejected, message } = decodeExportResponse(response);
  return rejected === 0 ? { kind: 'taken' } : { kind: 'refused', why: `${rejected} rejected: ${message}` };
}

function grpcAnswer({ code, details, metadata }: ServiceError): Answer {
  const why = `${status[code]}: ${details}`;
  const hasRetryInfo = code === status.RESOURCE_EXHAUSTED && metadata.get('grpc-status-details-bin').length > 0;
  // What @grpc/grpc-js says where a connection breaks in the middle of an answer.
  const isBroken = code === status.INTERNAL && /RST_STREAM|client error|ECONNRESET/.test(details);
  return { kind: RETRYABLE_CODES.has(code) || hasRetryInfo || isBroken ? 'again' : 'refused', why };
}
