/** Where telemetry ends: takes OTLP over gRPC and HTTP, counts what comes, and answers at once. */
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import type { TelemetrySignal } from '../../proto/otlp/columns.ts';
import { EXPORT_METHODS, EXPORT_PATHS } from '../../proto/otlp/export.ts';
import { countItems } from './count.ts';

const WINDOW = 16 * 1024 * 1024;
const GRPC_PREFIX = 5;
/** An empty Export response. */
const GRPC_ANSWER = Buffer.alloc(GRPC_PREFIX);

export interface Received {
  readonly items: number;
  readonly requests: number;
  /** As they came: compressed, without framing. */
  readonly bytes: number;
  /** When the last request was there, milliseconds since the epoch; 0 before the first. */
  readonly lastMs: number;
  /** What went wrong first; nothing may. */
  readonly trouble?: string;
}

export class Sink {
  readonly #servers: Server[] = [];
  #items = 0;
  #requests = 0;
  #bytes = 0;
  #lastMs = 0;
  #trouble: string | undefined;
  /** How fast it is: an answer waits until all items before it have had their time. */
  itemsPerSecond = Number.POSITIVE_INFINITY;
  /** When it is done with what it has, ms of `performance.now`. */
  #busyUntilMs = 0;

  get received(): Received {
    const received = { items: this.#items, requests: this.#requests, bytes: this.#bytes, lastMs: this.#lastMs };
    return this.#trouble === undefined ? received : { ...received, trouble: this.#trouble };
  }

  /** Listens on loopback; returns the ports. */
  async start(): Promise<{ grpc: number; http: number }> {
    const grpc = createHttp2Server({ settings: { initialWindowSize: WINDOW, maxConcurrentStreams: 1000 } });
    grpc.on('session', (session) => session.setLocalWindowSize(WINDOW));
    grpc.on('stream', (stream, headers) => this.#onCall(stream, headers));
    const http = createHttpServer({ keepAliveTimeout: 60_000 }, (request, response) => this.#onPost(request, response));
    return { grpc: await this.#listen(grpc as unknown as Server), http: await this.#listen(http) };
  }

  stop(): void {
    for (const server of this.#servers) server.close();
  }

  #listen(server: Server): Promise<number> {
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
    });
  }

  #onCall(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    // What is lost with a broken stream shows in the count.
    stream.on('error', () => {});
    stream.on('end', () => {
      // Its sender has given up in the middle of it.
      if (stream.aborted) return;
      const path = headers[':path'];
      const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
      const encoding = body[0] === 1 ? String(headers['grpc-encoding']) : 'identity';
      const isTaken = this.#take(signalOf(EXPORT_METHODS, path), encoding, body.subarray(GRPC_PREFIX));
      this.#inTime(() => {
        if (stream.destroyed) return;
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': isTaken ? '0' : '3' }));
        stream.end(GRPC_ANSWER);
      });
    });
  }

  #onPost(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => {});
    request.on('end', () => {
      const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
      const encoding = request.headers['content-encoding'] ?? 'identity';
      const isTaken = this.#take(signalOf(EXPORT_PATHS, request.url), encoding, body);
      this.#inTime(() => {
        response.writeHead(isTaken ? 200 : 400, { 'content-type': 'application/x-protobuf', 'content-length': 0 });
        response.end();
      });
    });
  }

  #inTime(answer: () => void): void {
    const waitMs = this.#busyUntilMs - performance.now();
    if (waitMs <= 0) answer();
    else setTimeout(answer, waitMs);
  }

  /** Whether it could be read. */
  #take(signal: TelemetrySignal | undefined, encoding: string, body: Buffer): boolean {
    try {
      if (signal === undefined) throw new Error('a request for another service');
      const items = countItems(signal, inflated(encoding, body));
      this.#items += items;
      this.#busyUntilMs = Math.max(this.#busyUntilMs, performance.now()) + (1000 * items) / this.itemsPerSecond;
      this.#requests++;
      this.#bytes += body.length;
      this.#lastMs = performance.timeOrigin + performance.now();
      return true;
    } catch (thrown) {
      this.#trouble ??= String(thrown);
      return false;
    }
  }
}

function signalOf(table: Readonly<Record<TelemetrySignal, string>>, path: unknown): TelemetrySignal | undefined {
  return (Object.keys(table) as TelemetrySignal[]).find((signal) => table[signal] === path);
}

function inflated(encoding: string, body: Buffer): Buffer {
  switch (encoding) {
    case 'identity':
      return body;
    case 'gzip':
      return gunzipSync(body, { chunkSize: Math.max(64 * 1024, body.readUInt32LE(body.length - 4)) });
    case 'zstd':
      return zstdDecompressSync(body, { chunkSize: Math.max(64 * 1024, body.length * 10) });
    default:
      throw new Error(`a request compressed with ${encoding}`);
  }
}
