import type { Socket } from 'node:net';
import { POST, readPlainHead } from './plain-head.ts';
import { PlainRequest } from './plain-request.ts';

export interface PlainLimits {
  /** How long a request may take from its first byte to its last, and a new connection to its first, ms. */
  readonly requestMs: number;
  /** How long a connection may wait for its next request, ms. */
  readonly idleMs: number;
}

export interface PlainOwner {
  /** A request begins. It is answered before the next one is read. */
  request(request: PlainRequest): void;
  /**
   * What comes is not plain: the connection is the owner's from here on, and `bytes`, which are only lent, are its next.
   * `isFirst`: whether they are its first, too.
   */
  other(bytes: Buffer, isFirst: boolean): void;
}

/** Of a request line and its fields. */
export const HEAD_BYTES_MAX = 16 * 1024;
/** What a client leaves unread of our answers before it is cut off. */
const UNREAD_BYTES_MAX = 1024 * 1024;
/** How long a connection that ended stays open, for the client to see the end before it is thrown out. */
const LINGER_MS_MAX = 2000;
const SLOW = 'HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n';
const HEAD_END = Buffer.from('\r\n\r\n', 'latin1');

/**
 * A connection of HTTP/1.1 as long as its requests are plain. A request is one object and its answer one write, which
 * `node:http` needs some dozen objects and 64 KiB for each read for (docs/decisions/0008-http1.md). What is not plain is
 * left to it, at the boundary of two requests.
 */
export class PlainConnection {
  readonly #socket: Socket;
  readonly #limits: PlainLimits;
  readonly #owner: PlainOwner;
  /** The beginning of a head that is not complete. */
  #head: Buffer | undefined;
  #request: PlainRequest | undefined;
  /** What came behind a request that is not answered. */
  #held: Buffer | undefined;
  #isLeaving = false;
  #phase: 'open' | 'ended' | 'gone' = 'open';
  /** Since when it waits for what it waits for, ms of `performance.now`. */
  #sinceMs = performance.now();
  /** When the system last took an answer, or got one while it had none. */
  #movedAtMs = 0;
  #hasSaid = false;
  #hasServed = false;

  constructor(socket: Socket, limits: PlainLimits, owner: PlainOwner) {
    this.#socket = socket;
    this.#limits = limits;
    this.#owner = owner;
  }

  /** Bytes from the client, which are only lent. */
  receive(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end && this.#phase === 'open') {
      const request = this.#request;
      if (request === undefined) at = this.#readHead(bytes, at, end);
      else if (request.restBytes > 0) at = this.#readBody(request, bytes, at, end);
      else {
        this.#hold(bytes.subarray(at, end));
        break;
      }
    }
  }

  /** A request was answered: see `PlainRequest.answer`. */
  answered(head: string, body: string | Uint8Array): void {
    const text = `${head}${this.#isLeaving ? 'connection: close\r\n' : this.#keepAlive()}date: ${httpDate()}\r\n\r\n`;
    if (this.#socket.writableLength === 0) this.#moved();
    if (typeof body === 'string') this.#socket.write(text + body, 'latin1', this.#moved);
    else this.#socket.write(Buffer.concat([Buffer.from(text, 'latin1'), body]), this.#moved);
    if (this.#socket.writableLength > UNREAD_BYTES_MAX) this.#socket.destroy();
    else if (this.#request?.isComplete === true) this.#next();
  }

  /** Ends with its next answer, which says so: ended while it waits, the client's next request could cross the end. */
  leave(): void {
    this.#isLeaving = true;
  }

  /** Ends it where no request is under way; one of which the head is not complete can be sent somewhere else. */
  endIdle(): void {
    if (this.#request === undefined) this.#end();
  }

  /** The client sends nothing more. What it has sent completely is answered. */
  peerEnded(): void {
    this.#isLeaving = true;
    if (this.#request === undefined || this.#request.restBytes > 0) this.#end();
  }

  /** Ends it where the client takes too long. `nowMs` of `performance.now`. */
  check(nowMs: number): void {
    const waitedMs = nowMs - this.#sinceMs;
    if (this.#phase === 'gone') return;
    // However lively it is: what it does not read would be held for good.
    const isUnread = this.#socket.writableLength > 0 && nowMs - this.#movedAtMs > this.#limits.requestMs;
    if (isUnread) this.#socket.destroy();
    else if (this.#phase === 'ended') {
      if (waitedMs > LINGER_MS_MAX) this.#socket.destroy();
    } else if (this.#request !== undefined) {
      // Whoever listens to a request that arrives has a timer of its own; nobody listens to what is thrown away.
      const isThrownAway = this.#request.hasAnswered && this.#request.restBytes > 0;
      if (isThrownAway && waitedMs > this.#limits.requestMs) this.#socket.destroy();
    } else {
      const isBetween = this.#hasSaid && this.#head === undefined;
      if (waitedMs <= (isBetween ? this.#limits.idleMs : this.#limits.requestMs)) return;
      if (this.#head !== undefined) this.#socket.write(SLOW);
      this.#end();
    }
  }

  /** The connection is gone. */
  closed(): void {
    this.#phase = 'gone';
    this.#request?.cut();
  }

  #readHead(bytes: Buffer, start: number, end: number): number {
    if (this.#head === undefined) {
      this.#sinceMs = performance.now();
      this.#hasSaid = true;
    }
    const before = this.#head?.length ?? 0;
    const all =
      this.#head === undefined ? bytes.subarray(start, end) : Buffer.concat([this.#head, bytes.subarray(start, end)]);
    const length = all.indexOf(HEAD_END);
    const head = length < 0 || length > HEAD_BYTES_MAX ? undefined : readPlainHead(all.toString('latin1', 0, length));
    if (head === undefined) {
      if (length >= 0 || !mayBePlain(all)) this.#handOver(all);
      else this.#head = Buffer.from(all);
      return end;
    }
    this.#head = undefined;
    const request = new PlainRequest(head, this);
    this.#request = request;
    this.#hasServed = true;
    this.#owner.request(request);
    if (request.restBytes === 0) this.#complete(request);
    return start + length + HEAD_END.length - before;
  }

  #readBody(request: PlainRequest, bytes: Buffer, start: number, end: number): number {
    const stop = Math.min(end, start + request.restBytes);
    request.data(bytes, start, stop);
    if (request.restBytes === 0) this.#complete(request);
    return stop;
  }

  #complete(request: PlainRequest): void {
    request.isComplete = true;
    if (request.hasAnswered) this.#next();
    else request.end();
  }

  #next(): void {
    this.#request = undefined;
    this.#sinceMs = performance.now();
    if (this.#isLeaving) return this.#end();
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    // What is held came last, so that within `receive` there is none.
    this.receive(held, 0, held.length);
    if (this.#held === undefined && this.#phase === 'open') this.#socket.resume();
  }

  /** Keeps what a client sends before it has its answer, and reads no more of it. */
  #hold(bytes: Uint8Array): void {
    this.#held = Buffer.from(bytes);
    this.#socket.pause();
  }

  #handOver(bytes: Buffer): void {
    this.#phase = 'gone';
    this.#head = undefined;
    this.#owner.other(bytes, !this.#hasServed);
  }

  #end(): void {
    if (this.#phase !== 'open') return;
    this.#phase = 'ended';
    this.#sinceMs = performance.now();
    // What is left is read, and thrown away, to see the client's end.
    this.#held = undefined;
    this.#socket.resume();
    this.#socket.end();
  }

  readonly #moved = (): void => {
    this.#movedAtMs = performance.now();
  };

  #keepAlive(): string {
    return `connection: keep-alive\r\nkeep-alive: timeout=${Math.floor(this.#limits.idleMs / 1000)}\r\n`;
  }
}

/** Whether bytes that are no whole head may become a plain one. */
function mayBePlain(bytes: Buffer): boolean {
  if (bytes.length > HEAD_BYTES_MAX) return false;
  return bytes.length < POST.length || bytes.compare(POST, 0, POST.length, 0, POST.length) === 0;
}

let date = '';
let dateSecond = 0;

/** The time as HTTP writes it (RFC 9110, 5.6.7). */
function httpDate(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    date = new Date(second * 1000).toUTCString();
  }
  return date;
}
