import type { Pair } from '../../proto/windback/decision.ts';

/** The windows of the score, in slots (seconds). */
export const WINDOWS = { '1m': 60, '5m': 300, '30m': 1800, '1h': 3600 } as const;
export type WindowName = keyof typeof WINDOWS;
export const WINDOW_NAMES = Object.keys(WINDOWS) as WindowName[];

const LENGTHS = Object.values(WINDOWS);
/** Slots held: the longest window, and how far data may be ahead of the judged time. */
const CAPACITY = 4096;
const LONGEST = Math.max(...LENGTHS);

/**
 * One pair, (bad, all), over all windows at once. Moving on by a slot adds one slot and takes one away; nothing is
 * ever summed anew. `at` is the newest slot inside the windows.
 */
export class SlidingPair {
  readonly #all = new Uint32Array(CAPACITY);
  readonly #bad = new Uint32Array(CAPACITY);
  readonly #sums = LENGTHS.map(() => ({ all: 0, bad: 0 }));
  #at: number;

  constructor(at: number) {
    this.#at = at;
  }

  /** Adds to a slot, past or ahead. False where the slot is out of reach: too old for every window, or too far ahead. */
  add(slot: number, all: number, bad: number): boolean {
    if (slot <= this.#at - LONGEST || slot > this.#at + CAPACITY - LONGEST - 1) return false;
    const place = slot % CAPACITY;
    this.#all[place] = (this.#all[place] as number) + all;
    this.#bad[place] = (this.#bad[place] as number) + bad;
    if (slot > this.#at) return true;
    this.#sums.forEach((sum, i) => {
      if (slot <= this.#at - (LENGTHS[i] as number)) return;
      sum.all += all;
      sum.bad += bad;
    });
    return true;
  }

  /** Moves the windows on to end with slot `to`; never back. */
  advance(to: number): void {
    if (to - this.#at >= CAPACITY) this.#reset(to);
    while (this.#at < to) {
      this.#at++;
      this.#sums.forEach((sum, i) => {
        this.#shift(sum, this.#at % CAPACITY, 1);
        const leaving = this.#at - (LENGTHS[i] as number);
        if (leaving >= 0) this.#shift(sum, leaving % CAPACITY, -1);
      });
      const free = this.#at - LONGEST;
      if (free >= 0) {
        this.#all[free % CAPACITY] = 0;
        this.#bad[free % CAPACITY] = 0;
      }
    }
  }

  get(window: WindowName): Pair {
    const { all, bad } = this.#sums[LENGTHS.indexOf(WINDOWS[window])] as { all: number; bad: number };
    return { all, bad };
  }

  #shift(sum: { all: number; bad: number }, place: number, sign: 1 | -1): void {
    sum.all += sign * (this.#all[place] as number);
    sum.bad += sign * (this.#bad[place] as number);
  }

  /** After a gap longer than everything held, nothing of it is left. */
  #reset(to: number): void {
    this.#all.fill(0);
    this.#bad.fill(0);
    for (const sum of this.#sums) {
      sum.all = 0;
      sum.bad = 0;
    }
    this.#at = to;
  }
}
