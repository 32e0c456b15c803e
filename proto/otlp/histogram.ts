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
}

/** A HistogramDataPoint or ExponentialHistogramDataPoint; undefined for other kinds. Throws `WireError`. */
export function readHistogramPoint(
  bytes: Uint8Array,
  offset: number,
  length: number,
  kind: number,
): HistogramPoint | undefined {
  if (kind === METRIC_KIND.histogram) return readExplicit(bytes, offset, length);
  if (kind === METRIC_KIND.exponentialHistogram) return readExponential(bytes, offset, length);
  return undefined;
}

/*
 * HistogramDataPoint: 2 start_time_unix_nano   4 fixed64 count   5 double sum   6 repeated fixed64 bucket_counts
 *                     7 repeated double explicit_bounds   9 attributes
 */
function readExplicit(bytes: Uint8Array, offset: number, length: number): HistogramPoint {
  const reader = new Reader(bytes, offset, offset + length);
  const counts: number[] = [];
  const bounds: number[] = [];
  let startTime = 0;
  let count = 0;
  let sum = 0;
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
      case 6 * 8 + FIXED64:
        counts.push(reader.fixed64());
        break;
      case field(6):
        packed(reader, () => counts.push(reader.fixed64()));
        break;
      case 7 * 8 + FIXED64:
        bounds.push(reader.double());
        break;
      case field(7):
        packed(reader, () => bounds.push(reader.double()));
        break;
      default:
        reader.skip(tag & 7);
    }
  }
  return { startTime, count, sum, bounds: [...bounds, Number.POSITIVE_INFINITY], counts };
}

/*
 * ExponentialHistogramDataPoint: 1 attributes   2 start_time_unix_nano   4 fixed64 count   5 double sum
 *   6 sint32 scale   7 fixed64 zero_count   8 Buckets positive      Buckets: 1 sint32 offset   2 repeated uint64 counts
 */
function readExponential(bytes: Uint8Array, offset: number, length: number): HistogramPoint {
  const reader = new Reader(bytes, offset, offset + length);
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
  return { startTime, count, sum, bounds: [0, ...bounds], counts: [zeros, ...positive.counts] };
}

function readBuckets(reader: Reader): { first: number; counts: number[] } {
  const { end } = reader;
  const length = reader.length();
  reader.end = reader.pos + length;
  let first = 0;
  const counts: number[] = [];
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === 8 + VARINT) first = zigzag(reader.varint());
    else if (tag === 2 * 8 + VARINT) counts.push(reader.varint());
    else if (tag === 2 * 8 + BYTES) packed(reader, () => counts.push(reader.varint()));
    else reader.skip(tag & 7);
  }
  reader.end = end;
  return { first, counts };
}

function packed(reader: Reader, read: () => void): void {
  const { end } = reader;
  const length = reader.length();
  reader.end = reader.pos + length;
  while (reader.pos < reader.end) read();
  reader.end = end;
}

function zigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
