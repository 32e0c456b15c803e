import type { Pair } from '../../proto/windback/decision.ts';

/** The windows of the score, in seconds. */
export const WINDOWS = { '1m': 60, '5m': 300, '30m': 1800, '1h': 3600 } as const;
export type WindowName = keyof typeof WINDOWS;
export const WINDOW_NAMES = Object.keys(WINDOWS) as WindowName[];

/** The windows of the burn rates, in seconds. Those above an hour are kept only by a pair that was made `long`. */
export const BURN_WINDOWS = { '5m': 300, '30m': 1800, '1h': 3600, '2h': 7200, '6h': 21_600, '1d': 86_400 } as const;
export type BurnWindowName = keyof typeof BURN_WINDOWS;

/** Rings, finest first: seconds per slot, and the windows it carries. */
const RINGS = [
  { seconds: 1, windows: ['1m', '5m'] },
  { seconds: 10, windows: ['30m', '1h'] },
  { seconds: 300, windows: ['2h', '6h', '1d'] },
] as const;
const LENGTHS: Readonly<Record<string, number>> = { ...WINDOWS, ...BURN_WINDOWS };
const SLOTS = RINGS.map(({ seconds, windows }) => windows.map((name) => (LENGTHS[name] as number) / seconds));
const PLACES = new Map<string, readonly [ring: number, window: number]>(
  RINGS.flatMap(({ windows }, ring) => windows.map((name, window) => [name, [ring, window]] as const)),
);

/** Seconds that data may be ahead of the judged time. */
const AHEAD = 60;
/** The longest window in seconds that single seconds are kept for. */
const FINE = 300;

/** What `save` gives, by ring: age in slots, all, bad, age, all, bad, … oldest first; what is ahead has a negative age. */
type Saved = readonly [at: number, ...rings: (readonly number[])[]];

/**
 * One pair, (bad, all), over all windows at once; whole numbers. Moving on by a slot adds one slot and takes one away;
 * nothing is ever summed anew. `at` is the newest second inside the windows; what is ahead of it counts when its
 * second comes, and what is late enters every window that it still belongs to.
 *
 * Granularity: 1m and 5m are exact to the second. 30m and 1h are made of 10 s slots and 2h, 6h and 1d of 5 min slots,
 * aligned to event time, of which the newest, with `at` in it, may be partial: a window of n seconds covers the last
 * n - slot + 1 to n seconds.
 *
 * Memory, measured over 10 000 pairs with every slot used (heap and array buffers, Node 24 on x64), without and with bad
 * events: 1.9 and 3.0 KiB with up to 255 events a slot, 2.6 and 4.4 KiB up to 65 535, 7.3 KiB beyond. A `long` pair:
 * 3.1 and 4.6, 4.4 and 7.0, 10.4 KiB. Before its first event 0.8 KiB, `long` 1.2 KiB.
 */
export class SlidingPair {
  readonly #rings: readonly Ring[];
  #at: number;

  /** `long`: keep the windows above an hour too. */
  constructor(at: number, long = false) {
    this.#at = at;
    const rings = long ? RINGS : RINGS.slice(0, 2);
    this.#rings = rings.map(({ seconds }, i) => new Ring(Math.floor(at / seconds), SLOTS[i] as number[], i === 0));
  }

  /**
   * Adds to a second, past or ahead; fractions are rounded, so that what was added can be taken away exactly. False
   * where the second is out of reach: too old for every window, or too far ahead.
   */
  add(slot: number, rawAll: number, rawBad: number): boolean {
    if (slot < 0 || slot > this.#at + AHEAD) return false;
    const all = Math.round(rawAll);
    const bad = Math.round(rawBad);
    if (slot > this.#at) return this.#fine.add(slot, all, bad);
    let taken = false;
    for (let i = 0; i < this.#rings.length; i++) taken = this.#ring(i).add(slotOf(slot, i), all, bad) || taken;
    return taken;
  }

  /** Moves the windows on to end with second `to`; never back. */
  advance(to: number): void {
    // Further on than this, the single seconds are all empty.
    const walk = Math.min(to, this.#at + AHEAD + FINE);
    while (this.#at < walk) {
      this.#at++;
      this.#fine.moveTo(this.#at);
      const [all, bad] = this.#fine.at(this.#at);
      for (let i = 1; i < this.#rings.length; i++) {
        this.#ring(i).moveTo(slotOf(this.#at, i));
        if (all > 0 || bad > 0) this.#ring(i).add(slotOf(this.#at, i), all, bad);
      }
    }
    if (to <= this.#at) return;
    this.#at = to;
    for (let i = 0; i < this.#rings.length; i++) this.#ring(i).moveTo(slotOf(to, i));
  }

  /** Throws a RangeError for a window above an hour where the pair was not made `long`. */
  get(window: WindowName | BurnWindowName): Pair {
    const [ring, place] = PLACES.get(window) as readonly [number, number];
    const pair = this.#rings[ring]?.sum(place);
    if (pair === undefined) throw new RangeError(`this pair was made without the window ${window}`);
    return pair;
  }

  /** The state for JSON, used slots only. */
  save(): unknown {
    return [this.#at, ...this.#rings.map((ring) => ring.save())] satisfies Saved;
  }

  static restore(saved: unknown): SlidingPair {
    const [at, ...rings] = saved as Saved;
    const pair = new SlidingPair(at, rings.length > 2);
    rings.forEach((ring, i) => pair.#ring(i).load(ring));
    return pair;
  }

  get #fine(): Ring {
    return this.#ring(0);
  }

  #ring(index: number): Ring {
    return this.#rings[index] as Ring;
  }
}

function slotOf(second: number, ring: number): number {
  return Math.floor(second / (RINGS[ring] as (typeof RINGS)[number]).seconds);
}

/** Slots of one size, and the sums over the last so many of them. */
class Ring {
  readonly #lengths: readonly number[];
  readonly #longest: number;
  readonly #capacity: number;
  readonly #all = new Counts();
  readonly #bad = new Counts();
  /** all, bad by window. */
  readonly #sums: number[];
  #at: number;

  constructor(at: number, lengths: readonly number[], ahead: boolean) {
    this.#at = at;
    this.#lengths = lengths;
    this.#longest = lengths[lengths.length - 1] as number;
    this.#capacity = this.#longest + (ahead ? AHEAD : 0);
    this.#sums = lengths.flatMap(() => [0, 0]);
  }

  /** Adds to a slot; what is ahead waits outside the sums. False where it is older than the longest window. */
  add(slot: number, all: number, bad: number): boolean {
    if (slot <= this.#at - this.#longest) return false;
    const place = slot % this.#capacity;
    this.#all.add(place, all, this.#capacity);
    this.#bad.add(place, bad, this.#capacity);
    if (slot > this.#at) return true;
    for (let i = 0; i < this.#lengths.length; i++) {
      if (slot > this.#at - (this.#lengths[i] as number)) this.#shift(i, all, bad);
    }
    return true;
  }

  at(slot: number): readonly [all: number, bad: number] {
    const place = slot % this.#capacity;
    return [this.#all.get(place), this.#bad.get(place)];
  }

  moveTo(to: number): void {
    if (to - this.#at >= this.#capacity) this.#clear(to);
    while (this.#at < to) {
      // What leaves goes before what comes: in a full ring both have the same place.
      for (let i = 0; i < this.#lengths.length; i++) this.#leave(i, this.#at + 1 - (this.#lengths[i] as number));
      this.#at++;
      const [all, bad] = this.at(this.#at);
      if (all === 0 && bad === 0) continue;
      for (let i = 0; i < this.#lengths.length; i++) this.#shift(i, all, bad);
    }
  }

  sum(window: number): Pair {
    return { all: this.#sums[2 * window] as number, bad: this.#sums[2 * window + 1] as number };
  }

  save(): number[] {
    const saved: number[] = [];
    const newest = this.#at + this.#capacity - this.#longest;
    for (let slot = Math.max(0, this.#at - this.#longest + 1); slot <= newest; slot++) {
      const [all, bad] = this.at(slot);
      if (all > 0 || bad > 0) saved.push(this.#at - slot, all, bad);
    }
    return saved;
  }

  load(saved: readonly number[]): void {
    for (let i = 0; i < saved.length; i += 3) {
      this.add(this.#at - (saved[i] as number), saved[i + 1] as number, saved[i + 2] as number);
    }
  }

  /** Takes a slot out of a window, and out of the ring where the window is the longest. */
  #leave(window: number, slot: number): void {
    if (slot < 0) return;
    const [all, bad] = this.at(slot);
    if (all === 0 && bad === 0) return;
    this.#shift(window, -all, -bad);
    if (window !== this.#lengths.length - 1) return;
    this.#all.add(slot % this.#capacity, -all, this.#capacity);
    this.#bad.add(slot % this.#capacity, -bad, this.#capacity);
  }

  #shift(window: number, all: number, bad: number): void {
    this.#sums[2 * window] = (this.#sums[2 * window] as number) + all;
    this.#sums[2 * window + 1] = (this.#sums[2 * window + 1] as number) + bad;
  }

  #clear(to: number): void {
    this.#all.clear();
    this.#bad.clear();
    this.#sums.fill(0);
    this.#at = to;
  }
}

/** Whole numbers by place. No bytes before the first one above 0, then as few per number as the largest asks for. */
class Counts {
  #values: Uint8Array | Uint16Array | Uint32Array | Float64Array | undefined;
  #largest = 0;

  get(place: number): number {
    return this.#values === undefined ? 0 : (this.#values[place] as number);
  }

  add(place: number, count: number, capacity: number): void {
    if (count === 0) return;
    const sum = this.get(place) + count;
    if (sum > this.#largest) this.#widen(sum, capacity);
    (this.#values as Uint8Array)[place] = sum;
  }

  clear(): void {
    this.#values?.fill(0);
  }

  #widen(needed: number, capacity: number): void {
    const old = this.#values ?? new Uint8Array(capacity);
    if (needed <= 0xff) this.#values = old;
    else if (needed <= 0xffff) this.#values = Uint16Array.from(old);
    else if (needed <= 0xffff_ffff) this.#values = Uint32Array.from(old);
    else this.#values = Float64Array.from(old);
    this.#largest = needed <= 0xff ? 0xff : needed <= 0xffff ? 0xffff : needed <= 0xffff_ffff ? 0xffff_ffff : Infinity;
  }
}
