import { type BinCounts, SparseBins } from '../sparse-bins.ts';

/** What is left of a block's weight one block later: half of it goes in about 140 blocks, some twelve minutes. */
const FADING = 0.995;
/** Bins whose weight has faded below this are forgotten. */
const NEGLIGIBLE = 0.01;

/** A histogram in which what came lately counts most. Layout of the bins: the caller's. */
export class FadingBins {
  /** Weights as counts. */
  readonly #sums = new SparseBins();
  total = 0;

  /** Adds one block's bins. */
  add(added: BinCounts): void {
    this.#sums.scale(FADING);
    this.#sums.add(added);
    this.#sums.keepFrom(NEGLIGIBLE);
    this.total = 0;
    for (const weight of this.#sums.counts) this.total += weight;
  }

  /** The lowest bin with at least `quantile` of the weight in it and below. */
  quantileBin(quantile: number): number {
    return this.#find((below) => below >= quantile * this.total) ?? this.#sums.bins.at(-1) ?? 0;
  }

  /** The lowest bin with more than `part` of the weight in it and below. */
  lowerBin(part: number): number {
    return this.#find((below) => below > part * this.total) ?? this.#sums.bins[0] ?? 0;
  }

  save(): readonly (readonly [number, number])[] {
    const { bins, counts } = this.#sums;
    return bins.map((bin, i) => [bin, counts[i] as number] as const);
  }

  static restore(state: readonly (readonly [number, number])[]): FadingBins {
    const restored = new FadingBins();
    for (const [bin, weight] of state) {
      restored.#sums.addAll([bin], [weight]);
      restored.total += weight;
    }
    return restored;
  }

  #find(isReached: (below: number) => boolean): number | undefined {
    const { bins, counts } = this.#sums;
    let below = 0;
    for (let i = 0; i < bins.length; i++) {
      below += counts[i] as number;
      if (isReached(below)) return bins[i];
    }
    return undefined;
  }
}
