/** What is left of a block's weight one block later: half of it goes in about 140 blocks, some twelve minutes. */
const FADING = 0.995;
/** Bins whose weight has faded below this are forgotten. */
const NEGLIGIBLE = 0.01;

/** A histogram in which what came lately counts most. Layout of the bins: the caller's. */
export class FadingBins {
  readonly #weights = new Map<number, number>();
  total = 0;

  /** Adds one block's bins. */
  add(bins: ReadonlyMap<number, number>): void {
    this.total = 0;
    for (const [bin, weight] of this.#weights) {
      const faded = weight * FADING;
      if (faded < NEGLIGIBLE) this.#weights.delete(bin);
      else this.#weights.set(bin, faded);
    }
    for (const [bin, count] of bins) this.#weights.set(bin, (this.#weights.get(bin) ?? 0) + count);
    // In the order of bins, since a sum of fractions depends on its order in the last digit.
    for (const bin of this.#sorted()) this.total += this.#weights.get(bin) as number;
  }

  /** The lowest bin with at least `quantile` of the weight in it and below. */
  quantileBin(quantile: number): number {
    const bins = this.#sorted();
    let below = 0;
    for (const bin of bins) {
      below += this.#weights.get(bin) as number;
      if (below >= quantile * this.total) return bin;
    }
    return bins.at(-1) ?? 0;
  }

  /** The highest bin with at most `part` of the weight below it. */
  lowerBin(part: number): number {
    const bins = this.#sorted();
    let below = 0;
    for (const bin of bins) {
      below += this.#weights.get(bin) as number;
      if (below > part * this.total) return bin;
    }
    return bins[0] ?? 0;
  }

  save(): readonly (readonly [number, number])[] {
    return this.#sorted().map((bin) => [bin, this.#weights.get(bin) as number] as const);
  }

  static restore(state: readonly (readonly [number, number])[]): FadingBins {
    const restored = new FadingBins();
    for (const [bin, weight] of state) {
      restored.#weights.set(bin, weight);
      restored.total += weight;
    }
    return restored;
  }

  #sorted(): number[] {
    return [...this.#weights.keys()].sort((a, b) => a - b);
  }
}
