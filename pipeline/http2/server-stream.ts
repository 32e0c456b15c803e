import type { Connection } from './connection.ts';
import { ERROR, FLAG, FRAME, frame, headerFrames, type Headers } from './protocol.ts';

/** Who takes a request as it comes. */
export interface RequestListener {
  /** The bytes are only lent: they are overwritten when this returns. */
  data(bytes: Buffer, start: number, end: number): void;
  /** The request is complete. */
  end(): void;
  /** The stream is over: answered, or reset by the client (`isComplete` false), or the connection is gone. */
  closed(isComplete: boolean): void;
}

/** Who is told what becomes of a request. */
export interface StreamEvents {
  readonly onAnswer: () => void;
  readonly onOver: (stream: ServerStream) => void;
}

/** One request of a client, and its answer. */
export class ServerStream {
  readonly id: number;
  readonly headers: Headers;
  readonly #connection: Connection;
  readonly #events: StreamEvents;
  #listener: RequestListener = NOBODY;
  /** What the client may still send, bytes. */
  #window: number;
  #contentBytes = 0;
  #hasEnded = false;
  #hasAnswered = false;
  #isOver = false;

  constructor(id: number, headers: Headers, connection: Connection, events: StreamEvents) {
    this.id = id;
    this.headers = headers;
    this.#connection = connection;
    this.#events = events;
    this.#window = connection.limits.windowBytes;
  }

  /** Whether nothing can be answered any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  /** Whether the request is complete. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  listen(listener: RequestListener): void {
    this.#listener = listener;
  }

  /**
   * Answers once: `headers` and `trailers` are header blocks; without a body the headers are all. Where the request is
   * not complete the client is asked to stop (RFC 9113, 8.1). Nothing where the stream is over.
   */
  answer(headers: Buffer, body?: Uint8Array, trailers?: Buffer): void {
    if (this.#isOver || this.#hasAnswered) return;
    this.#hasAnswered = true;
    // What answers HEAD has no content (RFC 9110, 9.3.2): a client takes any as an error of the connection or stream.
    this.#send(headers, this.headers[':method'] === 'HEAD' ? undefined : body, trailers);
    this.#events.onAnswer();
  }

  /** Sends an interim response (RFC 9110, 15.2) in front of the answer. */
  inform(headers: Buffer): void {
    if (this.#isOver || this.#hasAnswered) return;
    this.#connection.outbox.write(headerFrames(this.id, false, headers));
  }

  /** Data of so many bytes begins, padding included: it counts against the window. */
  dataBegins(length: number): void {
    if (this.#hasEnded) return this.#connection.failStream(this.id, ERROR.streamClosed);
    this.#window -= length;
    if (this.#window < 0) this.#connection.failStream(this.id, ERROR.flowControl);
  }

  data(bytes: Buffer, start: number, end: number): void {
    if (this.#isOver || this.#hasEnded) return;
    this.#contentBytes += end - start;
    this.#listener.data(bytes, start, end);
  }

  dataEnds(endsStream: boolean): void {
    if (this.#isOver || this.#hasEnded) return;
    if (endsStream) return this.end();
    const { windowBytes } = this.#connection.limits;
    if (this.#window > windowBytes / 2) return;
    this.#connection.widenStream(this.id, windowBytes - this.#window);
    this.#window = windowBytes;
  }

  /** The client has sent all. */
  end(): void {
    if (this.complete()) this.tellEnd();
  }

  /** Notes that the client has sent all. Returns false, and ends the stream, where that is not what it had announced. */
  complete(): boolean {
    const told = this.headers['content-length'];
    this.#hasEnded = told === undefined || (/^\d+$/.test(told) && Number(told) === this.#contentBytes);
    if (!this.#hasEnded) this.#connection.failStream(this.id, ERROR.protocol);
    return this.#hasEnded;
  }

  tellEnd(): void {
    if (!this.#isOver) this.#listener.end();
  }

  /** The stream is over before its time. */
  cut(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#events.onOver(this);
    this.#listener.closed(this.#hasEnded);
  }

  #send(headers: Buffer, body: Uint8Array | undefined, trailers: Buffer | undefined): void {
    const { outbox, sending } = this.#connection;
    outbox.write(headerFrames(this.id, body === undefined, headers));
    if (body === undefined) return this.#answered();
    const tail = trailers && headerFrames(this.id, true, trailers);
    if (sending.admits(body.length)) {
      outbox.write(frame(FRAME.data, tail === undefined ? FLAG.endStream : 0, this.id, body));
      if (tail !== undefined) outbox.write(tail);
      this.#answered();
    } else sending.send(this.id, [body], tail, () => this.#answered());
  }

  #answered(): void {
    if (this.#isOver) return;
    if (!this.#hasEnded) this.#connection.resetStream(this.id, ERROR.none);
    this.cut();
  }
}

const NOBODY: RequestListener = { data() {}, end() {}, closed() {} };
