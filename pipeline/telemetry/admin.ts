import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import type { AdminEndpoint } from '../config/loaded.ts';
import { PipelineError } from '../errors.ts';
import { isLoopback } from '../listener.ts';
import type { Router } from '../routes.ts';
import { ServerTls } from '../server-tls.ts';
import type { ServiceState } from '../service.ts';
import { answerApi, isFromHere } from './api.ts';
import type { Logger } from './logger.ts';
import type { Meter } from './meter.ts';
import { observeProcess } from './process.ts';

/** What the operator's own endpoints show. */
export interface AdminView {
  readonly meter: Meter;
  readonly state: () => ServiceState;
}

/** The operator's API beside the pages. */
export interface Api {
  readonly router: Router;
  /** What requests that change something must carry, if configured. */
  readonly token: string | undefined;
}

/** What the server needs of the process. */
export interface Around {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How many clients may be connected at once: a scraper, a few people, and no more memory than that takes. */
const MAX_CONNECTIONS = 100;

/** How long a client may take until it is let in over TLS, and for the head and the whole of a request, ms. */
const HANDSHAKE_MS_MAX = 5_000;
const HEAD_MS_MAX = 5_000;
const REQUEST_MS_MAX = 10_000;

/** A small HTTP server of answers that are made when asked for, over TLS where the configuration has that. */
export class AdminServer {
  readonly #endpoint: AdminEndpoint;
  readonly #key: string;
  readonly #listener: RequestListener;
  readonly #token: string | undefined;
  readonly #around: Around;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #endReloading: () => void = () => {};
  #isLoopback = false;

  /** `key` is the part of the configuration that has the endpoint, for errors. */
  constructor(endpoint: AdminEndpoint, key: string, pages: Readonly<Record<string, Page>>, around: Around, api?: Api) {
    this.#endpoint = endpoint;
    this.#key = key;
    this.#around = around;
    this.#token = api?.token;
    this.#listener = this.#answering(pages, api);
  }

  /** Rejects with `port_in_use`, `cannot_listen`, `file_unreadable` or `bad_certificate`. */
  async start(): Promise<void> {
    const server = await this.#create();
    this.#server = server;
    server.headersTimeout = HEAD_MS_MAX;
    server.requestTimeout = REQUEST_MS_MAX;
    server.maxConnections = MAX_CONNECTIONS;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    const { host, port, tls } = this.#endpoint;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        const code = error.code === 'EADDRINUSE' ? 'port_in_use' : 'cannot_listen';
        reject(new PipelineError(code, `${host}:${port} (${this.#key}.endpoint)`, { cause: error }));
      });
      server.listen(port, host, resolve);
    });
    this.#isLoopback = isLoopback((server.address() as AddressInfo).address);
    if (this.#isLoopback || this.#token === undefined || tls !== undefined) return;
    this.#around.logger.warn(
      { key: this.#key, todo: `configure ${this.#key}.tls, or listen on localhost behind a proxy that has TLS` },
      'the token of service.telemetry.admin crosses the network as it is, for everybody on the way to read',
    );
  }

  /** The port that was really bound. */
  get port(): number {
    return ((this.#server as Server).address() as AddressInfo).port;
  }

  /** Legal before `start`, and twice. */
  stop(): Promise<void> {
    this.#endReloading();
    const server = this.#server;
    return new Promise((resolve) => {
      if (server === undefined) return resolve();
      server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  async #create(): Promise<Server> {
    const config = this.#endpoint.tls;
    if (config === undefined) return createServer(this.#listener);
    const tls = await ServerTls.load(config, `${this.#key}.tls`);
    const options = { ...tls.options(['http/1.1']), handshakeTimeout: HANDSHAKE_MS_MAX };
    const server = process.getBuiltinModule('node:https').createServer(options, this.#listener);
    this.#endReloading = tls.keepFresh(server, this.#around.clock, this.#around.logger);
    return server;
  }

  #answering(pages: Readonly<Record<string, Page>>, api: Api | undefined): RequestListener {
    return (request, response) => {
      // Not `new URL`: it throws on some of what a client may send, such as `//`.
      const [path = '/'] = (request.url ?? '/').split('?');
      const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
      const access = { isLoopback: this.#isLoopback, token: api?.token };
      if (page !== undefined) {
        // Probes tell nothing; the metrics, which stand beside the API, tell what is deployed.
        if (api === undefined || isFromHere(request, response, access)) show(page, response);
        return;
      }
      if (api !== undefined && /^\/(?:api|debug)\//.test(path))
        return void answerApi(request, response, path, api.router, access);
      const known = [...Object.keys(pages), ...(api?.router.paths ?? [])];
      response.writeHead(404, { 'content-type': 'text/plain' }).end(`not found; there is ${known.join(', ')}\n`);
    };
  }
}

export interface Page {
  readonly contentType: string;
  readonly answer: () => Promise<{ status: number; body: string }>;
}

/** `/metrics` in the Prometheus text format. */
export function metricsPages({ meter }: AdminView): Record<string, Page> {
  observeProcess(meter);
  return {
    '/metrics': {
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      answer: async () => ({ status: 200, body: await meter.text() }),
    },
  };
}

/** `/livez`: the event loop turns. `/readyz`, and `/` as the Collector has it: telemetry is accepted. */
export function healthPages({ state }: AdminView): Record<string, Page> {
  const contentType = 'application/json';
  const ready = async () => {
    const isReady = state() === 'ready';
    return { status: isReady ? 200 : 503, body: `${JSON.stringify({ status: isReady ? 'ok' : state() })}\n` };
  };
  return {
    '/livez': { contentType, answer: async () => ({ status: 200, body: '{"status":"ok"}\n' }) },
    '/readyz': { contentType, answer: ready },
    '/': { contentType, answer: ready },
  };
}

function show({ contentType, answer }: Page, response: ServerResponse): void {
  answer().then(
    ({ status, body }) => response.writeHead(status, { 'content-type': contentType }).end(body),
    (error: unknown) => response.writeHead(500, { 'content-type': 'text/plain' }).end(`${String(error)}\n`),
  );
}
