import { BYTES, field, FIXED64, Reader, VARINT } from '../wire/reader.ts';
import { METRIC_KIND } from './columns.ts';

/** A histogram data point of either kind, as counts with the upper bound of each. */
export interface HistogramPoint {
  /** Unix ns, for telling resets; 0 where not set. */
  readonly startTime: number;
  readonly count: number;
  readonly sum: number;
  /** Upper bounds in the metric's unit, ascending; the last one may be infinite. */
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  /** The sum of `counts`. */
  readonly total: number;
}

/** Reads histogram data points. Points that follow each other mostly have the same bounds: these are one array. */
export class HistogramReader {
  readonly #reader = new Reader(NOTHING);
  readonly #bounds = new Bounds();

  /** A HistogramDataPoint or ExponentialHistogramDataPoint; undefined for other kinds. Throws `WireError`. */
  read(bytes: Uint8Array, offset: number, length: number, kind: number): HistogramPoint | undefined {
    const reader = this.#reader;
    reader.reset(bytes, offset, offset + length);
    try {
      if (kind === METRIC_KIND.histogram) return readExplicit(reader, this.#bounds);
      return kind === METRIC_KIND.exponentialHistogram ? readExponential(reader) : undefined;
    } finally {
      // The request's memory is not ours to hold on to.
      reader.reset(NOTHING, 0, 0);
    }
  }
}

/** Explicit bounds, as they are read one by one. While they are those of the point before, nothing is allocated. */
class Bounds {
  /** Those of the point before, and an infinite one. */
  #known: readonly number[] = [Number.POSITIVE_INFINITY];
  #same = 0;
  #others: number[] | undefined;

  begin(): void {
    this.#same = 0;
    this.#others = undefined;
  }

  add(bound: number): void {
    if (this.#others === undefined && this.#same < this.#known.length - 1 && bound === this.#known[this.#same]) {
      this.#same++;
      return;
    }
    this.#others ??= this.#known.slice(0, this.#same);
    this.#others.push(bound);
  }

  finish(): readonly number[] {
    if (this.#others === undefined && this.#same === this.#known.length - 1) return this.#known;
    this.#known = [...(this.#others ?? this.#known.slice(0, this.#same)), Number.POSITIVE_INFINITY];
    this.#others = undefined;
    return this.#known;
  }
}

/*
 * HistogramDataPoint: 2 start_time_unix_nano   4 fixed64 count   5 double sum   6 repeated fixed64 bucket_counts
 *                     7 repeated double explicit_bounds   9 attributes
 */
function readExplicit(reader: Reader, bounds: Bounds): HistogramPoint {
  const { end } = reader;
  const counts: number[] = [];
  let startTime = 0;
  let count = 0;
  let sum = 0;
  bounds.begin();
  while (reader.pos < end) {
    const tag = reader.tag();
    switch (tag) {
      case 2 * 8 + FIXED64:
        startTime = reader.fixed64();
        break;
      case 4 * 8 + FIXED64:
        count = reader.fixed64();
        break;
      case 5 * 8 + FIXED64:
        sum = reader.double();
        break;
      case 6 * 8 + FIXED64:
        counts.push(reader.fixed64());
        break;
      case field(6):
        enter(reader);
        while (reader.pos < reader.end) counts.push(reader.fixed64());
        reader.end = end;
        break;
      case 7 * 8 + FIXED64:
        bounds.add(reader.double());
        break;
      case field(7):
        enter(reader);
        while (reader.pos < reader.end) bounds.add(reader.double());
        reader.end = end;
        break;
      default:
        reader.skip(tag & 7);
    }
  }
  return { startTime, count, sum, bounds: bounds.finish(), counts, total: sumOf(counts) };
}

/*
 * ExponentialHistogramDataPoint: 1 attributes   2 start_time_unix_nano   4 fixed64 count   5 double sum
 *   6 sint32 scale   7 fixed64 zero_count   8 Buckets positive      Buckets: 1 sint32 offset   2 repeated uint64 counts
 */
function readExponential(reader: Reader): HistogramPoint {
  let startTime = 0;
  let count = 0;
  let sum = 0;
  let scale = 0;
  let zeros = 0;
  let positive: { first: number; counts: number[] } = { first: 0, counts: [] };
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case 2 * 8 + FIXED64:
        startTime = reader.fixed64();
        break;
      case 4 * 8 + FIXED64:
        count = reader.fixed64();
        break;
      case 5 * 8 + FIXED64:
        sum = reader.double();
        break;
      case 6 * 8 + VARINT:
        scale = zigzag(reader.varint());
        break;
      case 7 * 8 + FIXED64:
        zeros = reader.fixed64();
        break;
      case field(8):
        positive = readBuckets(reader);
        break;
      default:
        reader.skip(tag & 7);
    }
  }
  const bounds = positive.counts.map((_, i) => 2 ** ((positive.first + i + 1) / 2 ** scale));
  const counts = [zeros, ...positive.counts];
  return { startTime, count, sum, bounds: [0, ...bounds], counts, total: sumOf(counts) };
}

function readBuckets(reader: Reader): { first: number; counts: number[] } {
  const { end } = reader;
  enter(reader);
  const bucketsEnd = reader.end;
  let first = 0;
  const counts: number[] = [];
  while (reader.pos < bucketsEnd) {
    const tag = reader.tag();
    if (tag === 8 + VARINT) first = zigzag(reader.varint());
    else if (tag === 2 * 8 + VARINT) counts.push(reader.varint());
    else if (tag === 2 * 8 + BYTES) {
      enter(reader);
      while (reader.pos < reader.end) counts.push(reader.varint());
      reader.end = bucketsEnd;
    } else reader.skip(tag & 7);
  }
  reader.end = end;
  return { first, counts };
}

/** Steps into a length-delimited field; whoever does sets the reader's end back behind it. */
function enter(reader: Reader): void {
  const length = reader.length();
  reader.end = reader.pos + length;
}

function sumOf(counts: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < counts.length; i++) sum += counts[i] as number;
  return sum;
}

const NOTHING = new Uint8Array();

function zigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
