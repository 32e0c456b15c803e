import { isAt } from '../../../proto/wire/ascii.ts';
import { field, FIXED64, Reader, VARINT } from '../../../proto/wire/reader.ts';
import { text } from '../../../proto/otlp/resource.ts';

/** An attribute's value as CEL sees it: int, double, string, bool, bytes, list or map. */
export type CelValue = bigint | number | string | boolean | Uint8Array | readonly CelValue[] | Map<string, CelValue>;

/** Which attributes are read: gives the key that lies at `offset` as text, or undefined where it is not one of them. */
export type Wanted = (bytes: Uint8Array, offset: number, length: number) => string | undefined;

export const ALL: Wanted = text;

/** Only attributes with these keys. */
export function only(keys: ReadonlySet<string>): Wanted {
  const byLength: { readonly key: string; readonly encoded: Uint8Array }[][] = [];
  for (const key of keys) {
    const encoded = new Uint8Array(Buffer.from(key, 'utf8'));
    (byLength[encoded.length] ??= []).push({ key, encoded });
  }
  return (bytes, offset, length) => {
    const candidates = byLength[length];
    if (candidates === undefined) return undefined;
    for (const { key, encoded } of candidates) if (isAt(bytes, offset, encoded)) return key;
    return undefined;
  };
}

/** The tag of KeyValue.key. */
const KEY_FIRST = field(1);
/** How deep lists and maps in one another are followed. */
const DEPTH_MAX = 4;

/**
 * Attributes by key, the last of a key counting, from the KeyValues in field `attributesField` of a message; those
 * that are not wanted, and values that are empty or too deep, are left out. Throws `WireError`.
 */
export function celAttributes(
  bytes: Uint8Array,
  offset: number,
  length: number,
  attributesField: number,
  wanted: Wanted,
): Map<string, CelValue> {
  const attributes = new Map<string, CelValue>();
  const reader = new Reader(bytes, offset, offset + length);
  readEntries(reader, attributesField, wanted, 0, attributes);
  return attributes;
}

function readEntries(
  reader: Reader,
  entryField: number,
  wanted: Wanted,
  depth: number,
  into: Map<string, CelValue>,
): void {
  const entry = field(entryField);
  const { end } = reader;
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag !== entry) {
      reader.skip(tag & 7);
      continue;
    }
    const length = reader.length();
    const next = reader.pos + length;
    reader.end = next;
    if (wanted === ALL || mayBeWanted(reader, wanted)) readEntry(reader, wanted, depth, into);
    reader.end = end;
    reader.pos = next;
  }
}

/** False for an entry that begins with its key, as nearly all do, where that is not wanted: most are not. */
function mayBeWanted(reader: Reader, wanted: Wanted): boolean {
  const start = reader.pos;
  if (reader.bytes[start] !== KEY_FIRST) return true;
  reader.pos++;
  const length = reader.length();
  const key = wanted(reader.bytes, reader.pos, length);
  reader.pos = start;
  return key !== undefined;
}

function readEntry(reader: Reader, wanted: Wanted, depth: number, into: Map<string, CelValue>): void {
  let keyOffset = 0;
  let keyLength = 0;
  let valueOffset = 0;
  let valueLength = 0;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === field(1)) {
      keyLength = reader.length();
      keyOffset = reader.pos;
      reader.pos += keyLength;
    } else if (tag === field(2)) {
      valueLength = reader.length();
      valueOffset = reader.pos;
      reader.pos += valueLength;
    } else {
      reader.skip(tag & 7);
    }
  }
  const key = wanted(reader.bytes, keyOffset, keyLength);
  if (key === undefined) return;
  const value = celValue(reader.bytes, valueOffset, valueLength, depth);
  if (value !== undefined) into.set(key, value);
}

/**
 * An AnyValue: 1 string   2 bool   3 int   4 double   5 ArrayValue (1 values)   6 KeyValueList (1 values)   7 bytes.
 * Undefined where it is empty. Throws `WireError`.
 */
export function celValue(bytes: Uint8Array, offset: number, length: number, depth = 0): CelValue | undefined {
  const reader = new Reader(bytes, offset, offset + length);
  let value: CelValue | undefined;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case field(1):
        value = takeText(reader);
        break;
      case 2 * 8 + VARINT:
        value = reader.varint() !== 0;
        break;
      case 3 * 8 + VARINT:
        value = BigInt(reader.int64());
        break;
      case 4 * 8 + FIXED64:
        value = reader.double();
        break;
      case field(5):
        value = within(reader, () => (depth < DEPTH_MAX ? takeList(reader, depth + 1) : undefined));
        break;
      case field(6):
        value = within(reader, () => (depth < DEPTH_MAX ? takeMap(reader, depth + 1) : undefined));
        break;
      case field(7):
        value = within(reader, () => bytes.subarray(reader.pos, reader.end));
        break;
      default:
        reader.skip(tag & 7);
    }
  }
  return value;
}

function takeText(reader: Reader): string {
  const length = reader.length();
  const value = text(reader.bytes, reader.pos, length);
  reader.pos += length;
  return value;
}

function takeList(reader: Reader, depth: number): readonly CelValue[] {
  const values: CelValue[] = [];
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag !== field(1)) {
      reader.skip(tag & 7);
      continue;
    }
    const length = reader.length();
    const value = celValue(reader.bytes, reader.pos, length, depth);
    if (value !== undefined) values.push(value);
    reader.pos += length;
  }
  return values;
}

function takeMap(reader: Reader, depth: number): Map<string, CelValue> {
  const values = new Map<string, CelValue>();
  readEntries(reader, 1, ALL, depth, values);
  return values;
}

/** Narrows the reader to the length-delimited field at `pos` while `read` reads it, and steps behind it. */
function within<Result>(reader: Reader, read: () => Result): Result {
  const { end } = reader;
  const length = reader.length();
  const next = reader.pos + length;
  reader.end = next;
  const result = read();
  reader.pos = next;
  reader.end = end;
  return result;
}
