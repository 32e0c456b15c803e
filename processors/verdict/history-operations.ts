import { upperBoundNs } from '../../proto/windback/latency-bins.ts';
import {
  LATENCY_INDICATORS,
  LATENCY_QUANTILES,
  type LatencyIndicator,
  type OperationMinute,
} from './history-minute.ts';
import { type BinCounts, SparseBins } from './sparse-bins.ts';

/** What is left of a minute's weight one learnt minute later: the mean age of what is known is an hour. */
const KEEP = Math.exp(-1 / 60);
/** An operation is given so many requests at the service's own rate: one that is new or rare is no outlier. */
const PRIOR = 20;
/** Operations whose requests have faded below this are forgotten. */
const NEGLIGIBLE = 0.5;
/** Stands for the operations beyond the limit. No operation has an empty name. */
const OTHER = '';

const NS_PER_MS = 1e6;

/** One operation's past, as faded sums. `logMs` are the logarithms of each minute's quantiles, weighted by `timed`. */
interface Past {
  tick: number;
  all: number;
  bad: number;
  timed: number;
  readonly logMs: number[];
}

type SavedPast = readonly [name: string, tick: number, all: number, bad: number, timed: number, ...logMs: number[]];
export interface SavedOperations {
  readonly tick: number;
  readonly overflowed: number;
  readonly total: SavedPast;
  readonly pasts: readonly SavedPast[];
}

/** Seen and expected of one minute. Latency: the mean over requests of their operation's quantile, in ms. */
export interface Expectation {
  readonly seen: number;
  readonly expected: number;
  readonly ratio: number;
}

/** What each operation did on the average of the recent past. At most `limit` operations, and one for the rest. */
export class Operations {
  readonly #limit: number;
  readonly #pasts = new Map<string, Past>();
  #total = newPast(0);
  /** Minutes learnt: nothing fades while nothing is learnt. */
  #tick = 0;
  overflowed = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bad events against what this mix of operations lets expect; undefined without events, or without a past. */
  errors(operations: ReadonlyMap<string, OperationMinute>): Expectation | undefined {
    const { all, bad } = this.#total;
    if (all === 0) return undefined;
    let total = 0;
    let seen = 0;
    let expected = 0;
    for (const [name, minute] of sorted(operations)) {
      const past = this.#find(name);
      const known = past === undefined ? 0 : past.all * fading(past, this.#tick);
      const knownBad = past === undefined ? 0 : past.bad * fading(past, this.#tick);
      total += minute.all;
      seen += minute.bad;
      expected += minute.all * ((knownBad + PRIOR * (bad / all)) / (known + PRIOR));
    }
    return total === 0 ? undefined : { seen, expected, ratio: (seen + 0.5) / (expected + 0.5) };
  }

  /** A quantile against each operation's usual one; undefined where no operation of the minute has one. */
  latency(indicator: LatencyIndicator, operations: ReadonlyMap<string, OperationMinute>): Expectation | undefined {
    const index = LATENCY_INDICATORS.indexOf(indicator);
    let weight = 0;
    let seen = 0;
    let expected = 0;
    let logRatio = 0;
    for (const [name, { bins }] of sorted(operations)) {
      const past = this.#find(name);
      const count = countOf(bins);
      if (past === undefined || past.timed === 0 || count === 0) continue;
      const usualLog = (past.logMs[index] as number) / past.timed;
      const log = Math.log(quantileMs(bins, count, LATENCY_QUANTILES[indicator]));
      weight += count;
      seen += count * Math.exp(log);
      expected += count * Math.exp(usualLog);
      logRatio += count * (log - usualLog);
    }
    if (weight === 0) return undefined;
    return { seen: seen / weight, expected: expected / weight, ratio: Math.exp(logRatio / weight) };
  }

  learn(operations: ReadonlyMap<string, OperationMinute>): void {
    this.#tick++;
    if (this.#tick % 60 === 0) this.#forget();
    for (const [name, minute] of sorted(operations)) {
      for (const past of [this.#total, this.#open(name)]) {
        fade(past, this.#tick);
        past.all += minute.all;
        past.bad += minute.bad;
      }
      this.#time(this.#open(name), minute.bins);
    }
  }

  save(): SavedOperations {
    return {
      tick: this.#tick,
      overflowed: this.overflowed,
      total: savePast(OTHER, this.#total),
      pasts: [...this.#pasts].map(([name, past]) => savePast(name, past)),
    };
  }

  static restore(saved: SavedOperations, limit: number): Operations {
    const operations = new Operations(limit);
    operations.#tick = saved.tick;
    operations.overflowed = saved.overflowed;
    operations.#total = loadPast(saved.total);
    for (const past of saved.pasts) operations.#pasts.set(past[0], loadPast(past));
    return operations;
  }

  #time(past: Past, bins: BinCounts): void {
    const count = countOf(bins);
    if (count === 0) return;
    past.timed += count;
    const ascending = SparseBins.of(bins);
    LATENCY_INDICATORS.forEach((indicator, i) => {
      const log = Math.log(quantileMs(ascending, count, LATENCY_QUANTILES[indicator]));
      past.logMs[i] = (past.logMs[i] as number) + count * log;
    });
  }

  #find(name: string): Past | undefined {
    return this.#pasts.get(name) ?? this.#pasts.get(OTHER);
  }

  #open(name: string): Past {
    const known = this.#pasts.get(name);
    if (known !== undefined) return known;
    const isFull = this.#pasts.size - (this.#pasts.has(OTHER) ? 1 : 0) >= this.#limit;
    if (isFull && name !== OTHER) {
      this.overflowed++;
      return this.#open(OTHER);
    }
    const past = newPast(this.#tick);
    this.#pasts.set(name, past);
    return past;
  }

  #forget(): void {
    for (const [name, past] of this.#pasts) {
      if (past.all * fading(past, this.#tick) < NEGLIGIBLE) this.#pasts.delete(name);
    }
  }
}

/** The upper bound of the bin with the quantile in it, ms. */
export function quantileMs(latencies: BinCounts, count: number, quantile: number): number {
  const { bins, counts } = SparseBins.of(latencies);
  let below = 0;
  let last = 0;
  for (let i = 0; i < bins.length; i++) {
    below += counts[i] as number;
    last = bins[i] as number;
    if (below >= quantile * count) break;
  }
  return upperBoundNs(last) / NS_PER_MS;
}

function countOf(bins: BinCounts): number {
  let count = 0;
  bins.forEach((n) => {
    count += n;
  });
  return count;
}

/** By name, since sums of fractions, and who finds room, must not depend on the order of arrival. */
function sorted(operations: ReadonlyMap<string, OperationMinute>): [string, OperationMinute][] {
  return [...operations].sort(([a], [b]) => (a < b ? -1 : 1));
}

function newPast(tick: number): Past {
  return { tick, all: 0, bad: 0, timed: 0, logMs: LATENCY_INDICATORS.map(() => 0) };
}

function fading({ tick }: Past, now: number): number {
  return KEEP ** (now - tick);
}

function fade(past: Past, now: number): void {
  const factor = fading(past, now);
  past.tick = now;
  past.all *= factor;
  past.bad *= factor;
  past.timed *= factor;
  for (let i = 0; i < past.logMs.length; i++) past.logMs[i] = (past.logMs[i] as number) * factor;
}

function savePast(name: string, { tick, all, bad, timed, logMs }: Past): SavedPast {
  return [name, tick, all, bad, timed, ...logMs];
}

function loadPast([, tick, all, bad, timed, ...logMs]: SavedPast): Past {
  return { tick, all, bad, timed, logMs };
}
