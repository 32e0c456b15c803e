/** A real Windback whose configuration file changes, and clients that send to it without pause. */
import { credentials, Client } from '@grpc/grpc-js';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXPORT_METHODS } from '../../proto/otlp/export.ts';
import { start } from '../cmd/windback.ts';
import { traces } from './telemetry.ts';

/** A port that nobody has, and that no client is given by the system meanwhile. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

export interface Answer {
  readonly status: number;
  readonly body: Record<string, any>;
}

/** One run of the program, with its own folder and ports. */
export class Running {
  readonly folder = mkdtempSync(join(tmpdir(), 'windback-reload-'));
  readonly file = join(this.folder, 'windback.yaml');
  readonly metrics: number;
  readonly grpc: number;
  readonly http: number;
  #child: ChildProcess | undefined;
  #closed: Promise<number | null> = Promise.resolve(null);
  stderr = '';

  private constructor(ports: readonly number[]) {
    [this.metrics, this.grpc, this.http] = ports as [number, number, number];
  }

  /** Not started yet. */
  static async make(): Promise<Running> {
    return new Running([await freePort(), await freePort(), await freePort()]);
  }

  /** `service` and `extensions` are added to what the text says, as are the ports. */
  write(yaml: string): void {
    const text = yaml
      .replaceAll('FOLDER', this.folder)
      .replaceAll('METRICS', `127.0.0.1:${this.metrics}`)
      .replaceAll('GRPC', `127.0.0.1:${this.grpc}`)
      .replaceAll('HTTP', `127.0.0.1:${this.http}`);
    writeFileSync(this.file, text);
  }

  /** Resolves when it is ready; rejects where it ends before. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const child = start(['run', '--config', this.file], env);
    this.#child = child;
    this.#closed = new Promise((resolve) => child.once('close', resolve));
    child.stderr.on('data', (chunk) => (this.stderr += String(chunk)));
    await new Promise<void>((resolve, reject) => {
      child.stderr.on('data', () => this.stderr.includes(' is ready: ') && resolve());
      void this.#closed.then((code) => reject(new Error(`ended with ${code}: ${this.stderr}`)));
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  get closed(): Promise<number | null> {
    return this.#closed;
  }

  async end(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#closed;
    rmSync(this.folder, { recursive: true });
  }

  async reload(headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const answer = await fetch(`http://127.0.0.1:${this.metrics}/api/reload`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, any> };
  }

  /** Resolves when so many reloads have been counted, over all outcomes. */
  async reloads(count: number): Promise<void> {
    for (;;) {
      const text = await this.metricsText();
      const all = [...text.matchAll(/^windback_config_reloads_total\{.*\} (\d+)$/gm)].map(([, value]) => Number(value));
      if (all.reduce((sum, value) => sum + value, 0) >= count) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async metricsText(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.metrics}/metrics`)).text();
  }

  /** The value of a series, as it stands in the text. */
  async metric(series: string): Promise<number | undefined> {
    const line = (await this.metricsText()).split('\n').find((one) => one.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length + 1));
  }

  /** The ids of the spans in a file, in their order. */
  spanIds(file: string): string[] {
    const text = readFileSync(join(this.folder, file), 'utf8');
    return [...text.matchAll(/"spanId":"([0-9a-f]{16})"/g)].map(([, id]) => id as string);
  }

  /** The lines of the log. */
  get lines(): Record<string, any>[] {
    return this.stderr
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, any>);
  }
}

/** Hands bytes on, and counts connections: what a client does not tell. A connection that ends is followed by another. */
export class CountingProxy {
  readonly #server: Server;
  connections = 0;

  constructor(port: number) {
    this.#server = createServer((client) => {
      this.connections++;
      const upstream = connect(port, '127.0.0.1');
      client.on('close', () => upstream.destroy());
      upstream.on('close', () => client.destroy());
      for (const socket of [client, upstream]) socket.on('error', () => {});
      client.pipe(upstream);
      upstream.pipe(client);
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
  }
}

let lastSpan = 0;

/** A request of three spans, and their ids. */
export function someSpans(version = '1'): { readonly bytes: Buffer; readonly ids: readonly string[] } {
  const ids = Array.from({ length: 3 }, () => (++lastSpan).toString(16).padStart(16, '0'));
  const resource = { 'service.name': 'shop', 'service.version': version };
  const { bytes } = traces({ resource, items: ids.map((spanId) => ({ end: Date.now() / 1000, spanId })) });
  return { bytes: Buffer.from(bytes), ids };
}

/** Sends one request after the other until it is told to end. */
export class Stream {
  /** Of requests that were answered as taken. */
  readonly taken: string[] = [];
  readonly failures: string[] = [];
  readonly #send: (bytes: Buffer) => Promise<void>;
  readonly #done: Promise<void>;
  #isOver = false;

  constructor(send: (bytes: Buffer) => Promise<void>) {
    this.#send = send;
    this.#done = this.#run();
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const { bytes, ids } = someSpans();
      try {
        await this.#send(bytes);
        this.taken.push(...ids);
      } catch (error) {
        this.failures.push(String(error));
      }
    }
  }
}

/** One channel of grpc-js. It sends again by itself only what a server that says goodbye has not begun with. */
export function overGrpc(address: string): { send(bytes: Buffer): Promise<void>; close(): void } {
  const client = new Client(address, credentials.createInsecure());
  return {
    send: (bytes) =>
      new Promise((resolve, reject) => {
        const same = (value: Buffer) => value;
        client.makeUnaryRequest(EXPORT_METHODS.traces, same, same, bytes, (error) =>
          error === null ? resolve() : reject(error),
        );
      }),
    close: () => client.close(),
  };
}

/** One connection of node:http that is kept. */
export function overHttp(
  address: string,
  fields: Readonly<Record<string, string>> = {},
): { send(bytes: Buffer): Promise<void>; close(): void } {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const [hostname, port] = address.split(':');
  const headers = { 'content-type': 'application/x-protobuf', ...fields };
  return {
    send: (bytes) =>
      new Promise((resolve, reject) => {
        const sent = request({ agent, hostname, port, path: '/v1/traces', method: 'POST', headers }, (answer) => {
          answer.resume();
          answer.on('end', () =>
            answer.statusCode === 200 ? resolve() : reject(new Error(`status ${answer.statusCode}`)),
          );
        });
        sent.on('error', reject);
        sent.end(bytes);
      }),
    close: () => agent.destroy(),
  };
}

/** A configuration for `Running.write`, with one receiver and one exporter. */
export const SMALL = `
receivers: {otlp: {protocols: {grpc: {endpoint: GRPC}, http: {endpoint: HTTP}}}}
exporters: {file: {path: FOLDER/kept.jsonl}}
extensions: {health_check: {enabled: false}}
service:
  workers: 1
  telemetry: {metrics: {endpoint: METRICS}}
  pipelines: {traces: {receivers: [otlp], exporters: [file]}}
`;

/** A client on each port that has sent something already, and the ids of all that they sent. */
export async function withClients(windback: Running, cleanups: (() => unknown)[]) {
  const clients = [overGrpc(`127.0.0.1:${windback.grpc}`), overHttp(`127.0.0.1:${windback.http}`)];
  for (const client of clients) cleanups.push(() => client.close());
  const sent: string[] = [];
  const send = async () => {
    for (const client of clients) {
      const { bytes, ids } = someSpans();
      await client.send(bytes);
      sent.push(...ids);
    }
  };
  await send();
  return { send, sent };
}
