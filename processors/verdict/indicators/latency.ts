import { binOf, upperBoundNs } from '../../../proto/windback/latency-bins.ts';
import { type Cell, InstanceBlock } from '../block.ts';
import { type Counts, emptyCounts, type Readings } from '../evidence/strata.ts';
import type { OnOverflow } from '../overflow.ts';
import { FadingBins } from './fading-bins.ts';
import { namesOf, NOTHING, type View } from './reader.ts';

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
  readonly #onOverflow: OnOverflow;

  constructor(onOverflow: OnOverflow = () => {}) {
    this.#onOverflow = onOverflow;
  }

  /**
   * Slow requests of requests, by operation, for each of several quantiles. A request of the candidate is slow beyond
   * quantile and slack, one of the baseline beyond the quantile: slower by no more than the slack is then within the
   * hypothesis.
   */
  read(view: View, looks: readonly Look[]): Readings[] {
    const baseline = together(view);
    return looks.map((look) => {
      const bounds = this.#boundsOf(baseline, look);
      return bounds.size === 0 ? NOTHING : readingsBy(view, bounds);
    });
  }

  learn(cells: ReadonlyMap<string, Cell>): void {
    const fresh: string[] = [];
    for (const [operation, { bins }] of cells) {
      const known = this.#operations.get(operation);
      if (known === undefined) fresh.push(operation);
      else known.add(bins);
    }
    // In the order of names: who finds room must not depend on who came first.
    for (const operation of fresh.sort()) {
      if (this.#operations.size >= MAX_OPERATIONS) {
        this.#onOverflow('operations');
        continue;
      }
      const bins = new FadingBins();
      bins.add((cells.get(operation) as Cell).bins);
      this.#operations.set(operation, bins);
    }
  }

  #boundsOf(baseline: ReadonlyMap<string, Cell>, look: Look): Map<string, Bounds> {
    const bounds = new Map<string, Bounds>();
    for (const [operation, cell] of baseline) {
      const known = this.#operations.get(operation);
      if (known === undefined || known.total * (1 - look.quantile) < MIN_TAIL) continue;
      const reference = known.quantileBin(look.quantile);
      const now = quantileOf(cell, look.quantile);
      bounds.set(operation, { reference, suspect: withSlack(reference, look), now: withSlack(now, look) });
    }
    return bounds;
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

function readingsBy(view: View, bounds: ReadonlyMap<string, Bounds>): Readings {
  const cellsOf = (groups: View['candidate']) => groups.map((group) => group?.cells(view.requests));
  const candidate = cellsOf(view.candidate);
  const baseline = cellsOf(view.baseline);
  const isRead = (operation: string) =>
    bounds.has(operation) && [...candidate, ...baseline].some((cells) => (cells?.get(operation)?.bins.size ?? 0) > 0);
  const strata = namesOf([bounds]).filter(isRead);
  const suspect = (cells: Cells) => cells && countsOf(cells, strata, bounds, ({ suspect: bin }) => bin);
  const reference = (cells: Cells) => cells && countsOf(cells, strata, bounds, ({ reference: bin }) => bin);
  return {
    strata,
    candidate: candidate.map(suspect),
    baseline: baseline.map(reference),
    suspects: baseline.map(suspect),
  };
}

type Cells = ReadonlyMap<string, Cell> | undefined;

function countsOf(
  cells: ReadonlyMap<string, Cell>,
  strata: readonly string[],
  bounds: ReadonlyMap<string, Bounds>,
  boundOf: (bounds: Bounds) => number,
): Counts {
  const isTimed = (operation: string) => (cells.get(operation)?.bins.size ?? 0) > 0;
  const counts = emptyCounts(strata.length, strata.some(isTimed));
  for (let i = 0; i < strata.length; i++) {
    const cell = cells.get(strata[i] as string);
    if (cell === undefined || cell.bins.size === 0) continue;
    const bound = bounds.get(strata[i] as string) as Bounds;
    counts.all[i] = cell.all;
    counts.bad[i] = Math.min(cell.all, cell.bins.above(boundOf(bound)));
    counts.over[i] = cell.bins.above(bound.now);
  }
  return counts;
}

/** The baseline's cells of a block, over its groups. */
function together({ baseline, baselineSum, requests }: View): ReadonlyMap<string, Cell> {
  if (baselineSum !== undefined) return baselineSum.cells(requests);
  const sum = new InstanceBlock();
  for (const group of baseline) if (group !== undefined) sum.merge(group, [requests]);
  return sum.cells(requests);
}

/**
 * The bin that a block sets as its quantile: so high that the quantile of another block of the same distribution lies
 * above it at most every other time, however large either is. For that, as many requests may lie above it as a
 * binomial count does not exceed in at most half of all cases: its mean, less about (2 - tail) / 3.
 */
function quantileOf({ all, bins: { bins, counts } }: Cell, quantile: number): number {
  const tail = 1 - quantile;
  const above = Math.floor(all * tail - 1 + (1 + tail) / 3 + ROUNDING);
  let below = 0;
  for (let i = 0; i < bins.length; i++) {
    below += counts[i] as number;
    if (below >= all - above) return bins[i] as number;
  }
  return bins.at(-1) ?? 0;
}

/** A tail such as 1 - 0.9 is a little less than it should be. */
const ROUNDING = 1e-9;

function withSlack(bin: number, { margin, floorNs }: Look): number {
  const value = upperBoundNs(bin);
  return binOf(Math.max(value * (1 + margin), value + floorNs));
}
