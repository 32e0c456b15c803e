import { type Callee, OTHER_CALLEE } from './callees.ts';

/** Whom one request may have called, told apart; what is beyond counts as `other`. It bounds every search, too. */
const CALLEES_PER_PARENT = 32;
const INITIAL_CAPACITY = 256;
const NONE = -1;

/** Told of what was pending under a parent: so many calls of a callee, and whether one of them failed. */
export type OnPending = (callee: Callee, calls: number, failed: boolean) => void;

/**
 * Calls whose request has not ended yet, by the id of the span they were made under (two 32-bit halves, and a number
 * for the sender). One record per parent and callee in parallel arrays: separate chaining, and a list by time of the
 * last change, from which the oldest are dropped when the table is full or they have expired.
 */
export class PendingCalls {
  readonly #limit: number;
  readonly #seed: number;
  #size = 0;
  #now = 0;
  #used = 0;
  #free = NONE;
  #oldest = NONE;
  #newest = NONE;
  #records = emptyRecords(0);
  #callees: (Callee | undefined)[] = [];
  /** The first record of each chain. */
  #buckets = new Int32Array(1).fill(NONE);

  /** `limit`: records at most. `seed`: so that nobody can choose ids that all fall into one chain. */
  constructor(limit: number, seed: number) {
    this.#limit = limit;
    this.#seed = seed;
  }

  get size(): number {
    return this.#size;
  }

  /** Adds calls under a parent. Returns how many calls had to make room for them. */
  add(low: number, high: number, owner: number, callee: Callee, calls: number, failed: boolean): number {
    const { next, counts, failures } = this.#records;
    let told = 0;
    for (let at = this.#first(low, high, owner); at !== NONE; at = next[at] as number) {
      if (!this.#isUnder(at, low, high, owner)) continue;
      if (this.#callees[at] === callee) {
        counts[at] = (counts[at] as number) + calls;
        if (failed) failures[at] = 1;
        this.#unlinkTime(at);
        this.#linkNewest(at);
        return 0;
      }
      told++;
    }
    if (told >= CALLEES_PER_PARENT && callee !== OTHER_CALLEE) {
      return this.add(low, high, owner, OTHER_CALLEE, calls, failed);
    }
    const evicted = this.#size >= this.#limit ? this.#drop(this.#oldest) : 0;
    this.#insert(low, high, owner, callee, calls, failed);
    return evicted;
  }

  /**
   * Takes out what is pending under a parent. Returns how many calls that were. `onPending` may add one record for each
   * that it is told of: the record is out by then, so its place is free, and nothing grows or is evicted meanwhile.
   */
  take(low: number, high: number, owner: number, onPending: OnPending): number {
    const { next, failures } = this.#records;
    let taken = 0;
    for (let at = this.#first(low, high, owner); at !== NONE; ) {
      const following = next[at] as number;
      if (this.#isUnder(at, low, high, owner)) {
        const callee = this.#callees[at] as Callee;
        const failed = failures[at] === 1;
        const calls = this.#drop(at);
        onPending(callee, calls, failed);
        taken += calls;
      }
      at = following;
    }
    return taken;
  }

  /**
   * It is `now`, seconds since the epoch, for what is added from here on: given to each call it would be an object of its
   * own. Drops what was last changed more than `seconds` ago, and returns how many calls that were.
   */
  turnTo(now: number, seconds: number): number {
    this.#now = now;
    let dropped = 0;
    while (this.#oldest !== NONE && (this.#records.changed[this.#oldest] as number) < now - seconds) {
      dropped += this.#drop(this.#oldest);
    }
    return dropped;
  }

  #first(low: number, high: number, owner: number): number {
    return this.#size === 0 ? NONE : (this.#buckets[this.#bucketOf(low, high, owner)] as number);
  }

  #isUnder(at: number, low: number, high: number, owner: number): boolean {
    const { lows, highs, owners } = this.#records;
    return lows[at] === low && highs[at] === high && owners[at] === owner;
  }

  #bucketOf(low: number, high: number, owner: number): number {
    let hash = Math.imul(low ^ this.#seed, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13) ^ high, 0xc2b2ae35);
    hash = Math.imul(hash ^ (hash >>> 16) ^ owner, 0x27d4eb2f);
    return (hash ^ (hash >>> 15)) & (this.#buckets.length - 1);
  }

  #insert(low: number, high: number, owner: number, callee: Callee, calls: number, failed: boolean): void {
    const at = this.#allocate();
    const records = this.#records;
    records.lows[at] = low;
    records.highs[at] = high;
    records.owners[at] = owner;
    records.counts[at] = calls;
    records.failures[at] = failed ? 1 : 0;
    this.#callees[at] = callee;
    this.#chain(at);
    this.#linkNewest(at);
    this.#size++;
  }

  #allocate(): number {
    const at = this.#free;
    if (at !== NONE) {
      this.#free = this.#records.next[at] as number;
      return at;
    }
    if (this.#used === this.#records.next.length) this.#grow();
    return this.#used++;
  }

  #chain(at: number): void {
    const { lows, highs, owners, next } = this.#records;
    const bucket = this.#bucketOf(lows[at] as number, highs[at] as number, owners[at] as number);
    next[at] = this.#buckets[bucket] as number;
    this.#buckets[bucket] = at;
  }

  /** Doubles the arrays, up to the limit. All records are in use when that happens, so all are chained anew. */
  #grow(): void {
    const capacity = Math.min(this.#limit, Math.max(INITIAL_CAPACITY, this.#used * 2));
    this.#records = emptyRecords(capacity, this.#records);
    this.#buckets = new Int32Array(2 ** Math.ceil(Math.log2(capacity))).fill(NONE);
    for (let at = 0; at < this.#used; at++) this.#chain(at);
  }

  /** Takes a record out. Returns how many calls it stood for. */
  #drop(at: number): number {
    const { lows, highs, owners, next, counts } = this.#records;
    const bucket = this.#bucketOf(lows[at] as number, highs[at] as number, owners[at] as number);
    let before = this.#buckets[bucket] as number;
    if (before === at) this.#buckets[bucket] = next[at] as number;
    else {
      while (next[before] !== at) before = next[before] as number;
      next[before] = next[at] as number;
    }
    this.#unlinkTime(at);
    next[at] = this.#free;
    this.#free = at;
    this.#callees[at] = undefined;
    this.#size--;
    return counts[at] as number;
  }

  #linkNewest(at: number): void {
    const { older, newer, changed } = this.#records;
    changed[at] = this.#now;
    older[at] = this.#newest;
    newer[at] = NONE;
    if (this.#newest === NONE) this.#oldest = at;
    else newer[this.#newest] = at;
    this.#newest = at;
  }

  #unlinkTime(at: number): void {
    const { older, newer } = this.#records;
    const before = older[at] as number;
    const after = newer[at] as number;
    if (before === NONE) this.#oldest = after;
    else newer[before] = after;
    if (after === NONE) this.#newest = before;
    else older[after] = before;
  }
}

interface Records {
  /** The parent's id, and who sent it. */
  readonly lows: Int32Array;
  readonly highs: Int32Array;
  readonly owners: Int32Array;
  readonly counts: Uint32Array;
  readonly failures: Uint8Array;
  /** When a call was added last, seconds since the epoch. */
  readonly changed: Float64Array;
  /** The next record of the chain, or of the free ones. */
  readonly next: Int32Array;
  /** The neighbours by time. */
  readonly older: Int32Array;
  readonly newer: Int32Array;
}

function emptyRecords(capacity: number, old?: Records): Records {
  const records: Records = {
    lows: new Int32Array(capacity),
    highs: new Int32Array(capacity),
    owners: new Int32Array(capacity),
    counts: new Uint32Array(capacity),
    failures: new Uint8Array(capacity),
    changed: new Float64Array(capacity),
    next: new Int32Array(capacity),
    older: new Int32Array(capacity),
    newer: new Int32Array(capacity),
  };
  if (old !== undefined) {
    for (const name of Object.keys(records) as (keyof Records)[]) records[name].set(old[name]);
  }
  return records;
}
