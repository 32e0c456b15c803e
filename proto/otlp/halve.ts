import { BYTES, Reader } from '../wire/reader.ts';
import { Writer } from '../wire/writer.ts';
import type { TelemetrySignal } from './columns.ts';

/** The field numbers that lead from a request to its items: groups, scopes, items; for metrics the data and its points. */
const ITEMS_AT: Readonly<Record<TelemetrySignal, number>> = { traces: 2, logs: 2, metrics: 4 };
/** Gauge, Sum, Histogram, ExponentialHistogram and Summary in a Metric. */
const METRIC_DATA = new Set([5, 7, 9, 10, 11]);

/**
 * An encoded Export request as two, each with half of the items (spans, data points, log records) in their order; what
 * the items stand in, and fields that this program does not know, are in both. Undefined where there are less than two
 * items. Throws `WireError` on malformed bytes.
 */
export function halve(
  signal: TelemetrySignal,
  bytes: Uint8Array,
  items: number,
): readonly [Uint8Array, Uint8Array] | undefined {
  if (items < 2) return undefined;
  const middle = Math.ceil(items / 2);
  return [new Slicer(signal, bytes, 0, middle).run(), new Slicer(signal, bytes, middle, items).run()];
}

/** Copies the items with ordinals in [from, to), and all that they stand in. */
class Slicer {
  readonly #bytes: Uint8Array;
  readonly #from: number;
  readonly #to: number;
  readonly #itemsAt: number;
  readonly #writer: Writer;
  readonly #reader: Reader;
  /** Ordinal of the next item. */
  #next = 0;

  constructor(signal: TelemetrySignal, bytes: Uint8Array, from: number, to: number) {
    this.#bytes = bytes;
    this.#from = from;
    this.#to = to;
    this.#itemsAt = ITEMS_AT[signal];
    this.#writer = new Writer(bytes.length);
    this.#reader = new Reader(bytes);
  }

  run(): Uint8Array {
    this.#message(0, this.#bytes.length, 0);
    return this.#writer.finish();
  }

  /** `level`: 0 the request, 1 a resource's group, 2 a scope's, for metrics 3 a Metric and 4 its data. */
  #message(start: number, end: number, level: number): void {
    const reader = this.#reader;
    reader.pos = start;
    reader.end = end;
    while (reader.pos < end) {
      const at = reader.pos;
      const tag = reader.tag();
      const number = tag >>> 3;
      if ((tag & 7) !== BYTES || !this.#leadsOn(level, number)) {
        reader.skip(tag & 7);
        this.#writer.raw(this.#bytes, at, reader.pos);
        continue;
      }
      const length = reader.length();
      const from = reader.pos;
      if (level === this.#itemsAt) this.#item(at, from + length);
      else this.#step(number, from, from + length, level + 1);
      reader.pos = from + length;
      reader.end = end;
    }
  }

  #item(start: number, end: number): void {
    const ordinal = this.#next++;
    if (ordinal >= this.#from && ordinal < this.#to) this.#writer.raw(this.#bytes, start, end);
  }

  /** A message that items may be in; where all that it has are not wanted, nothing of it is written. */
  #step(number: number, start: number, end: number, level: number): void {
    const [before, length] = [this.#next, this.#writer.length];
    const mark = this.#writer.open(number, end - start);
    this.#message(start, end, level);
    this.#writer.close(mark);
    const isEmpty = this.#next === before;
    const isWanted = isEmpty ? this.#isHere(before) : this.#next > this.#from && before < this.#to;
    if (!isWanted) this.#writer.cut(length);
  }

  /** Where something without items belongs: to the half that the item behind it is in. */
  #isHere(ordinal: number): boolean {
    return ordinal >= this.#from && (ordinal < this.#to || this.#from > 0);
  }

  #leadsOn(level: number, number: number): boolean {
    if (level === 0) return number === 1;
    if (level === 3) return METRIC_DATA.has(number);
    return level === 4 ? number === 1 : number === 2;
  }
}
