import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Endpoint } from '../config/scalars.ts';
import { PipelineError } from '../errors.ts';
import { isLoopback } from '../listener.ts';
import type { Router } from '../routes.ts';
import type { ServiceState } from '../service.ts';
import { answerApi } from './api.ts';
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

/** How many clients may be connected at once: a scraper, a few people, and no more memory than that takes. */
const MAX_CONNECTIONS = 100;

/** A small HTTP server of answers that are made when asked for. */
export class AdminServer {
  readonly #server: Server;
  readonly #endpoint: Endpoint;
  readonly #key: string;
  #isLoopback = false;

  /** `key` is the configuration key that sets the endpoint, for the error when it is taken. */
  constructor(endpoint: Endpoint, key: string, pages: Readonly<Record<string, Page>>, api?: Api) {
    this.#endpoint = endpoint;
    this.#key = key;
    this.#server = createServer(this.#listener(pages, api));
    this.#server.headersTimeout = 5_000;
    this.#server.requestTimeout = 10_000;
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  start(): Promise<void> {
    const { host, port } = this.#endpoint;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const code = error.code === 'EADDRINUSE' ? 'port_in_use' : 'cannot_listen';
        reject(new PipelineError(code, `${host}:${port} (${this.#key})`, { cause: error }));
      });
      this.#server.listen(port, host, () => {
        this.#isLoopback = isLoopback((this.#server.address() as AddressInfo).address);
        resolve();
      });
    });
  }

  /** The port that was really bound. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  #listener(pages: Readonly<Record<string, Page>>, api: Api | undefined): RequestListener {
    return (request, response) => {
      // Not `new URL`: it throws on some of what a client may send, such as `//`.
      const [path = '/'] = (request.url ?? '/').split('?');
      const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
      if (page !== undefined) return show(page, response);
      if (api !== undefined && /^\/(?:api|debug)\//.test(path)) {
        const access = { isLoopback: this.#isLoopback, token: api.token };
        return void answerApi(request, response, path, api.router, access);
      }
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
