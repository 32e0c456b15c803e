import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DecisionEvent } from '../../proto/windback/decision.ts';
import { nameOf, serviceKey } from './cast.ts';
import type { Child, Children } from './children.ts';
import { DemoFailure } from './failure.ts';

const PROGRAM = join(import.meta.dirname, '../windback.ts');
export const CONFIG = join(import.meta.dirname, '../../examples/demo.yaml');
const START_TIMEOUT_MS = 20_000;
const ASK_EVERY_MS = 100;
const ANSWER_TIMEOUT_MS = 2000;

export interface Ports {
  readonly grpc: number;
  readonly http: number;
  readonly metrics: number;
  readonly health: number;
}

/** Where its decisions are read from. */
export function decisionsFile(folder: string): string {
  return join(folder, 'decisions.jsonl');
}

/** A real Windback, seen from outside: its process, its metrics and the file of its decisions. */
export class Windback {
  readonly #ports: Ports;
  readonly #folder: string;
  #readBytes = 0;

  constructor(ports: Ports, folder: string) {
    this.#ports = ports;
    this.#folder = folder;
  }

  get metricsUrl(): string {
    return `http://localhost:${this.#ports.metrics}/metrics`;
  }

  /** Starts `windback run`. `sets` are added to its configuration. Resolves when it is ready. */
  async start(children: Children, sets: readonly string[], signal: AbortSignal): Promise<void> {
    const args = ['run', '--config', CONFIG, ...sets.flatMap((set) => ['--set', set])];
    const { grpc, http, metrics, health } = this.#ports;
    const child = children.start('windback', [PROGRAM, ...args], {
      DEMO_FOLDER: this.#folder,
      DEMO_GRPC_PORT: String(grpc),
      DEMO_HTTP_PORT: String(http),
      DEMO_METRICS_PORT: String(metrics),
      DEMO_HEALTH_PORT: String(health),
    });
    const url = `http://localhost:${health}/readyz`;
    for (let waitedMs = 0; waitedMs < START_TIMEOUT_MS; waitedMs += ASK_EVERY_MS) {
      if (hasEnded(child)) break;
      const isReady = await fetch(url).then(
        ({ ok }) => ok,
        () => false,
      );
      if (isReady) return;
      await sleep(ASK_EVERY_MS, undefined, { signal });
    }
    // One that has ended was reported by `Children`.
    throw new DemoFailure(`Windback is not ready after ${START_TIMEOUT_MS / 1000} s: ${url}`);
  }

  /** The score over the last minute by `service version`, from the gauges `windback_health_score`. */
  async scores(): Promise<Map<string, number>> {
    const scores = new Map<string, number>();
    const text = await fetch(this.metricsUrl, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) }).then(
      (answer) => answer.text(),
      () => '', // It is busy: the table keeps what it has.
    );
    for (const [, labels = '', value] of text.matchAll(/^windback_health_score\{(.*)\} (\S+)$/gm)) {
      const label = (name: string) => new RegExp(`\\b${name}="([^"]*)"`).exec(labels)?.[1] ?? '';
      if (label('window') !== '1m') continue;
      const service = label('service').split('/')[1] ?? '';
      if (label('service') === serviceKey(service)) {
        scores.set(nameOf({ service, version: label('version') }), Number(value));
      }
    }
    return scores;
  }

  /** Decisions since the last call, from the lines of the `file` exporter. */
  newDecisions(): DecisionEvent[] {
    const path = decisionsFile(this.#folder);
    if (!existsSync(path)) return [];
    const file = openSync(path, 'r');
    const buffer = Buffer.alloc(1 << 20);
    const length = readSync(file, buffer, 0, buffer.length, this.#readBytes);
    closeSync(file);
    const whole = buffer.subarray(0, buffer.lastIndexOf(10, length - 1) + 1);
    this.#readBytes += whole.length;
    return whole
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as DecisionEvent);
  }
}

function hasEnded({ process: { exitCode, signalCode } }: Child): boolean {
  return exitCode !== null || signalCode !== null;
}
