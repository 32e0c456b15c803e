/** `windback run` as a user runs it, watched through its own metrics. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../load/free-port.ts';

const PROGRAM = join(import.meta.dirname, '../../cmd/windback.ts');

export interface Reading {
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly items: number;
  /** By worker; empty with one. */
  readonly workers: readonly number[];
  readonly shed: number;
}

/** What is done with spans. */
export interface Work {
  /** YAML. */
  readonly processors: string;
  /** Those of them that spans pass, in order. */
  readonly chain: string;
}

export class Server {
  readonly grpc: number;
  readonly http: number;
  readonly #metrics: number;
  readonly #child: ChildProcess;

  private constructor(ports: readonly number[], child: ChildProcess) {
    [this.grpc, this.http, this.#metrics] = ports as [number, number, number];
    this.#child = child;
  }

  /** `exporter` is YAML. Resolves when it is ready. */
  static async start(workers: number, { processors, chain }: Work, exporter: string): Promise<Server> {
    const [grpc, http, metrics, health] = [await freePort(), await freePort(), await freePort(), await freePort()];
    const yaml = `
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:${grpc}"}, http: {endpoint: "127.0.0.1:${http}"}}}}
processors: {${processors}}
exporters: {to: 0, ${exporter}, file: {path: /dev/null}}
extensions: {health_check: {endpoint: "127.0.0.1:${health}"}}
service:
  workers: ${workers}
  telemetry: {logs: {level: error}, metrics: {endpoint: "127.0.0.1:${metrics}"}}
  pipelines:
    traces: {receivers: [otlp], processors: [${chain}], exporters: [${exporter.split(':')[0]}]}
    decisions: {receivers: [health], processors: [verdict], exporters: [file]}
`.replace('to: 0, ', '');
    const child = spawn(process.execPath, [PROGRAM, 'run', '--config', `yaml:${yaml}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr?.pipe(process.stderr);
    for (let i = 0; i < 300; i++) {
      const ready = await fetch(`http://127.0.0.1:${health}/readyz`).catch(() => undefined);
      if (ready?.status === 200) return new Server([grpc, http, metrics], child);
      await sleep(100);
    }
    child.kill('SIGKILL');
    throw new Error('the server did not become ready');
  }

  async read(): Promise<Reading> {
    const text = await (await fetch(`http://127.0.0.1:${this.#metrics}/metrics`)).text();
    const all = (name: string) =>
      [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].map(([, value]) => Number(value));
    const sum = (name: string) => all(name).reduce((total, value) => total + value, 0);
    return {
      cpuSeconds: sum('windback_process_cpu_seconds_total'),
      rssBytes: sum('windback_process_memory_rss_bytes'),
      items: sum('windback_receiver_accepted_items_total'),
      workers: all('windback_worker_received_items_total'),
      shed: sum('windback_worker_shed_connections_total'),
    };
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#child.once('exit', () => resolve());
      this.#child.kill('SIGTERM');
    });
  }
}
