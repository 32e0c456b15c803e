const INITIAL_SLOTS = 64;
const INITIAL_WORDS = 256;
/** Of each slot: hash, number (0 where it is free), where its words begin, and the lengths of its two ranges. */
const SLOT = 5;
/**
 * A new text is put into one of so many places, or the table grows: by chance none is farther away, but whoever makes up
 * texts of one hash could have all of them looked through for each span.
 */
const PROBES_MAX = 64;
/** Odd, with bits all over: 2^32 over the golden ratio. */
const MULTIPLIER = 0x9e3779b1;
/** As odd: that of the first step with which murmur3 ends. */
const LAST_MULTIPLIER = 0x85ebca6b;

let generations = 0;

/**
 * Numbers texts that lie as byte ranges in requests, from 1 on: equal texts, equal numbers. A text is a pair of ranges,
 * so that `GET` `/x` and `GET/` `x` stay apart; either may be empty. An open-addressing table by hash: a text seen before
 * costs one pass over its bytes, and no string (bench/micro, "scan, tag and fold traces").
 *
 * Bytes are read as words of four, the last of which may overlap the one before it: so no range has a rest to be read
 * byte by byte, of which the processor could not foresee the length.
 */
export class RangeTable {
  /** Tells this table from every other one of the thread, for whoever is not to keep it alive. Never 0. */
  readonly generation = ++generations;
  readonly #limit: number;
  #size = 0;
  #slots = new Int32Array(INITIAL_SLOTS * SLOT);
  #mask = INITIAL_SLOTS - 1;
  /** No text lies farther away. */
  #probes = PROBES_MAX;
  /** The words of all texts, one text behind the other. */
  #words = new Int32Array(INITIAL_WORDS);
  #wordsUsed = 0;

  /** `limit`: how many texts. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The number of a text; 0 where it is a new one for which there is no room. */
  numberOf(view: DataView, first: number, firstLength: number, second: number, secondLength: number): number {
    const hash = hashOfPair(view, first, firstLength, second, secondLength);
    const slots = this.#slots;
    const mask = this.#mask;
    const probes = this.#probes;
    for (let probe = 0; probe < probes; probe++) {
      const slot = (placeOf(hash, probe) & mask) * SLOT;
      const number = slots[slot + 1] as number;
      if (number === 0) return this.#add(hash, view, first, firstLength, second, secondLength);
      if (slots[slot] !== hash || slots[slot + 3] !== firstLength || slots[slot + 4] !== secondLength) continue;
      const words = slots[slot + 2] as number;
      if (
        isSame(view, first, firstLength, this.#words, words) &&
        isSame(view, second, secondLength, this.#words, words + wordsIn(firstLength))
      )
        return number;
    }
    return this.#makeWay(hash) ? this.#add(hash, view, first, firstLength, second, secondLength) : 0;
  }

  /**
   * Spreads the texts until there is a free place for one of this hash, to as many slots as a full table has at most.
   * False where that is of no use, as with texts that have all of the hash in common.
   */
  #makeWay(hash: number): boolean {
    if (this.#size >= this.#limit) return false;
    while (this.#mask < this.#limit * 2) {
      this.#spread();
      for (let probe = 0; probe < PROBES_MAX; probe++)
        if (this.#slots[(placeOf(hash, probe) & this.#mask) * SLOT + 1] === 0) return true;
    }
    return false;
  }

  #add(hash: number, view: DataView, first: number, firstLength: number, second: number, secondLength: number): number {
    if (this.#size >= this.#limit) return 0;
    const number = ++this.#size;
    const start = this.#wordsUsed;
    const middle = start + wordsIn(firstLength);
    this.#wordsUsed = middle + wordsIn(secondLength);
    if (this.#wordsUsed > this.#words.length) this.#words = grown(this.#words, this.#wordsUsed);
    copy(view, first, firstLength, this.#words, start);
    copy(view, second, secondLength, this.#words, middle);
    if (number * 2 > this.#mask) this.#spread();
    this.#place(hash, number, start, firstLength, secondLength);
    return number;
  }

  /** In the first free place, however far away: a text that has a number is not to lose it when the table grows. */
  #place(hash: number, number: number, words: number, firstLength: number, secondLength: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let slot = (hash & mask) * SLOT;
    let probe = 1;
    for (; slots[slot + 1] !== 0; probe++) slot = (placeOf(hash, probe) & mask) * SLOT;
    if (probe > this.#probes) this.#probes = probe;
    slots[slot] = hash;
    slots[slot + 1] = number;
    slots[slot + 2] = words;
    slots[slot + 3] = firstLength;
    slots[slot + 4] = secondLength;
  }

  /** Twice as many slots. */
  #spread(): void {
    const old = this.#slots;
    this.#mask = this.#mask * 2 + 1;
    this.#slots = new Int32Array((this.#mask + 1) * SLOT);
    for (let slot = 0; slot < old.length; slot += SLOT) {
      const [hash = 0, number = 0, words = 0, firstLength = 0, secondLength = 0] = old.subarray(slot, slot + SLOT);
      if (number !== 0) this.#place(hash, number, words, firstLength, secondLength);
    }
  }
}

function grown(words: Int32Array, needed: number): Int32Array<ArrayBuffer> {
  const more = new Int32Array(Math.max(needed, words.length * 2));
  more.set(words);
  return more;
}

/** Ever farther away, so that texts of one hash leave room between them for others. It comes to every place. */
function placeOf(hash: number, probe: number): number {
  return hash + ((probe * (probe + 1)) >>> 1);
}

function wordsIn(length: number): number {
  return (length + 3) >>> 2;
}

/** All of a range of one to three bytes. */
function shortWord(view: DataView, at: number, length: number): number {
  const middle = view.getUint8(at + (length >>> 1));
  return view.getUint8(at) | (middle << 8) | (view.getUint8(at + length - 1) << 16);
}

/** Texts that have it in common look for the same places. */
export function hashOfPair(
  view: DataView,
  first: number,
  firstLength: number,
  second: number,
  secondLength: number,
): number {
  return mixed(hashOf(view, second, secondLength, hashOf(view, first, firstLength, 0)));
}

/**
 * Takes a range into a hash: a multiplication for each word. The low bits of a product know nothing of what stood in the
 * high ones, so these are folded into the low ones: those of each word beforehand, which waits for no product, and those
 * of the hash at the end. Else texts that differ in the last bytes of words would all look for one place.
 */
function hashOf(view: DataView, at: number, length: number, seed: number): number {
  let hash = seed ^ length;
  if (length < 4) return length > 0 ? Math.imul(hash ^ shortWord(view, at, length), MULTIPLIER) : hash;
  const last = at + length - 4;
  for (let from = at; from < last; from += 4) {
    const word = view.getInt32(from, true);
    hash = Math.imul(hash ^ (word ^ (word >>> 16)), MULTIPLIER);
  }
  const word = view.getInt32(last, true);
  return Math.imul(hash ^ (word ^ (word >>> 16)), MULTIPLIER);
}

/** Takes the high bits of a hash into its low ones, by which the place is chosen. */
function mixed(hash: number): number {
  const once = Math.imul(hash ^ (hash >>> 16), LAST_MULTIPLIER);
  return once ^ (once >>> 15);
}

function isSame(view: DataView, at: number, length: number, words: Int32Array, start: number): boolean {
  if (length < 4) return length === 0 || words[start] === shortWord(view, at, length);
  const last = at + length - 4;
  let word = start;
  for (let from = at; from < last; from += 4) if (words[word++] !== view.getInt32(from, true)) return false;
  return words[word] === view.getInt32(last, true);
}

function copy(view: DataView, at: number, length: number, words: Int32Array, start: number): void {
  if (length < 4) {
    if (length > 0) words[start] = shortWord(view, at, length);
    return;
  }
  const last = at + length - 4;
  let word = start;
  for (let from = at; from < last; from += 4) words[word++] = view.getInt32(from, true);
  words[word] = view.getInt32(last, true);
}
