import type { Socket } from 'node:net';
import { PlainConnection } from '../../pipeline/http1/plain-connection.ts';
import { PREFACE } from '../../pipeline/http2/protocol.ts';
import { ServerConnection } from '../../pipeline/http2/server-connection.ts';
import type { StaticRead } from '../../pipeline/static-read.ts';
import { type Exchange, overHttp2, overPlain } from './http-exchange.ts';
import type { NodeHttp } from './http-node.ts';
import { HEADER_BYTES_MAX, STREAMS_MAX, WINDOW_BYTES } from './http2-limits.ts';

/** How long a connection may wait for its next request: longer than clients usually keep one. */
export const IDLE_MS_MAX = 60_000;

export interface ConnectionParts {
  /** How long a request over HTTP/1 may take to arrive, and a client to begin, ms. */
  readonly requestMs: number;
  readonly node: NodeHttp;
  serve(exchange: Exchange): void;
}

/**
 * One connection of the HTTP port. Its first bytes tell HTTP/2, which begins with a line that no HTTP/1 request has
 * (RFC 9113, 3.4). HTTP/1.1 is read here as long as its requests are plain; `node:http` has the rest.
 */
export class HttpConnection {
  readonly #read: StaticRead;
  readonly #parts: ConnectionParts;
  #plain: PlainConnection | undefined;
  #http2: ServerConnection | undefined;
  #isLeaving = false;

  constructor(read: StaticRead, parts: ConnectionParts) {
    this.#read = read;
    this.#parts = parts;
    const limits = { requestMs: parts.requestMs, idleMs: IDLE_MS_MAX };
    const plain = new PlainConnection(read.socket, limits, {
      request: (request) => parts.serve(overPlain(request)),
      other: (bytes, isFirst) => this.#notPlain(bytes, isFirst),
    });
    this.#plain = plain;
    // Without a listener it would end the process; 'close' follows.
    read.socket.on('error', () => {});
    read.socket.once('end', () => this.#plain?.peerEnded());
    read.socket.once('close', () => this.#plain?.closed());
  }

  get socket(): Socket {
    return this.#read.socket;
  }

  /** Bytes from the client, which are only lent. */
  receive(bytes: Buffer, start: number, end: number): void {
    if (this.#plain === undefined) this.#http2?.receive(bytes, start, end);
    else this.#plain.receive(bytes, start, end);
  }

  /** Takes few more requests: over HTTP/2 those under way, over HTTP/1 the next one, are answered; then it ends. */
  leave(): void {
    this.#isLeaving = true;
    if (this.#plain !== undefined) this.#plain.leave();
    else if (this.#http2 !== undefined) this.#http2.close();
    else this.#parts.node.leave(this.socket);
  }

  /** Takes no more requests: those under way are answered, then it ends. */
  end(): void {
    this.leave();
    if (this.#plain !== undefined) this.#plain.endIdle();
    else if (this.#http2 === undefined) this.#parts.node.endIdle(this.socket);
  }

  /** Ends it where the client takes too long. `nowMs` of `performance.now`. */
  check(nowMs: number): void {
    this.#plain?.check(nowMs);
  }

  #notPlain(bytes: Buffer, isFirst: boolean): void {
    this.#plain = undefined;
    const compared = Math.min(bytes.length, PREFACE.length);
    const isHttp2 = isFirst && bytes.compare(PREFACE, 0, compared, 0, compared) === 0;
    if (isHttp2) {
      const limits = {
        windowBytes: WINDOW_BYTES,
        headerListBytes: HEADER_BYTES_MAX,
        streamsMax: STREAMS_MAX,
        helloMs: this.#parts.requestMs,
      };
      this.#http2 = new ServerConnection(this.socket, limits, (stream) => this.#parts.serve(overHttp2(stream)));
      this.#http2.receive(bytes, 0, bytes.length);
    } else {
      this.#read.asUsual(bytes);
      this.#parts.node.take(this.socket);
    }
    if (this.#isLeaving) this.leave();
  }
}
