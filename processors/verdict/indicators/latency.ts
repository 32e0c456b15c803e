import { binOf, upperBoundNs } from '../../../proto/windback/latency-bins.ts';
import type { Cell } from '../block.ts';
import type { Readings } from '../evidence/strata.ts';
import { FadingBins } from './fading-bins.ts';
import { type Reading, readingsOf, type View } from './reader.ts';

/** A request is slow above this much more than the quantile: the larger of both. */
export interface Slack {
  /** As a part of the quantile. */
  readonly margin: number;
  readonly floorNs: number;
}

/** A quantile with fewer requests beyond it is a guess. */
const MIN_TAIL = 5;
/** Operations whose latencies are remembered; folding limits them first, so this only bounds what a stranger sends. */
const MAX_OPERATIONS = 1000;

/** The baseline's own latencies by operation, recent ones counting most. Blocks enter after they were judged. */
export class LatencyKnowledge {
  readonly #operations = new Map<string, FadingBins>();

  /**
   * Slow requests of requests, by operation. A request of the candidate is slow beyond quantile and slack, one of the
   * baseline beyond the quantile: slower by no more than the slack is then within the hypothesis.
   */
  read(view: View, quantile: number, slack: Slack): Readings {
    const bounds = new Map<string, { reference: number; suspect: number; now: number }>();
    for (const [operation, cell] of together(view)) {
      const known = this.#operations.get(operation);
      if (known === undefined || known.total * (1 - quantile) < MIN_TAIL) continue;
      const reference = known.quantileBin(quantile);
      const now = quantileOf(cell, quantile);
      bounds.set(operation, { reference, suspect: withSlack(reference, slack), now: withSlack(now, slack) });
    }
    const reader = (isSuspect: boolean) => (group: { cells(kind: View['requests']): ReadonlyMap<string, Cell> }) => {
      const readings = new Map<string, Reading>();
      for (const [operation, cell] of group.cells(view.requests)) {
        const bound = bounds.get(operation);
        if (bound === undefined || cell.bins.size === 0) continue;
        const bad = above(cell, isSuspect ? bound.suspect : bound.reference);
        readings.set(operation, { all: cell.all, bad, over: above(cell, bound.now) });
      }
      return readings;
    };
    return readingsOf(view, { candidate: reader(true), baseline: reader(false), suspects: reader(true) });
  }

  learn(cells: ReadonlyMap<string, Cell>): void {
    for (const [operation, { bins }] of cells) {
      let known = this.#operations.get(operation);
      if (known === undefined) {
        if (this.#operations.size >= MAX_OPERATIONS) continue;
        known = new FadingBins();
        this.#operations.set(operation, known);
      }
      known.add(bins);
    }
  }

  save(): readonly (readonly [string, ReturnType<FadingBins['save']>])[] {
    return [...this.#operations].map(([name, bins]) => [name, bins.save()] as const);
  }

  restore(state: ReturnType<LatencyKnowledge['save']>): void {
    for (const [name, saved] of state) this.#operations.set(name, FadingBins.restore(saved));
  }
}

/** The baseline's cells of a block, over its groups. */
function together({ baseline, requests }: View): Map<string, { all: number; bins: Map<number, number> }> {
  const sum = new Map<string, { all: number; bins: Map<number, number> }>();
  for (const group of baseline) {
    for (const [operation, { all, bins }] of group?.cells(requests) ?? []) {
      const cell = sum.get(operation) ?? { all: 0, bins: new Map<number, number>() };
      cell.all += all;
      for (const [bin, count] of bins) cell.bins.set(bin, (cell.bins.get(bin) ?? 0) + count);
      sum.set(operation, cell);
    }
  }
  return sum;
}

/** The bin of a block's own quantile, the upper neighbour where it lies between two requests. */
function quantileOf({ all, bins }: { all: number; bins: ReadonlyMap<number, number> }, quantile: number): number {
  const sorted = [...bins].sort(([a], [b]) => a - b);
  let below = 0;
  for (const [bin, count] of sorted) {
    below += count;
    if (below > quantile * all) return bin;
  }
  return sorted.at(-1)?.[0] ?? 0;
}

function withSlack(bin: number, { margin, floorNs }: Slack): number {
  const value = upperBoundNs(bin);
  return binOf(Math.max(value * (1 + margin), value + floorNs));
}

function above(cell: Cell, bin: number): number {
  let count = 0;
  for (const [index, amount] of cell.bins) if (index > bin) count += amount;
  return count;
}
