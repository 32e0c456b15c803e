/** What `Endurance` keeps. */
export interface EnduranceState {
  readonly recent: readonly Mark[];
  readonly best: Stretch;
  readonly second: Stretch;
}

/** The evidence (log e-value) at a time. */
type Mark = readonly [slot: number, logE: number];

/** A gain of evidence, and the slot by which it was made. */
interface Stretch {
  readonly gain: number;
  readonly at: number;
}

const NO_STRETCH: Stretch = { gain: 0, at: Number.MIN_SAFE_INTEGER };
/** What lies further back than this many stretches is not recent. */
const RECENT = 3;

/**
 * Whether evidence would be there without incidents of hosts, which end. Either it lasts: of what the last minutes
 * brought, something is left without their best stretch of the length of an incident. Or it comes again and again:
 * something is left without the two best stretches of all.
 */
export class Endurance {
  readonly #length: number;
  /** The evidence after each of the last blocks, the oldest first; before the first one there was none. */
  #recent: Mark[] = [[Number.MIN_SAFE_INTEGER, 0]];
  #best = NO_STRETCH;
  #second = NO_STRETCH;

  /** `incident` and `block`: slots. Stretches are a block longer, since incidents do not begin where blocks do. */
  constructor(incident: number, block: number) {
    this.#length = incident + block;
  }

  /** The evidence after the block that ended before `slot`. */
  see(logE: number, slot: number): void {
    this.#recent.push([slot, logE]);
    const oldest = slot - RECENT * this.#length;
    while (this.#recent.length > 2 && (this.#recent[1] as Mark)[0] <= oldest) this.#recent.shift();
    const gain = this.#gainUntil(this.#recent.length - 1);
    if (gain > this.#second.gain) this.#rank({ gain, at: slot });
  }

  /** What is left of the evidence without incidents, at best. */
  get left(): number {
    const [, now] = this.#recent.at(-1) as Mark;
    const [, before] = this.#recent[0] as Mark;
    let best = 0;
    for (let i = 1; i < this.#recent.length; i++) best = Math.max(best, this.#gainUntil(i));
    return Math.max(now - before - best, now - this.#best.gain - this.#second.gain);
  }

  save(): EnduranceState {
    return { recent: this.#recent, best: this.#best, second: this.#second };
  }

  restore({ recent, best, second }: EnduranceState): void {
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

  /** The gain of the stretch that ends with entry `i`, from its lowest point, or from the last one before it. */
  #gainUntil(i: number): number {
    const [slot, logE] = this.#recent[i] as Mark;
    let lowest = logE;
    for (let j = i - 1; j >= 0; j--) {
      const [at, value] = this.#recent[j] as Mark;
      lowest = Math.min(lowest, value);
      if (at <= slot - this.#length) break;
    }
    return logE - lowest;
  }
}
