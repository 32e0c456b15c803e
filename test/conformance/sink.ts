/** Where the server under test sends what it has taken, so that a case sees what became of its request. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { HTTP_PATHS, readRequest, type Signal, SIGNALS } from './wire/messages.ts';
import { markOf } from './wire/telemetry.ts';

/** How long a request may be on its way through the server. */
const ARRIVAL_MS_MAX = 5000;

/** A server of OTLP over HTTP, protobuf only, that says yes to everything. */
export class Sink {
  readonly #server: Server;
  readonly #arrived = new Map<string, unknown>();
  readonly #waiting = new Map<string, (request: unknown) => void>();

  #released: Promise<void> = Promise.resolve();
  #release: () => void = () => {};

  constructor() {
    this.#server = createServer((request, response) => {
      const answered = this.#take(request).then(() => this.#released);
      void answered.then(
        () => response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end(),
        () => response.writeHead(400).end(),
      );
    });
  }

  /** Resolves to its address. Rejects where the port is taken. */
  start(host: string, port: number): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => resolve(`${host}:${(this.#server.address() as AddressInfo).port}`));
    });
  }

  /** What arrives of the request with this mark, as an object; undefined where nothing does for some seconds. */
  arrival(mark: string): Promise<unknown> {
    const there = this.#arrived.get(mark);
    if (there !== undefined) return Promise.resolve(there);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), ARRIVAL_MS_MAX);
      this.#waiting.set(mark, (request) => {
        clearTimeout(timer);
        resolve(request);
      });
    });
  }

  /** Answers nothing more, until `release`. */
  hold(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#released = promise;
    this.#release = resolve;
  }

  release(): void {
    this.#release();
  }

  close(): void {
    this.release();
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #take(request: IncomingMessage): Promise<void> {
    const signal = SIGNALS.find((one) => HTTP_PATHS[one] === request.url) as Signal;
    const body = await buffer(request);
    const read = readRequest(signal, request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body);
    const mark = markOf(read);
    if (mark === undefined) return;
    this.#arrived.set(mark, read);
    this.#waiting.get(mark)?.(read);
  }
}
