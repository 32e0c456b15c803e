import type { TelemetrySignal } from '../../proto/otlp/columns.ts';
import { field, Reader } from '../../proto/wire/reader.ts';

/*
 * Export request: 1 resource group   group: 2 scope group   scope group: 2 span, metric or log record
 * Metric: 5 gauge   7 sum   9 histogram   10 exponential_histogram   11 summary; in each of them 1 data_points
 */
const GROUP = field(1);
const SCOPE = field(2);
const ITEM = field(2);
const POINT = field(1);
const DATA = new Set([5, 7, 9, 10, 11].map(field));

/** How many spans, data points or log records an encoded Export request holds. Throws `WireError`. */
export function countItems(signal: TelemetrySignal, bytes: Uint8Array): number {
  const reader = new Reader(bytes);
  let count = 0;
  const countIn = (): void => {
    count++;
    reader.skip(2);
  };
  const points = (): void => within(reader, (tag) => tag === POINT, countIn);
  const items = signal === 'metrics' ? () => within(reader, (tag) => DATA.has(tag), points) : countIn;
  const scopes = (): void => within(reader, (tag) => tag === ITEM, items);
  const groups = (): void => within(reader, (tag) => tag === SCOPE, scopes);
  fields(reader, (tag) => tag === GROUP, groups);
  return count;
}

/** Goes through the message at the cursor, calling `read` at the value of each field that is wanted. */
function within(reader: Reader, isWanted: (tag: number) => boolean, read: () => void): void {
  const outer = reader.end;
  reader.end = reader.length() + reader.pos;
  fields(reader, isWanted, read);
  reader.end = outer;
}

function fields(reader: Reader, isWanted: (tag: number) => boolean, read: () => void): void {
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (isWanted(tag)) read();
    else reader.skip(tag & 7);
  }
}
