import { binOf, upperBoundNs } from '../../../proto/windback/latency-bins.ts';
import type { Cell, InstanceBlock } from '../block.ts';
import type { Readings } from '../evidence/strata.ts';
import { FadingBins } from './fading-bins.ts';
import { type Reading, readingsOf, type View } from './reader.ts';

/** Which requests are slow: those above the quantile and as much more as this, the larger of both. */
export interface Look {
  readonly quantile: number;
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
   * Slow requests of requests, by operation, for each of several quantiles. A request of the candidate is slow beyond
   * quantile and slack, one of the baseline beyond the quantile: slower by no more than the slack is then within the
   * hypothesis.
   */
  read(view: View, looks: readonly Look[]): Readings[] {
    const bounds = looks.map(() => new Map<string, Bounds>());
    for (const [operation, cell] of together(view)) {
      const known = this.#operations.get(operation);
      if (known === undefined) continue;
      looks.forEach((look, i) => {
        if (known.total * (1 - look.quantile) < MIN_TAIL) return;
        const reference = known.quantileBin(look.quantile);
        const now = quantileOf(cell, look.quantile);
        bounds[i]?.set(operation, { reference, suspect: withSlack(reference, look), now: withSlack(now, look) });
      });
    }
    return bounds.map((one) => {
      const suspect = readerOf(view, one, ({ suspect: bound }) => bound);
      const reference = readerOf(view, one, ({ reference: bound }) => bound);
      return readingsOf(view, { candidate: suspect, baseline: reference, suspects: suspect });
    });
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

/** Bins beyond which a request is slow: of the baseline, of the candidate, and by this block alone. */
interface Bounds {
  readonly reference: number;
  readonly suspect: number;
  readonly now: number;
}

function readerOf(
  { requests }: View,
  bounds: ReadonlyMap<string, Bounds>,
  boundOf: (bounds: Bounds) => number,
): (group: InstanceBlock) => ReadonlyMap<string, Reading> {
  return (group) => {
    const readings = new Map<string, Reading>();
    for (const [operation, cell] of group.cells(requests)) {
      const bound = bounds.get(operation);
      if (bound === undefined || cell.bins.size === 0) continue;
      const at = boundOf(bound);
      let bad = 0;
      let over = 0;
      for (const [bin, count] of cell.bins) {
        if (bin > at) bad += count;
        if (bin > bound.now) over += count;
      }
      readings.set(operation, { all: cell.all, bad, over });
    }
    return readings;
  };
}

/** A block's bins, ascending. */
interface SortedCell {
  readonly all: number;
  readonly sorted: readonly (readonly [bin: number, count: number])[];
}

/** The baseline's cells of a block, over its groups. */
function together({ baseline, requests }: View): Map<string, SortedCell> {
  const sums = new Map<string, { all: number; bins: Map<number, number> }>();
  for (const group of baseline) {
    for (const [operation, { all, bins }] of group?.cells(requests) ?? []) {
      let sum = sums.get(operation);
      if (sum === undefined) {
        sum = { all: 0, bins: new Map() };
        sums.set(operation, sum);
      }
      sum.all += all;
      for (const [bin, count] of bins) sum.bins.set(bin, (sum.bins.get(bin) ?? 0) + count);
    }
  }
  return new Map(
    [...sums].map(([operation, { all, bins }]) => [operation, { all, sorted: [...bins].sort(([a], [b]) => a - b) }]),
  );
}

/**
 * The bin that a block sets as its quantile: so high that the quantile of another block of the same distribution lies
 * above it at most every other time, however large either is. For that, as many requests may lie above it as a
 * binomial count does not exceed in at most half of all cases: its mean, less about (2 - tail) / 3.
 */
function quantileOf({ all, sorted }: SortedCell, quantile: number): number {
  const tail = 1 - quantile;
  const above = Math.floor(all * tail - 1 + (1 + tail) / 3 + ROUNDING);
  let below = 0;
  for (const [bin, count] of sorted) {
    below += count;
    if (below >= all - above) return bin;
  }
  return sorted.at(-1)?.[0] ?? 0;
}

/** A tail such as 1 - 0.9 is a little less than it should be. */
const ROUNDING = 1e-9;

function withSlack(bin: number, { margin, floorNs }: Look): number {
  const value = upperBoundNs(bin);
  return binOf(Math.max(value * (1 + margin), value + floorNs));
}
