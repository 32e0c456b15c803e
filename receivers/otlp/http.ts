import {
  createServer as createHttp1,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import { createServer as createHttp2, type Http2Server, type ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TelemetrySignal } from '../../pipeline/batch.ts';
import type { Context } from '../../pipeline/component.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import { listen } from '../../pipeline/listener.ts';
import { OpenConnections } from '../../pipeline/open-connections.ts';
import type { HttpConfig } from './config.ts';
import { answerError, type Response } from './http-answer.ts';
import { Cors } from './http-cors.ts';
import { type ExchangeSettings, exchange, formOf, letGo, type Request } from './http-exchange.ts';
import { firstBytesTell } from './http-sniff.ts';
import { HTTP2_OPTIONS, Sessions } from './http2-sessions.ts';
import type { Intake } from './intake.ts';

const HEADER_BYTES_MAX = 16 * 1024;
/** How often Node looks for requests that take too long. */
const CHECK_INTERVAL_MS = 5000;

/** OTLP over HTTP/1.1, and over HTTP/2 for clients that begin with it (prior knowledge), on one port without TLS. */
export class HttpServer {
  readonly #config: HttpConfig;
  readonly #intake: Intake;
  readonly #context: Context;
  readonly #signals: ReadonlyMap<string, TelemetrySignal>;
  readonly #settings: ExchangeSettings;
  readonly #cors: Cors | undefined;
  readonly #sessions = new Sessions();
  readonly #sockets = new Set<Socket>();
  readonly #sessionOf = new WeakMap<Socket, ServerHttp2Session>();
  /** Connections over HTTP/1.1 that end with their next answer. */
  readonly #leaving = new WeakSet<Socket>();
  readonly open = new OpenConnections();
  #server: Server | undefined;
  /** Answers over HTTP/1.1 that are not complete. */
  readonly #open = new Set<ServerResponse>();

  constructor(config: HttpConfig, intake: Intake, context: Context) {
    this.#config = config;
    this.#intake = intake;
    this.#context = context;
    this.#settings = { maxRequestBytes: config.max_request_size, requestTimeoutMs: config.request_timeout };
    this.#cors = config.cors === undefined ? undefined : new Cors(config.cors);
    this.#signals = new Map([
      [config.traces_url_path, 'traces'],
      [config.metrics_url_path, 'metrics'],
      [config.logs_url_path, 'logs'],
    ]);
  }

  /** Resolves to the address. Rejects with `port_in_use` or `cannot_listen`. */
  async start(): Promise<string> {
    const http2 = this.#createHttp2();
    const http1 = this.#createHttp1();
    // Node's listener for a new connection speaks HTTP/1; ours asks the first bytes which of the two it should be.
    const [serveHttp1] = http1.listeners('connection') as [(socket: Socket) => void];
    http1.removeAllListeners('connection');
    http1.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      const gone = this.open.add(
        () => socket.bytesRead,
        () => this.#shed(socket),
      );
      socket.once('close', () => {
        this.#sockets.delete(socket);
        gone();
      });
      firstBytesTell(socket, this.#config.request_timeout, (isHttp2) => {
        if (!isHttp2) return serveHttp1.call(http1, socket);
        http2.once('session', (session: ServerHttp2Session) => this.#sessionOf.set(socket, session));
        http2.emit('connection', socket);
      });
    });
    http1.maxConnections = this.#config.max_connections;
    this.#server = http1;
    return listen(http1, this.#config.endpoint, 'protocols.http.endpoint', this.#context.logger);
  }

  async stop(deadline: AbortSignal): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    // Otherwise these connections would be kept for a next request, which nobody would take.
    for (const response of this.#open) if (!response.headersSent) response.setHeader('connection', 'close');
    const cut = () => {
      for (const socket of this.#sockets) socket.destroy();
    };
    // Connections that are idle after an answer are closed by close(); those that have not said anything are not.
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
    if (deadline.aborted) cut();
    deadline.addEventListener('abort', cut, { once: true });
    await this.#sessions.close(deadline);
    await closed;
    deadline.removeEventListener('abort', cut);
  }

  #shed(socket: Socket): void {
    const session = this.#sessionOf.get(socket);
    if (session === undefined) this.#leaving.add(socket);
    else session.close();
  }

  #createHttp1(): Server {
    const server = createHttp1({
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: this.#config.request_timeout,
      requestTimeout: this.#config.request_timeout,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      noDelay: true,
      keepAlive: true,
    });
    const serve = (request: IncomingMessage, response: ServerResponse) => {
      this.#open.add(response);
      response.once('close', () => this.#open.delete(response));
      if (!server.listening || this.#leaving.has(request.socket)) response.setHeader('connection', 'close');
      this.#serve(request, response);
    };
    server.on('request', serve);
    server.on('checkContinue', serve);
    server.on('clientError', refuseGarbage);
    return server;
  }

  #createHttp2(): Http2Server {
    const server = createHttp2(HTTP2_OPTIONS);
    server.on('session', (session: ServerHttp2Session) => this.#sessions.add(session, this.#config.request_timeout));
    server.on('sessionError', (error: Error) =>
      this.#context.logger.debug({ err: error }, 'an HTTP/2 connection failed'),
    );
    server.on('request', (request, response) => this.#serve(request, response));
    server.on('checkContinue', (request, response) => this.#serve(request, response));
    return server;
  }

  #serve(request: Request, response: Response): void {
    response.on('error', () => {});
    const path = (request.url ?? '').split('?', 1)[0] as string;
    const signal = this.#signals.get(path);
    if (signal === undefined)
      return this.#refuse(request, response, undefined, new PipelineError('unknown_path', path));
    if (request.method === 'OPTIONS' && this.#cors !== undefined) {
      this.#cors.preflight(request.headers, response);
      request.resume();
      return;
    }
    this.#cors?.allow(request.headers, response);
    if (request.method !== 'POST') {
      response.setHeader('allow', this.#cors === undefined ? 'POST' : 'POST, OPTIONS');
      return this.#refuse(request, response, signal, new PipelineError('bad_method', `${request.method}`));
    }
    void exchange(request, response, signal, this.#intake, this.#settings);
  }

  #refuse(request: Request, response: Response, signal: TelemetrySignal | undefined, error: PipelineError): void {
    this.#intake.refuse(signal, error);
    answerError(response, error, formOf(request.headers) ?? 'json');
    letGo(request);
  }
}

/** What is not HTTP, or too long in its headers or too slow: answered as far as there is somebody to answer. */
function refuseGarbage(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 }[error.code as string] ?? 400;
  const body = JSON.stringify({ code: 3, message: `the request is not HTTP as it should be: ${STATUS_CODES[status]}` });
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/json\r\nconnection: close\r\n`;
  socket.end(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}
