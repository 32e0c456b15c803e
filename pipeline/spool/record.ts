import { crc32 } from 'node:zlib';
import type { TelemetrySignal } from '../../proto/otlp/columns.ts';

/**
 * One batch in a segment of a spool: a header, then the encoded Export request. All integers are little-endian.
 *
 *     0  magic      4 bytes "WBQ1"; also what a reader looks for behind damage
 *     4  state      1 byte  'L' live, 'D' done: written over in place, so no checksum covers it
 *     5  signal     1 byte  1 traces, 2 metrics, 3 logs
 *     6  reserved   2 bytes 0
 *     8  length     4 bytes of the request
 *    12  items      4 bytes spans, data points or log records in it
 *    16  payload    4 bytes CRC-32 of the request
 *    20  header     4 bytes CRC-32 of bytes 0 to 19, with the state as 'L'
 */
export const HEADER_BYTES = 24;
export const STATE_OFFSET = 4;
export const DONE = 'D'.charCodeAt(0);

const LIVE = 'L'.charCodeAt(0);
const MAGIC = Buffer.from('WBQ1', 'latin1');
const SIGNALS: readonly TelemetrySignal[] = ['traces', 'metrics', 'logs'];

/** What stands in a segment, from `offset` of its header on. */
export interface Found {
  readonly offset: number;
  readonly signal: TelemetrySignal;
  readonly items: number;
  /** Bytes of the request. */
  readonly length: number;
}

export interface Scanned {
  /** Live ones that are whole, in the order in which they were written. */
  readonly live: readonly Found[];
  /** Live ones whose header is whole and whose request is not. */
  readonly damaged: readonly Found[];
  /** Bytes in the middle that belong to no record. */
  readonly strayBytes: number;
  /** Where the last record ends; what is behind was cut off while it was written. */
  readonly end: number;
}

export function headerOf(signal: TelemetrySignal, items: number, request: Uint8Array): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header[STATE_OFFSET] = LIVE;
  header[5] = SIGNALS.indexOf(signal) + 1;
  header.writeUInt32LE(request.length, 8);
  header.writeUInt32LE(items, 12);
  header.writeUInt32LE(crc32(request), 16);
  header.writeUInt32LE(crc32(header.subarray(0, 20)), 20);
  return header;
}

/** Whether these are the bytes that the record was written with. */
export function isWhole(record: Buffer): boolean {
  return record.readUInt32LE(16) === crc32(record.subarray(HEADER_BYTES));
}

/** Finds the records of a segment, whatever has happened to it. */
export function scanSegment(segment: Buffer): Scanned {
  const live: Found[] = [];
  const damaged: Found[] = [];
  let strayBytes = 0;
  let end = 0;
  for (let at = nextHeader(segment, 0); at !== undefined; at = nextHeader(segment, end)) {
    const found: Found = {
      offset: at,
      signal: SIGNALS[(segment[at + 5] as number) - 1] as TelemetrySignal,
      items: segment.readUInt32LE(at + 12),
      length: segment.readUInt32LE(at + 8),
    };
    strayBytes += at - end;
    end = at + HEADER_BYTES + found.length;
    if (segment[at + STATE_OFFSET] === DONE) continue;
    (isWhole(segment.subarray(at, end)) ? live : damaged).push(found);
  }
  return { live, damaged, strayBytes, end };
}

/** Where the next record begins that is all there; undefined where there is none. */
function nextHeader(segment: Buffer, from: number): number | undefined {
  for (let at = segment.indexOf(MAGIC, from); at >= 0; at = segment.indexOf(MAGIC, at + 1)) {
    if (at + HEADER_BYTES > segment.length) return undefined;
    if (isHeader(segment, at) && at + HEADER_BYTES + segment.readUInt32LE(at + 8) <= segment.length) return at;
  }
  return undefined;
}

function isHeader(segment: Buffer, at: number): boolean {
  const header = Buffer.from(segment.subarray(at, at + HEADER_BYTES));
  header[STATE_OFFSET] = LIVE;
  const signal = header[5] as number;
  return header.readUInt32LE(20) === crc32(header.subarray(0, 20)) && signal >= 1 && signal <= SIGNALS.length;
}
