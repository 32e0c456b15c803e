import type { Headers } from './protocol.ts';

/** What a server answered. */
export interface ClientAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** As much of the body as is kept. */
  readonly body: Buffer;
  readonly trailers: Headers;
}

/** Why there is no answer: the connection broke, or one side ended the stream. */
export class StreamError extends Error {
  /** Whether the server has surely not seen the request (RFC 9113, 8.7). */
  readonly isUnseen: boolean;

  constructor(message: string, isUnseen = false) {
    super(message);
    this.name = 'StreamError';
    this.isUnseen = isUnseen;
  }
}

/** More of an answer is not kept: an Export response needs a fraction of it. */
const ANSWER_BYTES_MAX = 64 * 1024;
const NOTHING: Headers = {};

/** One request of ours that waits for its answer. */
export class ClientStream {
  readonly id: number;
  readonly answer: Promise<ClientAnswer>;
  /** What the server may still send, bytes. */
  window: number;
  readonly #resolve: (answer: ClientAnswer) => void;
  readonly #reject: (error: StreamError) => void;
  #headers: Headers | undefined;
  #trailers = NOTHING;
  readonly #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(id: number, windowBytes: number) {
    this.id = id;
    this.window = windowBytes;
    const { promise, resolve, reject } = Promise.withResolvers<ClientAnswer>();
    this.answer = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    // Whoever waits for it sees it; nobody may be waiting yet.
    promise.catch(() => {});
  }

  /** Whether the headers that count are there: data may follow. */
  get hasHeaders(): boolean {
    return this.#headers !== undefined;
  }

  /** Takes headers, or trailers; false where they are neither. */
  takeHeaders(headers: Headers, endsStream: boolean): boolean {
    if (this.#headers !== undefined) {
      this.#trailers = headers;
      return endsStream && headers[':status'] === undefined;
    }
    const status = headers[':status'] ?? '';
    if (!/^[1-9]\d\d$/.test(status)) return false;
    // Interim answers announce the one that counts (RFC 9110, 15.2).
    if (status.startsWith('1')) return !endsStream;
    this.#headers = headers;
    return true;
  }

  /** Takes a part of the body. The bytes are only lent. */
  takeData(bytes: Buffer, start: number, end: number): void {
    if (this.#bytes < ANSWER_BYTES_MAX) this.#pieces.push(Buffer.from(bytes.subarray(start, end)));
    this.#bytes += end - start;
  }

  /** The answer is complete. */
  complete(): void {
    const headers = this.#headers ?? NOTHING;
    const body = Buffer.concat(this.#pieces).subarray(0, ANSWER_BYTES_MAX);
    this.#resolve({ status: Number(headers[':status']), headers, body, trailers: this.#trailers });
  }

  fail(error: StreamError): void {
    this.#reject(error);
  }
}
