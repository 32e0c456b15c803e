/** Windback as it runs in production, with all that keeps state: tag, judge, forward through a queue on disk. */
import { type ChildProcess, fork } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import type { Inside } from './probe.ts';

const LAUNCHER = join(import.meta.dirname, '../../cmd/launch.js');
const PROBE = join(import.meta.dirname, 'probe.ts');
const READY_MS_MAX = 30_000;
const STOP_MS_MAX = 30_000;

export interface SoakPlaces {
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly metricsPort: number;
  readonly sinkPort: number;
  readonly folder: string;
}

function configOf({ grpcPort, httpPort, metricsPort, sinkPort, folder }: SoakPlaces) {
  const address = (port: number): { endpoint: string } => ({ endpoint: `127.0.0.1:${port}` });
  return {
    receivers: { otlp: { protocols: { grpc: address(grpcPort), http: address(httpPort) } } },
    processors: { memory_limiter: { limit_mib: 512 }, deployment: {}, health: {}, verdict: {} },
    exporters: {
      otlp: { ...address(sinkPort), tls: { insecure: true }, sending_queue: { storage: 'file_storage' } },
      file: { path: join(folder, 'decisions.jsonl') },
    },
    extensions: { health_check: { enabled: false }, file_storage: { directory: join(folder, 'state') } },
    service: {
      telemetry: { logs: { level: 'warn' }, metrics: address(metricsPort) },
      pipelines: {
        traces: {
          receivers: ['otlp'],
          processors: ['memory_limiter', 'deployment', 'health'],
          exporters: ['otlp'],
        },
        decisions: { receivers: ['health'], processors: ['verdict'], exporters: ['file'] },
      },
    },
  };
}

export class SoakedWindback {
  readonly #child: ChildProcess;
  readonly #places: SoakPlaces;
  readonly #log: string;

  constructor(places: SoakPlaces) {
    this.#places = places;
    const config = join(places.folder, 'windback.yaml');
    writeFileSync(config, stringify(configOf(places)));
    this.#log = join(places.folder, 'windback.output');
    const output = openSync(this.#log, 'w');
    this.#child = fork(LAUNCHER, ['run', '--config', config], {
      execArgv: ['--import', PROBE],
      // As the launcher sets it, which would begin the process anew, and without the channel to us.
      env: { ...process.env, MALLOC_MMAP_THRESHOLD_: String(128 * 1024) },
      stdio: ['ignore', output, output, 'ipc'],
    });
    closeSync(output);
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** What it has written, the end of it. */
  get said(): string {
    return readFileSync(this.#log, 'utf8').trim().split('\n').slice(-8).join('\n');
  }

  async ready(): Promise<void> {
    const until = performance.now() + READY_MS_MAX;
    while (!readFileSync(this.#log, 'utf8').includes(' is ready: ')) {
      if (this.hasEnded || performance.now() > until) throw new Error(`Windback is not ready:\n${this.said}`);
      await sleep(20);
    }
  }

  inside(): Promise<Inside> {
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error(`Windback has ended:\n${this.said}`));
      if (this.hasEnded) return ended();
      this.#child.once('exit', ended);
      this.#child.once('message', (inside) => {
        this.#child.removeListener('exit', ended);
        resolve(inside as Inside);
      });
      this.#child.send('inside');
    });
  }

  /** Its own metrics: the value of a series without labels, or the sum over labels. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.#places.metricsPort}/metrics`)).text();
    return text
      .split('\n')
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  /** The exit code. */
  async stop(): Promise<number | null> {
    const { exitCode } = this.#child;
    if (this.hasEnded) return exitCode;
    const exit = new Promise<number | null>((resolve) => {
      this.#child.once('exit', (code) => resolve(code));
    });
    this.#child.kill('SIGTERM');
    const late = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS_MAX);
    const code = await exit;
    clearTimeout(late);
    return code;
  }
}
