import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Endpoint } from '../config/scalars.ts';
import { PipelineError } from '../errors.ts';
import type { ServiceState } from '../service.ts';
import type { Meter } from './meter.ts';
import { observeProcess } from './process.ts';

/** What the operator's own endpoints show. */
export interface AdminView {
  readonly meter: Meter;
  readonly state: () => ServiceState;
}

/** A small HTTP server of answers that are made when asked for. */
export class AdminServer {
  readonly #server: Server;
  readonly #endpoint: Endpoint;
  readonly #key: string;

  /** `key` is the configuration key that sets the endpoint, for the error when it is taken. */
  constructor(endpoint: Endpoint, key: string, pages: Readonly<Record<string, Page>>) {
    this.#endpoint = endpoint;
    this.#key = key;
    this.#server = createServer(listener(pages));
    this.#server.headersTimeout = 5_000;
  }

  start(): Promise<void> {
    const { host, port } = this.#endpoint;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const code = error.code === 'EADDRINUSE' ? 'port_in_use' : 'cannot_listen';
        reject(new PipelineError(code, `${host}:${port} (${this.#key})`, { cause: error }));
      });
      this.#server.listen(port, host, resolve);
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

function listener(pages: Readonly<Record<string, Page>>): RequestListener {
  return (request, response) => {
    // Not `new URL`: it throws on some of what a client may send, such as `//`.
    const [path = '/'] = (request.url ?? '/').split('?');
    const page = pages[path];
    if (page === undefined) {
      response
        .writeHead(404, { 'content-type': 'text/plain' })
        .end(`not found; there is ${Object.keys(pages).join(', ')}\n`);
      return;
    }
    page.answer().then(
      ({ status, body }) => response.writeHead(status, { 'content-type': page.contentType }).end(body),
      (error: unknown) => response.writeHead(500, { 'content-type': 'text/plain' }).end(`${String(error)}\n`),
    );
  };
}
