import { type Cell, cellNames, type InstanceBlock } from '../block.ts';
import type { Readings } from '../evidence/strata.ts';
import type { OnOverflow } from '../overflow.ts';
import { SparseBins } from '../sparse-bins.ts';
import { FadingBins } from './fading-bins.ts';
import { NOTHING, type Reading, readingsOf, type View } from './reader.ts';

/** The part of the baseline's requests that may lie beyond either end of the range. */
const OUTSIDE = 0.005;
/** Requests of an operation before its range means anything. */
const MIN_REQUESTS = 200;
/** Pairs of operation and callee that are remembered. */
const MAX_EDGES = 1000;

/** Calls of one operation to one callee. */
interface Edge {
  readonly operation: string;
  readonly bins: FadingBins;
}

/** How many calls a request of the baseline makes to each callee, by operation. Blocks enter after they were judged. */
export class CallKnowledge {
  /** By key of the cell. */
  readonly #edges = new Map<string, Edge>();
  readonly #onOverflow: OnOverflow;

  constructor(onOverflow: OnOverflow = () => {}) {
    this.#onOverflow = onOverflow;
  }

  /**
   * Requests with an unusual number of calls, of requests, by operation and callee: shows a call that is missing or
   * doubled. `margin` widens the range for the candidate. Callees that the baseline does not know are no fault.
   */
  read(view: View, margin: number): Readings {
    const ranges = new Map<string, Range>();
    for (const [key, { operation, bins }] of this.#edges) {
      if (bins.total < MIN_REQUESTS) continue;
      ranges.set(key, { operation, low: bins.lowerBin(OUTSIDE), high: bins.quantileBin(1 - OUTSIDE) });
    }
    if (ranges.size === 0) return NOTHING;
    const reader = (widening: number) => (group: InstanceBlock) => {
      const readings = new Map<string, Reading>();
      for (const [key, { operation, low, high }] of ranges) {
        const all = requestsOf(group, operation);
        if (all === 0) continue;
        const from = Math.ceil(low / (1 + widening));
        const to = Math.floor(high * (1 + widening));
        readings.set(key, { all, bad: outside(group.cells('calls').get(key), all, from, to) });
      }
      return readings;
    };
    return readingsOf(view, { candidate: reader(margin), baseline: reader(0), suspects: reader(margin) });
  }

  learn(group: InstanceBlock): void {
    const calls = group.cells('calls');
    this.#open(group);
    for (const [key, { operation, bins }] of this.#edges) {
      const requests = requestsOf(group, operation);
      if (requests > 0) bins.add(withNone(calls.get(key), requests));
    }
  }

  save(): readonly (readonly [string, ReturnType<FadingBins['save']>])[] {
    return [...this.#edges].map(([key, { bins }]) => [key, bins.save()] as const);
  }

  restore(state: ReturnType<CallKnowledge['save']>): void {
    for (const [key, saved] of state) {
      this.#edges.set(key, { operation: cellNames(key)[0], bins: FadingBins.restore(saved) });
    }
  }

  /** In the order of names: which ones find room must not depend on which came first. */
  #open(group: InstanceBlock): void {
    const fresh = [...group.cells('calls').keys()].filter((key) => !this.#edges.has(key)).sort();
    for (const key of fresh) {
      const [operation] = cellNames(key);
      if (requestsOf(group, operation) === 0) continue;
      if (this.#edges.size < MAX_EDGES) this.#edges.set(key, { operation, bins: new FadingBins() });
      else this.#onOverflow('callees');
    }
  }
}

/** Numbers of calls that are usual. */
interface Range {
  readonly operation: string;
  readonly low: number;
  readonly high: number;
}

function requestsOf(group: InstanceBlock, operation: string): number {
  return group.cells('span').get(operation)?.all ?? 0;
}

/** Requests by number of calls, those without a call among them. */
function withNone(calls: Cell | undefined, requests: number): SparseBins {
  const bins = new SparseBins();
  const none = requests - (calls?.all ?? 0);
  if (none > 0) bins.addAll([0], [none]);
  if (calls !== undefined) bins.add(calls.bins);
  return bins;
}

function outside(calls: Cell | undefined, requests: number, low: number, high: number): number {
  let count = 0;
  withNone(calls, requests).forEach((amount, number) => {
    if (number < low || number > high) count += amount;
  });
  return count;
}
