import { z } from 'zod';
import { duration } from '../../pipeline/config/scalars.ts';
import type { Pair } from '../../proto/windback/decision.ts';
import { type Cell, MAX_CELLS } from './block.ts';
import { FirstNames } from './first-names.ts';
import { type BinCounts, SparseBins } from './sparse-bins.ts';

/** What the history can compare. `traffic` is the history's `silence`: fewer requests than there used to be. */
export const HISTORY_INDICATORS = ['errors', 'log_errors', 'slow_p50', 'slow_p90', 'slow_p99', 'traffic'] as const;
export type HistoryIndicator = (typeof HISTORY_INDICATORS)[number];

/** The quantile of each latency indicator. */
export const LATENCY_QUANTILES = { slow_p50: 0.5, slow_p90: 0.9, slow_p99: 0.99 } as const;
export type LatencyIndicator = keyof typeof LATENCY_QUANTILES;
export const LATENCY_INDICATORS = Object.keys(LATENCY_QUANTILES) as LatencyIndicator[];

/** One operation in one minute. `bins` are latencies by the layout of `latency-bins.ts`, warmed-up instances only. */
export interface OperationMinute {
  readonly all: number;
  readonly bad: number;
  readonly bins: BinCounts;
}

/** What one version did in one minute of event time; `VersionBlock.byOperation` gives the operations as they are. */
export interface Minute {
  /** Minutes since 1970: floor(seconds / 60). */
  readonly minute: number;
  readonly operations: ReadonlyMap<string, OperationMinute>;
  readonly logs: Pair;
  /** Requests of the whole service, all versions: a baseline that hands over its traffic has not fallen silent. */
  readonly requests: number;
}

/** One operation, while its minute lasts. */
class OperationSum implements OperationMinute {
  all = 0;
  bad = 0;
  readonly bins = new SparseBins();

  add(all: number, bad: number, bins: BinCounts | undefined): void {
    this.all += all;
    this.bad += bad;
    if (bins !== undefined) this.bins.add(bins);
  }

  merge({ all, bad, bins }: OperationSum): void {
    this.add(all, bad, bins);
  }
}

export const SECONDS_PER_MINUTE = 60;

/** Adds up blocks until their minute is over. Sums only, so blocks may come in any order. */
export class MinuteSum implements Minute {
  readonly minute: number;
  readonly #operations = new FirstNames(MAX_CELLS, () => new OperationSum());
  readonly logs = { all: 0, bad: 0 };
  requests = 0;

  constructor(minute: number) {
    this.minute = minute;
  }

  /** `requests` are the whole service's; left out, they are the sum over `operations`. */
  add(operations: ReadonlyMap<string, OperationMinute>, logs: Pair, requests?: number): void {
    let total = 0;
    for (const [name, { all, bad, bins }] of operations) {
      total += all;
      this.#add(name, all, bad, bins);
    }
    this.addLogs(logs);
    this.requests += requests ?? total;
  }

  get operations(): ReadonlyMap<string, OperationMinute> {
    return this.#operations.entries;
  }

  /** The same of a block, with the latencies of those that have warmed up. */
  addCells(cells: ReadonlyMap<string, Cell>, warm: ReadonlyMap<string, Cell>): void {
    for (const [name, { all, bad }] of cells) this.#add(name, all, bad, warm.get(name)?.bins);
  }

  addLogs({ all, bad }: Pair): void {
    this.logs.all += all;
    this.logs.bad += bad;
  }

  /** The state for JSON. */
  save(): unknown {
    return {
      minute: this.minute,
      // In order, so that the state does not tell how the blocks were cut or came.
      operations: [...this.operations]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, { all, bad, bins }]) => [name, all, bad, ...SparseBins.of(bins).flat()] as const),
      logs: this.logs,
      requests: this.requests,
    } satisfies SavedMinute;
  }

  static restore(saved: unknown): MinuteSum {
    const { minute, operations, logs, requests } = saved as SavedMinute;
    const sum = new MinuteSum(minute);
    for (const [name, all, bad, ...flat] of operations) {
      const bins = new SparseBins();
      bins.addFlat(flat);
      sum.#add(name, all, bad, bins);
    }
    Object.assign(sum.logs, logs);
    sum.requests = requests;
    return sum;
  }

  #add(name: string, all: number, bad: number, bins: BinCounts | undefined): void {
    this.#operations.of(name).add(all, bad, bins);
  }
}

interface SavedMinute {
  readonly minute: number;
  readonly operations: readonly (readonly [name: string, all: number, bad: number, ...binsAndCounts: number[]])[];
  readonly logs: Pair;
  readonly requests: number;
}

/** The fragment of the configuration that the history needs. */
export const historyConfig = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe('Whether a candidate without a concurrent baseline is judged against the past at all.'),
    factor: z
      .number()
      .min(1)
      .default(10)
      .describe('How many times stronger the evidence must be than against a concurrent baseline.'),
    min_history: z
      .int()
      .min(20)
      .max(120)
      .default(30)
      .describe('Minutes of the baseline that must be known. With fewer there is no baseline.'),
    min_minutes: z.int().min(1).default(5).describe('Minutes of the candidate, at least, before the past may decide.'),
    quantile: z
      .number()
      .min(0.5)
      .max(0.99)
      .default(0.9)
      .describe('A minute of the candidate is bad when it is worse than this share of the minutes of the past.'),
    margin: z.number().min(0).default(0.25).describe('And worse by this share on top.'),
    stale_after: duration
      .prefault('1h')
      .describe('How long after the last minute of the baseline the past still says what to expect.'),
    max_operations: z
      .int()
      .min(1)
      .max(10_000)
      .default(200)
      .describe('Operations with an expectation of their own, per service; further ones share one.'),
  })
  .prefault({})
  .describe('The baseline where no other version runs at the same time: what the service did before.');

export type HistoryConfig = z.output<typeof historyConfig>;
