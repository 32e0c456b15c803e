import type { RequestListener } from '../http2/server-stream.ts';
import type { PlainConnection } from './plain-connection.ts';
import type { PlainHead } from './plain-head.ts';

/** One plain request of a client, and its answer. */
export class PlainRequest {
  readonly head: PlainHead;
  readonly #connection: PlainConnection;
  #listener: RequestListener = NOBODY;
  /** Bytes of the body that have not come. */
  restBytes: number;
  isComplete = false;
  hasAnswered = false;

  constructor(head: PlainHead, connection: PlainConnection) {
    this.head = head;
    this.#connection = connection;
    this.restBytes = head.contentLength;
  }

  listen(listener: RequestListener): void {
    this.#listener = listener;
  }

  /**
   * Answers once. `head`: status line and fields, each line with its end, but for those of the connection. Where the
   * request is not complete the rest of it is thrown away, so that a client that sends first and reads afterwards sees
   * the answer. Nothing where the connection is gone.
   */
  answer(head: string, body: string | Uint8Array): void {
    if (this.hasAnswered) return;
    this.hasAnswered = true;
    this.#connection.answered(head, body);
  }

  /** The next bytes of the body, at most `restBytes`. */
  data(bytes: Buffer, start: number, end: number): void {
    this.restBytes -= end - start;
    this.#listener.data(bytes, start, end);
  }

  end(): void {
    this.#listener.end();
  }

  /** The connection is gone. */
  cut(): void {
    this.hasAnswered = true;
    this.#listener.closed(this.isComplete);
  }
}

const NOBODY: RequestListener = { data() {}, end() {}, closed() {} };
