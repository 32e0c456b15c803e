/** What is left of a block's weight one block later: half of it goes in about 140 blocks, some twelve minutes. */
const FADING = 0.995;
/** Bins whose weight has faded below this are forgotten. */
const NEGLIGIBLE = 0.01;

/** A histogram in which what came lately counts most. Layout of the bins: the caller's. */
export class FadingBins {
  /** Ascending, with the weight of each. */
  #bins: number[] = [];
  #weights: number[] = [];
  total = 0;

  /** Adds one block's bins. */
  add(added: ReadonlyMap<number, number>): void {
    const fresh = [...added.keys()].sort((a, b) => a - b);
    const bins: number[] = [];
    const weights: number[] = [];
    let i = 0;
    this.total = 0;
    const put = (bin: number, weight: number) => {
      if (weight < NEGLIGIBLE) return;
      bins.push(bin);
      weights.push(weight);
      this.total += weight;
    };
    for (const [known, bin] of this.#bins.entries()) {
      while (i < fresh.length && (fresh[i] as number) < bin)
        put(fresh[i] as number, added.get(fresh[i++] as number) as number);
      const isSame = fresh[i] === bin;
      put(bin, (this.#weights[known] as number) * FADING + (isSame ? (added.get(bin) as number) : 0));
      if (isSame) i++;
    }
    for (; i < fresh.length; i++) put(fresh[i] as number, added.get(fresh[i] as number) as number);
    this.#bins = bins;
    this.#weights = weights;
  }

  /** The lowest bin with at least `quantile` of the weight in it and below. */
  quantileBin(quantile: number): number {
    return this.#find((below) => below >= quantile * this.total) ?? this.#bins.at(-1) ?? 0;
  }

  /** The lowest bin with more than `part` of the weight in it and below. */
  lowerBin(part: number): number {
    return this.#find((below) => below > part * this.total) ?? this.#bins[0] ?? 0;
  }

  save(): readonly (readonly [number, number])[] {
    return this.#bins.map((bin, i) => [bin, this.#weights[i] as number] as const);
  }

  static restore(state: readonly (readonly [number, number])[]): FadingBins {
    const restored = new FadingBins();
    for (const [bin, weight] of state) {
      restored.#bins.push(bin);
      restored.#weights.push(weight);
      restored.total += weight;
    }
    return restored;
  }

  #find(isReached: (below: number) => boolean): number | undefined {
    let below = 0;
    for (let i = 0; i < this.#bins.length; i++) {
      below += this.#weights[i] as number;
      if (isReached(below)) return this.#bins[i];
    }
    return undefined;
  }
}
