import type { Socket } from 'node:net';
import type { TelemetrySignal } from '../../pipeline/batch.ts';
import type { Context } from '../../pipeline/component.ts';
import { FailedHandshakes } from '../../pipeline/handshakes.ts';
import { asPipelineError, PipelineError } from '../../pipeline/errors.ts';
import { listen } from '../../pipeline/listener.ts';
import { OpenConnections } from '../../pipeline/open-connections.ts';
import { ServerTls } from '../../pipeline/server-tls.ts';
import { SocketServer } from '../../pipeline/socket-server.ts';
import { readStatically } from '../../pipeline/static-read.ts';
import { exposureOf, type HttpConfig } from './config.ts';
import { formOf, HttpCall, type HttpCallSettings } from './http-call.ts';
import type { Gate } from './gate.ts';
import { type ConnectionParts, HttpConnection, IDLE_MS_MAX } from './http-connection.ts';
import { Cors } from './http-cors.ts';
import type { Exchange } from './http-exchange.ts';
import { NodeHttp } from './http-node.ts';
import { errorReply, type Fields } from './http-reply.ts';
import type { Intake } from './intake.ts';

/** How often connections are looked at that take too long. */
const CHECK_INTERVAL_MS = 1000;
/** OTLP over HTTP/1.1, and over HTTP/2 for clients that begin with it (prior knowledge, or ALPN), on one port. */
export class HttpServer {
  readonly #config: HttpConfig;
  readonly #intake: Intake;
  readonly #gate: Gate;
  readonly #context: Context;
  readonly #signals: ReadonlyMap<string, TelemetrySignal>;
  readonly #settings: HttpCallSettings;
  readonly #cors: Cors | undefined;
  readonly #parts: ConnectionParts;
  readonly #node: NodeHttp;
  readonly #connections = new Set<HttpConnection>();
  readonly open = new OpenConnections();
  #sockets: SocketServer | undefined;
  #endReloading: () => void = () => {};
  #checking: NodeJS.Timeout | undefined;

  constructor(config: HttpConfig, intake: Intake, gate: Gate, context: Context) {
    this.#gate = gate;
    this.#config = config;
    this.#intake = intake;
    this.#context = context;
    const requestMs = config.request_timeout;
    this.#settings = { maxRequestBytes: config.max_request_size, requestTimeoutMs: requestMs };
    this.#cors = config.cors === undefined ? undefined : new Cors(config.cors);
    this.#signals = new Map([
      [config.traces_url_path, 'traces'],
      [config.metrics_url_path, 'metrics'],
      [config.logs_url_path, 'logs'],
    ]);
    const serve = (exchange: Exchange): void => this.#serve(exchange);
    this.#node = new NodeHttp({ requestMs, idleMs: IDLE_MS_MAX }, serve);
    this.#parts = { requestMs, node: this.#node, serve };
  }

  /** Resolves to the address. Rejects with `port_in_use`, `cannot_listen`, `file_unreadable` or `bad_certificate`. */
  async start(): Promise<string> {
    const { requestMs } = this.#parts;
    const { clock, logger } = this.#context;
    const tls = this.#config.tls && (await ServerTls.load(this.#config.tls, 'protocols.http.tls'));
    const failed = new FailedHandshakes('http', this.#context);
    const secured = tls && { tls, protocols: ['h2', 'http/1.1'], handshakeMs: requestMs, failed };
    const sockets = new SocketServer((accepted) => this.#accept(sockets, accepted), secured);
    sockets.server.maxConnections = this.#config.max_connections;
    this.#sockets = sockets;
    if (tls !== undefined) this.#endReloading = tls.keepFresh(sockets.tls, clock, logger);
    this.#checking = setInterval(() => this.#check(), Math.min(CHECK_INTERVAL_MS, requestMs)).unref();
    return listen(sockets.server, this.#config.endpoint, 'protocols.http.endpoint', logger, exposureOf(this.#config));
  }

  /** Stops listening, lets requests under way end, and cuts what is left when `deadline` aborts. */
  async stop(deadline: AbortSignal): Promise<void> {
    this.#endReloading();
    for (const connection of this.#connections) connection.end();
    await this.#sockets?.close(deadline, () => {
      for (const { socket } of this.#connections) socket.destroy();
    });
    this.#node.close();
    clearInterval(this.#checking);
  }

  #accept({ server }: SocketServer, accepted: Socket): void {
    const read = readStatically(server, accepted, (bytes, start, end) => connection.receive(bytes, start, end));
    const connection = new HttpConnection(read, this.#parts);
    this.#connections.add(connection);
    const gone = this.open.add(
      () => read.socket.bytesRead,
      () => connection.leave(),
    );
    read.socket.once('close', () => {
      this.#connections.delete(connection);
      gone();
    });
  }

  #check(): void {
    const nowMs = performance.now();
    for (const connection of this.#connections) connection.check(nowMs);
  }

  #serve(exchange: Exchange): void {
    const { headers, method } = exchange;
    const path = exchange.path.split('?', 1)[0] as string;
    const signal = this.#signals.get(path);
    if (signal === undefined) return this.#refuse(exchange, undefined, new PipelineError('unknown_path', path));
    if (method === 'OPTIONS' && this.#cors !== undefined) return exchange.answer(this.#cors.preflight(headers));
    const fields = this.#cors?.fields(headers);
    if (method !== 'POST') {
      const allow = this.#cors === undefined ? 'POST' : 'POST, OPTIONS';
      return this.#refuse(exchange, signal, new PipelineError('bad_method', method), { ...fields, allow });
    }
    try {
      const budget = this.#gate.admit(headers);
      new HttpCall(exchange, signal, this.#intake, budget, this.#settings, fields);
    } catch (thrown) {
      const error = asPipelineError(thrown);
      const { challenge } = this.#gate;
      const asks = error.code === 'unauthenticated' && challenge !== undefined && { 'www-authenticate': challenge };
      this.#refuse(exchange, signal, error, { ...fields, ...asks });
    }
  }

  /** Answers a request of which nothing needs to be read. */
  #refuse(exchange: Exchange, signal: TelemetrySignal | undefined, error: PipelineError, fields: Fields = {}): void {
    this.#intake.refuse(signal, error);
    exchange.answer(errorReply(error, formOf(exchange.headers) ?? 'json').with(fields));
  }
}
