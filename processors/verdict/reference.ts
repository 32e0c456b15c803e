import { binOf, upperBoundNs } from '../../proto/windback/latency-bins.ts';

/** What is left of a block's weight one block later: half of it goes in about 70 blocks. */
const FADING = 0.99;
/** Bins whose weight has faded below this are forgotten. */
const NEGLIGIBLE = 0.01;

/** The baseline's own latencies of one operation, recent ones counting most. Blocks enter after they were judged. */
export class LatencyReference {
  readonly #weights = new Map<number, number>();
  #total = 0;

  /** Adds one block's bins. */
  add(bins: ReadonlyMap<number, number>): void {
    this.#total = 0;
    for (const [bin, weight] of this.#weights) {
      const faded = weight * FADING;
      if (faded < NEGLIGIBLE) this.#weights.delete(bin);
      else {
        this.#weights.set(bin, faded);
        this.#total += faded;
      }
    }
    // In the order of bins, since a sum of fractions depends on its order in the last digit.
    for (const [bin, count] of [...bins].sort(([a], [b]) => a - b)) {
      this.#weights.set(bin, (this.#weights.get(bin) ?? 0) + count);
      this.#total += count;
    }
  }

  /**
   * The bin above which a request is slow: the quantile times 1 + margin, or plus the floor, whichever is more.
   * Undefined while fewer than `MIN_TAIL` requests are known to lie beyond the quantile.
   */
  slowAbove(quantile: number, margin: number, floorNs: number): number | undefined {
    if (this.#total * (1 - quantile) < MIN_TAIL) return undefined;
    const bins = [...this.#weights.keys()].sort((a, b) => a - b);
    let below = 0;
    for (const bin of bins) {
      below += this.#weights.get(bin) as number;
      if (below < quantile * this.#total) continue;
      const value = upperBoundNs(bin);
      return binOf(Math.max(value * (1 + margin), value + floorNs));
    }
    return undefined;
  }
}

/** A quantile with fewer requests beyond it is a guess. */
const MIN_TAIL = 5;
