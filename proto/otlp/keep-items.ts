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
  return [
    new Slicer(signal, bytes, (ordinal) => ordinal < middle).run(),
    new Slicer(signal, bytes, (ordinal) => ordinal >= middle).run(),
  ];
}

/**
 * An encoded Export request with only those of its items whose ordinal is kept, and what they stand in. Throws
 * `WireError` on malformed bytes.
 */
export function keepItems(signal: TelemetrySignal, bytes: Uint8Array, keeps: (ordinal: number) => boolean): Uint8Array {
  return new Slicer(signal, bytes, keeps).run();
}

/** Copies the items that are kept, and all that they stand in. */
class Slicer {
  readonly #bytes: Uint8Array;
  readonly #keeps: (ordinal: number) => boolean;
  readonly #itemsAt: number;
  readonly #writer: Writer;
  readonly #reader: Reader;
  /** Ordinal of the next item. */
  #next = 0;
  /** Items written. */
  #kept = 0;

  constructor(signal: TelemetrySignal, bytes: Uint8Array, keeps: (ordinal: number) => boolean) {
    this.#bytes = bytes;
    this.#keeps = keeps;
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
    if (!this.#keeps(this.#next++)) return;
    this.#writer.raw(this.#bytes, start, end);
    this.#kept++;
  }

  /** A message that items may be in; where all that it has are not wanted, nothing of it is written. */
  #step(number: number, start: number, end: number, level: number): void {
    const [before, kept, length] = [this.#next, this.#kept, this.#writer.length];
    const mark = this.#writer.open(number, end - start);
    this.#message(start, end, level);
    this.#writer.close(mark);
    // What has no items goes with the one behind it.
    const isWanted = this.#next === before ? this.#keeps(before) : this.#kept > kept;
    if (!isWanted) this.#writer.cut(length);
  }

  #leadsOn(level: number, number: number): boolean {
    if (level === 0) return number === 1;
    if (level === 3) return METRIC_DATA.has(number);
    return level === 4 ? number === 1 : number === 2;
  }
}
