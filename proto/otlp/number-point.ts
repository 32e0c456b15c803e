import { field, FIXED64, Reader, VARINT } from '../wire/reader.ts';

/** A data point of a gauge or a sum. */
export interface NumberPoint {
  /** Unix seconds with fraction; 0 where not set. */
  readonly startSeconds: number;
  readonly timeSeconds: number;
  /** Undefined where the point has none. Integers beyond 2^53 lose their lowest bits. */
  readonly value: number | undefined;
  /** DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK: the series has ended, or nothing was measured. */
  readonly isEmpty: boolean;
  /** The encoded attributes: equal ones, in the same order, are one time series. */
  readonly attributesKey: string;
}

const NO_RECORDED_VALUE = 1;
const ATTRIBUTES = field(7);

/*
 * NumberDataPoint: 2 start_time_unix_nano   3 time_unix_nano   4 double as_double   6 sfixed64 as_int   7 attributes
 *                  8 flags
 */
/** Reads a NumberDataPoint. Throws `WireError`. */
export function readNumberPoint(bytes: Uint8Array, offset: number, length: number): NumberPoint {
  const reader = new Reader(bytes, offset, offset + length);
  let startSeconds = 0;
  let timeSeconds = 0;
  let value: number | undefined;
  let flags = 0;
  let attributesKey = '';
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case 2 * 8 + FIXED64:
        startSeconds = reader.fixed64() / 1e9;
        break;
      case 3 * 8 + FIXED64:
        timeSeconds = reader.fixed64() / 1e9;
        break;
      case 4 * 8 + FIXED64:
        value = reader.double();
        break;
      case 6 * 8 + FIXED64:
        value = signed64(reader);
        break;
      case 8 * 8 + VARINT:
        flags = reader.varint();
        break;
      case ATTRIBUTES: {
        const size = reader.length();
        const encoded = Buffer.from(bytes.buffer, bytes.byteOffset + reader.pos, size);
        attributesKey += `${size}:${encoded.toString('latin1')}`;
        reader.pos += size;
        break;
      }
      default:
        reader.skip(tag & 7);
    }
  }
  const isEmpty = flags % 2 === NO_RECORDED_VALUE;
  return { startSeconds, timeSeconds, value, isEmpty, attributesKey };
}

function signed64(reader: Reader): number {
  const low = reader.fixed32();
  const high = reader.fixed32() | 0;
  return high * 4_294_967_296 + low;
}
