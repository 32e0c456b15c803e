import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { HEAD_BYTES_MAX } from '../../pipeline/http1/plain-connection.ts';
import { type Exchange, overNode } from './http-exchange.ts';

export interface NodeLimits {
  readonly requestMs: number;
  readonly idleMs: number;
}

/** How often Node looks for requests that take too long. */
const CHECK_INTERVAL_MS = 5000;
/** How long a client may take to see why its connection ends. */
const LINGER_MS_MAX = 2000;

/** All of HTTP/1 but plain requests, by `node:http`, which is loaded when the first such request comes. */
export class NodeHttp {
  readonly #limits: NodeLimits;
  readonly #serve: (exchange: Exchange) => void;
  /** Connections that end with their next answer. */
  readonly #leaving = new WeakSet<Socket>();
  /** Connections on which something came that is not HTTP: what else comes is nothing either. */
  readonly #refused = new WeakSet<Duplex>();
  /** Answers that are not complete. */
  readonly #open = new Set<ServerResponse>();
  #server: Server | undefined;

  constructor(limits: NodeLimits, serve: (exchange: Exchange) => void) {
    this.#limits = limits;
    this.#serve = serve;
  }

  /** Takes a connection over, which is paused. */
  take(socket: Socket): void {
    this.#server ??= this.#create();
    this.#server.emit('connection', socket);
    // By now its listeners are there.
    process.nextTick(() => socket.resume());
  }

  /** A connection ends with its next answer. */
  leave(socket: Socket): void {
    this.#leaving.add(socket);
    for (const response of this.#open) if (response.socket === socket) announceEnd(response);
  }

  /** Ends a connection without a request that has begun to be served. */
  endIdle(socket: Socket): void {
    for (const response of this.#open) if (response.socket === socket) return;
    socket.destroy();
  }

  /** Ends the looking for what takes too long. */
  close(): void {
    this.#server?.close();
  }

  #create(): Server {
    const { createServer } = process.getBuiltinModule('node:http');
    const server = createServer({
      maxHeaderSize: HEAD_BYTES_MAX,
      headersTimeout: this.#limits.requestMs,
      requestTimeout: this.#limits.requestMs,
      keepAliveTimeout: this.#limits.idleMs,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
    });
    const serve = (request: IncomingMessage, response: ServerResponse) => {
      this.#open.add(response);
      response.once('close', () => this.#open.delete(response));
      if (this.#leaving.has(request.socket)) announceEnd(response);
      this.#serve(overNode(request, response));
    };
    server.on('request', serve);
    server.on('checkContinue', serve);
    server.on('clientError', (error, socket) => this.#refuse(error, socket));
    // As everywhere else, a client may close its side and wait for the answer.
    (server as { httpAllowHalfOpen?: boolean }).httpAllowHalfOpen = true;
    // It listens to nothing of its own, and begins to look for what takes too long when it listens.
    server.emit('listening');
    return server;
  }

  /** Refuses what is not HTTP, behind the answers to the requests that were. */
  #refuse(error: Error, socket: Duplex): void {
    if (this.#refused.has(socket)) return;
    this.#refused.add(socket);
    const before = [...this.#open].findLast(({ req }) => req.socket === socket && req.complete);
    if (before === undefined) refuseGarbage(error, socket);
    else before.once('close', () => socket.writable && refuseGarbage(error, socket));
  }
}

function announceEnd(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('connection', 'close');
}

/** What is not HTTP, or too long in its headers or too slow: answered as far as there is somebody to answer. */
function refuseGarbage(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { STATUS_CODES } = process.getBuiltinModule('node:http');
  const status = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 }[error.code as string] ?? 400;
  const body = JSON.stringify({ code: 3, message: `the request is not HTTP as it should be: ${STATUS_CODES[status]}` });
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/json\r\nconnection: close\r\n`;
  socket.end(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  const linger = setTimeout(() => socket.destroy(), LINGER_MS_MAX).unref();
  socket.once('close', () => clearTimeout(linger));
}
