/** What `Endurance` keeps. */
export interface EnduranceState {
  readonly at: number;
  readonly recent: readonly number[];
  readonly best: Stretch;
  readonly second: Stretch;
}

/** A gain of evidence, and the block after which it was made. */
interface Stretch {
  readonly gain: number;
  readonly at: number;
}

const NO_STRETCH: Stretch = { gain: 0, at: Number.MIN_SAFE_INTEGER };
/** What lies further back than this many incidents, or blocks at least, is not recent. */
const RECENT_INCIDENTS = 3;
const RECENT_BLOCKS = 6;

/**
 * Whether evidence would be there without incidents of hosts, which end. Either it lasts: of what the last minutes
 * brought, something is left without their best stretch of the length of an incident. Or it comes again and again:
 * something is left without the two best stretches of all.
 */
export class Endurance {
  readonly #length: number;
  readonly #reach: number;
  /** The evidence after each of the last blocks, the oldest first; `#at` blocks have been seen. */
  #recent: number[] = [0];
  #at = 0;
  #best = NO_STRETCH;
  #second = NO_STRETCH;

  /** `length`: of an incident, blocks; stretches are one longer, since incidents do not begin where blocks do. */
  constructor(length: number) {
    this.#length = length + 1;
    this.#reach = Math.max(RECENT_BLOCKS, RECENT_INCIDENTS * length);
  }

  /** The evidence (log e-value) after one more block. */
  see(logE: number): void {
    this.#at++;
    this.#recent.push(logE);
    if (this.#recent.length > this.#reach + 1) this.#recent.shift();
    const gain = gainAt(this.#recent, this.#recent.length - 1, this.#length);
    if (gain > this.#second.gain) this.#rank({ gain, at: this.#at });
  }

  /** What is left of the evidence without incidents, at best. */
  get left(): number {
    const now = this.#recent.at(-1) as number;
    let best = 0;
    for (let i = 1; i < this.#recent.length; i++) best = Math.max(best, gainAt(this.#recent, i, this.#length));
    const lately = now - (this.#recent[0] as number) - best;
    return Math.max(lately, now - this.#best.gain - this.#second.gain);
  }

  save(): EnduranceState {
    return { at: this.#at, recent: this.#recent, best: this.#best, second: this.#second };
  }

  restore({ at, recent, best, second }: EnduranceState): void {
    this.#at = at;
    this.#recent = [...recent];
    this.#best = best;
    this.#second = second;
  }

  /** The two best stretches must not overlap: of those that do, the better one counts. */
  #rank(stretch: Stretch): void {
    const isApart = stretch.at - this.#best.at >= this.#length;
    if (stretch.gain > this.#best.gain) {
      if (isApart) this.#second = this.#best;
      this.#best = stretch;
    } else if (isApart) this.#second = stretch;
  }
}

/** The gain of the stretch of `length` blocks that ends with entry `i`, from its lowest point. */
function gainAt(logs: readonly number[], i: number, length: number): number {
  let lowest = logs[i] as number;
  for (let j = Math.max(0, i - length); j < i; j++) lowest = Math.min(lowest, logs[j] as number);
  return (logs[i] as number) - lowest;
}
