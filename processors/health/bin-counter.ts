import type { Bins } from '../../proto/windback/health.ts';

/** No layout has such a bin. */
const FREE = -(2 ** 30);
const INITIAL_SLOTS = 8;
/** Of a table that holds nothing, and grows before it holds something. */
const EMPTY: number[] = [FREE];

/**
 * Counts by bin. Open addressing by the bin itself: bins in use lie side by side, so that nearly every one has the slot
 * that it asks for: cheaper than a Map, by how much says docs/decisions/0001-bytes-and-columns.md.
 */
export class BinCounter {
  #size = 0;
  /** As long as each other, a power of two: the bin of each slot, and its count. */
  #bins = EMPTY;
  #counts = EMPTY;

  add(bin: number, count: number): void {
    let slot = this.#slotOf(bin);
    if (this.#bins[slot] === bin) {
      this.#counts[slot] = (this.#counts[slot] as number) + count;
      return;
    }
    if ((this.#size + 1) * 4 > this.#bins.length * 3) {
      this.#grow();
      slot = this.#slotOf(bin);
    }
    this.#bins[slot] = bin;
    this.#counts[slot] = count;
    this.#size++;
  }

  /** All of them, ascending. */
  finish(): Bins {
    const bin = this.#bins.filter((one) => one !== FREE).sort((a, b) => a - b);
    return { bin, count: bin.map((one) => this.#counts[this.#slotOf(one)] as number) };
  }

  /** Where the bin is, or where there is room for it. */
  #slotOf(bin: number): number {
    const bins = this.#bins;
    const mask = bins.length - 1;
    let slot = bin & mask;
    while (bins[slot] !== bin && bins[slot] !== FREE) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const bins = this.#bins;
    const counts = this.#counts;
    const slots = Math.max(INITIAL_SLOTS, bins.length * 2);
    this.#bins = [];
    this.#counts = [];
    for (let slot = 0; slot < slots; slot++) {
      this.#bins.push(FREE);
      this.#counts.push(0);
    }
    for (let from = 0; from < bins.length; from++) {
      const bin = bins[from] as number;
      if (bin === FREE) continue;
      const slot = this.#slotOf(bin);
      this.#bins[slot] = bin;
      this.#counts[slot] = counts[from] as number;
    }
  }
}
