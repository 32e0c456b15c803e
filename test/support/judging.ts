/** Health deltas from what matters to a test, and a judge that gets them second by second. */
import { Roles } from '../../pipeline/roles.ts';
import { serviceKeyOf } from '../../pipeline/tag.ts';
import { type VerdictConfig, verdictConfig } from '../../processors/verdict/config.ts';
import { digestOf } from '../../processors/verdict/decision.ts';
import { Board } from '../../processors/verdict/board.ts';
import { Overflow } from '../../processors/verdict/overflow.ts';
import { Overrides } from '../../processors/verdict/overrides.ts';
import type { Outcome } from '../../processors/verdict/recovery.ts';
import type { Rollout } from '../../processors/verdict/rollout.ts';
import { ServiceJudge, type Surroundings } from '../../processors/verdict/service-judge.ts';
import type { DecisionEvent } from '../../proto/windback/decision.ts';
import type { DeltaSeries, DeploymentEvent } from '../../proto/windback/health.ts';
import { binOf } from '../../proto/windback/latency-bins.ts';
import type { Random } from './random.ts';

export const SERVICE = { namespace: 'shop', service: 'checkout', environment: 'prod' } as const;
export const KEY = serviceKeyOf(SERVICE.namespace, SERVICE.service, SERVICE.environment);
/** A round second to begin with: 14 November 2023, 22:13:20 UTC. */
export const START = 1_700_000_000;

export interface SeriesSpec extends Partial<Omit<DeltaSeries, 'bins'>> {
  readonly version: string;
  /** Requests by their duration in ms; `all` is their sum unless it is given. */
  readonly ms?: Readonly<Record<number, number>>;
}

export function series({ ms = {}, ...spec }: SeriesSpec): DeltaSeries {
  const bins = new Map<number, number>();
  for (const [duration, count] of Object.entries(ms)) {
    const bin = binOf(Number(duration) * 1e6);
    bins.set(bin, (bins.get(bin) ?? 0) + count);
  }
  const entries = [...bins].filter(([, count]) => count > 0).sort(([a], [b]) => a - b);
  return {
    ...SERVICE,
    instance: `${spec.version}-1`,
    operation: 'POST /pay',
    kind: 'span',
    name: '',
    all: entries.reduce((sum, [, count]) => sum + count, 0),
    bad: 0,
    bins: { bin: entries.map(([bin]) => bin), count: entries.map(([, count]) => count) },
    exemplars: [],
    ...spec,
  };
}

export function deployment(spec: Partial<DeploymentEvent> & { readonly version: string }): DeploymentEvent {
  return { ...SERVICE, previousVersion: '', status: 'started', weight: null, atSeconds: START, ...spec };
}

export function config(overrides: Record<string, unknown> = {}): VerdictConfig {
  return verdictConfig.parse(overrides);
}

/** One service's judge on a clock that follows the telemetry: a second's deltas arrive when it is over. */
export class Bench {
  readonly roles = new Roles();
  readonly counts = { late: 0, overflow: new Overflow() };
  readonly board = new Board();
  readonly overrides = new Overrides();
  readonly outcomes: [string, Outcome][] = [];
  judge: ServiceJudge;
  readonly decisions: DecisionEvent[] = [];
  /** The next second. */
  slot = START;
  readonly #settings: VerdictConfig;

  constructor(overrides: Record<string, unknown> = {}) {
    this.#settings = config(overrides);
    this.judge = new ServiceJudge({ key: KEY, ...SERVICE }, this.#surroundings(this.#settings));
  }

  /** What is under way with a candidate; without a name, the rollout that began last. */
  rollout(candidate?: string): Rollout | undefined {
    const { rollouts } = this.judge;
    return candidate === undefined ? rollouts.foremost : rollouts.underWay.get(candidate);
  }

  get candidates(): string[] {
    return [...this.judge.rollouts.underWay.keys()];
  }

  get baseline(): string | undefined {
    return this.judge.rollouts.baseline;
  }

  /** Ends the judge and begins another one from what it saved, as text. */
  restart(): void {
    const saved = JSON.stringify(this.judge.save());
    this.judge = ServiceJudge.restore(JSON.parse(saved), this.#surroundings(this.#settings));
  }

  #surroundings(settings: VerdictConfig): Surroundings {
    return {
      config: settings,
      digest: digestOf(settings),
      roles: this.roles,
      board: this.board,
      overrides: this.overrides,
      counts: this.counts,
      onOutcome: (id, outcome) => this.outcomes.push([id, outcome]),
    };
  }

  /** Lets one second pass with what was seen in it. Returns the decisions taken. */
  second(seen: readonly DeltaSeries[], events: readonly DeploymentEvent[] = []): DecisionEvent[] {
    const nowMs = (this.slot + 1) * 1000;
    for (const event of events) this.judge.announce({ ...event, atSeconds: this.slot });
    for (const one of seen) if (one.all > 0) this.judge.merge(one, this.slot, nowMs);
    this.slot++;
    const decisions = this.judge.advance(nowMs);
    this.decisions.push(...decisions);
    return decisions;
  }

  /** Lets `seconds` pass; `at` says what is seen in each, counted from 0. Stops early where `until` says so. */
  run(seconds: number, at: (second: number) => readonly DeltaSeries[], until?: () => boolean): this {
    for (let i = 0; i < seconds && until?.() !== true; i++) this.second(at(i));
    return this;
  }

  get kinds(): string[] {
    return this.decisions.map(({ data }) => data.decision);
  }

  /** Seconds from `start` to the first decision of a kind, in event time; undefined where there was none. */
  after(kind: string, start: number): number | undefined {
    const found = this.decisions.find(({ data }) => data.decision === kind);
    return found === undefined ? undefined : Date.parse(found.time) / 1000 - start;
  }
}

/** Latencies of a service, as factors of its usual one. */
const SPREAD = [0.5, 0.7, 0.9, 1, 1.1, 1.3, 1.8];

export interface TrafficSpec {
  /** Requests a second. */
  readonly rate: number;
  readonly errors: number;
  readonly ms?: number;
  readonly spread?: readonly number[];
  readonly instance?: string;
}

/** A version's requests of a second: Poisson in number, failing one by one, with latencies around `ms`. */
export function traffic(random: Random, version: string, spec: TrafficSpec): DeltaSeries {
  const { rate, errors, ms = 20, spread = SPREAD, instance } = spec;
  const all = random.poisson(rate);
  const latencies: Record<number, number> = {};
  for (const factor of spread) latencies[ms * factor] = 0;
  const keys = Object.keys(latencies);
  for (let i = 0; i < all; i++) {
    const key = Number(keys[random.below(keys.length)]);
    latencies[key] = (latencies[key] as number) + 1;
  }
  return series({
    version,
    all,
    bad: random.binomial(all, errors),
    ms: latencies,
    ...(instance === undefined ? {} : { instance }),
  });
}
