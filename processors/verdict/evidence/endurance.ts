/** What `Endurance` keeps. */
export interface EnduranceState {
  readonly recent: readonly number[];
  readonly best: number;
}

/**
 * The largest gain of evidence within any stretch of `length` blocks. Evidence that does not survive leaving out its
 * best minute comes from one incident, which may have been a host's and not the version's.
 */
export class Endurance {
  readonly #length: number;
  /** The evidence after each of the last blocks, the oldest first. */
  #recent: number[] = [0];
  #best = 0;

  /** `length`: blocks; the stretch looked at is one longer, since incidents do not begin where blocks do. */
  constructor(length: number) {
    this.#length = length + 1;
  }

  /** The evidence (log e-value) after one more block. */
  see(logE: number): void {
    this.#recent.push(logE);
    if (this.#recent.length > this.#length + 1) this.#recent.shift();
    this.#best = Math.max(this.#best, logE - Math.min(...this.#recent));
  }

  /** What is left of `logE` without the best stretch. */
  without(logE: number): number {
    return logE - this.#best;
  }

  save(): EnduranceState {
    return { recent: this.#recent, best: this.#best };
  }

  restore({ recent, best }: EnduranceState): void {
    this.#recent = [...recent];
    this.#best = best;
  }
}
