/** What can be added to a histogram: a `Map` of counts by bin, or another histogram. */
export interface BinCounts {
  readonly size: number;
  forEach(each: (count: number, bin: number) => void): void;
}

/** Bins and counts for JSON: packed as text, or flat. */
export type SavedBins = string | readonly number[];

/** A sparse histogram that grows: bins ascending, each with its count. The layout of the bins is the caller's. */
export class SparseBins implements BinCounts {
  #bins: number[] = [];
  #counts: number[] = [];

  /** The same, ascending; itself where it is already. */
  static of(added: BinCounts): SparseBins {
    if (added instanceof SparseBins) return added;
    const copy = new SparseBins();
    const entries: [number, number][] = [];
    added.forEach((count, bin) => entries.push([bin, count]));
    for (const [bin, count] of entries.sort(([a], [b]) => a - b)) copy.#insert(copy.size, bin, count);
    return copy;
  }

  /** Ascending. */
  get bins(): readonly number[] {
    return this.#bins;
  }

  /** Of each bin. */
  get counts(): readonly number[] {
    return this.#counts;
  }

  get size(): number {
    return this.#bins.length;
  }

  /** Adds parallel arrays of bins and counts. Quick where the bins ascend, right where they do not. */
  addAll(bins: readonly number[], counts: readonly number[]): void {
    const own = this.#bins;
    if (own.length === 0 && isAscending(bins)) {
      // A copy is just as long as it must be.
      this.#bins = bins.slice();
      this.#counts = counts.slice(0, bins.length);
      return;
    }
    let place = 0;
    for (let i = 0; i < bins.length; i++) {
      const bin = bins[i] as number;
      if (place > 0 && (own[place - 1] as number) >= bin) place = 0;
      while (place < own.length && (own[place] as number) < bin) place++;
      if (place < own.length && own[place] === bin)
        this.#counts[place] = (this.#counts[place] as number) + (counts[i] as number);
      else this.#insert(place, bin, counts[i] as number);
      place++;
    }
  }

  add(added: BinCounts): void {
    const { bins, counts } = SparseBins.of(added);
    this.addAll(bins, counts);
  }

  scale(factor: number): void {
    const counts = this.#counts;
    for (let i = 0; i < counts.length; i++) counts[i] = (counts[i] as number) * factor;
  }

  /** Forgets bins with less than this in them. */
  keepFrom(least: number): void {
    const bins = this.#bins;
    const counts = this.#counts;
    let kept = 0;
    for (let i = 0; i < bins.length; i++) {
      if ((counts[i] as number) < least) continue;
      bins[kept] = bins[i] as number;
      counts[kept++] = counts[i] as number;
    }
    bins.length = kept;
    counts.length = kept;
  }

  /** How many lie in higher bins than this. */
  above(bin: number): number {
    let count = 0;
    for (let i = this.bins.length - 1; i >= 0 && (this.bins[i] as number) > bin; i--) count += this.counts[i] as number;
    return count;
  }

  forEach(each: (count: number, bin: number) => void): void {
    for (let i = 0; i < this.bins.length; i++) each(this.counts[i] as number, this.bins[i] as number);
  }

  /** Bin, count, bin, count, …: the form for JSON. */
  flat(): number[] {
    const flat: number[] = [];
    for (let i = 0; i < this.bins.length; i++) flat.push(this.bins[i] as number, this.counts[i] as number);
    return flat;
  }

  /**
   * A form for JSON a third as long as `flat`: how far each bin is from the one before it, and its count, in digits of
   * five bits, the lowest first; 32 is added to a digit that others follow. It is `flat` where there is something else
   * than small whole numbers.
   */
  packed(): SavedBins {
    let length = 0;
    let before = 0;
    for (let i = 0; i < this.#bins.length; i++) {
      const bin = this.#bins[i] as number;
      const count = this.#counts[i] as number;
      const isFitting = isSmall(bin - before) && isSmall(count) && length + 2 * MOST_DIGITS <= scratch.length;
      if (!isFitting) return this.flat();
      length = pack(count, pack(bin - before, length));
      before = bin;
    }
    return scratch.toString('latin1', 0, length);
  }

  /** Adds what `packed` gave. */
  addSaved(saved: SavedBins): void {
    if (typeof saved !== 'string') {
      this.addFlat(saved);
      return;
    }
    const numbers = unpack(saved);
    for (let i = 2; i < numbers.length; i += 2) numbers[i] = (numbers[i] as number) + (numbers[i - 2] as number);
    this.addFlat(numbers);
  }

  addFlat(flat: readonly number[]): void {
    this.addAll(
      flat.filter((_, i) => i % 2 === 0),
      flat.filter((_, i) => i % 2 === 1),
    );
  }

  #insert(place: number, bin: number, count: number): void {
    const bins = this.#bins;
    const counts = this.#counts;
    bins.push(bin);
    counts.push(count);
    for (let i = bins.length - 1; i > place; i--) {
      bins[i] = bins[i - 1] as number;
      counts[i] = counts[i - 1] as number;
    }
    bins[place] = bin;
    counts[place] = count;
  }
}

function isAscending(bins: readonly number[]): boolean {
  for (let i = 1; i < bins.length; i++) if ((bins[i] as number) <= (bins[i - 1] as number)) return false;
  return true;
}

/** The digits of packed numbers: those of base 64, which JSON leaves as they are. */
const DIGITS = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', 'latin1');
const VALUES = new Uint8Array(128);
DIGITS.forEach((digit, value) => (VALUES[digit] = value));
/** So many digits of five bits a small number has at most. */
const MOST_DIGITS = 6;
/** Where numbers are packed; more bins than have room here are rare. */
const scratch = Buffer.alloc(4096);

function isSmall(value: number): boolean {
  return value >= 0 && value < 2 ** 30 && Number.isInteger(value);
}

/** Writes a small number to `scratch`; returns where the next one goes. */
function pack(value: number, at: number): number {
  let left = value;
  let end = at;
  for (; left >= 32; left >>>= 5) scratch[end++] = DIGITS[32 | (left & 31)] as number;
  scratch[end++] = DIGITS[left] as number;
  return end;
}

function unpack(text: string): number[] {
  const numbers: number[] = [];
  let value = 0;
  let shift = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = VALUES[text.charCodeAt(i)] as number;
    value |= (digit & 31) << shift;
    shift += 5;
    if (digit >= 32) continue;
    numbers.push(value);
    value = 0;
    shift = 0;
  }
  return numbers;
}
