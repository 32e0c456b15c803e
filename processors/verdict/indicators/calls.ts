import { type Cell, cellKey, cellNames, type InstanceBlock } from '../block.ts';
import type { Readings } from '../evidence/strata.ts';
import { FadingBins } from './fading-bins.ts';
import { type Reading, readingsOf, type View } from './reader.ts';

/** The part of the baseline's requests that may lie beyond either end of the range. */
const OUTSIDE = 0.005;
/** Requests of an operation before its range means anything. */
const MIN_REQUESTS = 200;
/** Pairs of operation and callee that are remembered. */
const MAX_EDGES = 1000;

/** How many calls a request of the baseline makes to each callee, by operation. Blocks enter after they were judged. */
export class CallKnowledge {
  readonly #edges = new Map<string, FadingBins>();

  /**
   * Requests with an unusual number of calls, of requests, by operation and callee: shows a call that is missing or
   * doubled. `margin` widens the range for the candidate. Callees that the baseline does not know are no fault.
   */
  read(view: View, margin: number): Readings {
    const ranges = new Map<string, { low: number; high: number }>();
    for (const [edge, bins] of this.#edges) {
      if (bins.total < MIN_REQUESTS) continue;
      ranges.set(edge, { low: bins.lowerBin(OUTSIDE), high: bins.quantileBin(1 - OUTSIDE) });
    }
    const reader = (widening: number) => (group: InstanceBlock) => {
      const readings = new Map<string, Reading>();
      for (const [edge, { low, high }] of ranges) {
        const counted = callsOf(group, edge);
        if (counted === undefined) continue;
        const from = Math.ceil(low / (1 + widening));
        const to = Math.floor(high * (1 + widening));
        readings.set(edge, { all: counted.all, bad: outside(counted.bins, from, to) });
      }
      return readings;
    };
    return readingsOf(view, { candidate: reader(margin), baseline: reader(0), suspects: reader(margin) });
  }

  learn(group: InstanceBlock): void {
    for (const key of new Set([...this.#edges.keys(), ...group.cells('calls').keys()])) {
      const counted = callsOf(group, key);
      if (counted === undefined) continue;
      let edge = this.#edges.get(key);
      if (edge === undefined) {
        if (this.#edges.size >= MAX_EDGES) continue;
        edge = new FadingBins();
        this.#edges.set(key, edge);
      }
      edge.add(counted.bins);
    }
  }

  save(): readonly (readonly [string, ReturnType<FadingBins['save']>])[] {
    return [...this.#edges].map(([name, bins]) => [name, bins.save()] as const);
  }

  restore(state: ReturnType<CallKnowledge['save']>): void {
    for (const [name, saved] of state) this.#edges.set(name, FadingBins.restore(saved));
  }
}

/** Requests of the edge's operation by number of calls, those without a call among them; undefined without requests. */
function callsOf(group: InstanceBlock, edge: string): { all: number; bins: ReadonlyMap<number, number> } | undefined {
  const [operation] = cellNames(edge);
  const requests = group.cells('span').get(cellKey(operation, ''))?.all ?? 0;
  if (requests === 0) return undefined;
  const calls: Cell | undefined = group.cells('calls').get(edge);
  const bins = new Map(calls?.bins ?? []);
  const none = requests - (calls?.all ?? 0);
  if (none > 0) bins.set(0, none);
  return { all: requests, bins };
}

function outside(bins: ReadonlyMap<number, number>, low: number, high: number): number {
  let count = 0;
  for (const [calls, amount] of bins) if (calls < low || calls > high) count += amount;
  return count;
}
