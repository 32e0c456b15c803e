import { field, FIXED64, Reader, VARINT } from '../wire/reader.ts';
import { text } from './resource.ts';

/*
 * LogRecord: 5 AnyValue body
 * AnyValue:  1 string_value   2 bool_value   3 int_value   4 double_value   5 array_value   6 kvlist_value   7 bytes_value
 * KeyValueList: 1 repeated KeyValue values       KeyValue: 1 key   2 AnyValue value
 */
const BODY = field(5);
const STRING = field(1);
const KVLIST = field(6);

/** What a log record says. */
export type Body =
  | { readonly kind: 'none' }
  | { readonly kind: 'string'; readonly text: string }
  /** A map: its keys in order, and those values that are text. */
  | { readonly kind: 'map'; readonly entries: ReadonlyMap<string, string | undefined> }
  /** A number, a boolean, bytes or a list. */
  | { readonly kind: 'other' };

/** Where the body of the LogRecord at `offset` lies; undefined where it has none. The last one counts. */
export function bodyRange(bytes: Uint8Array, offset: number, length: number): [number, number] | undefined {
  const reader = new Reader(bytes, offset, offset + length);
  let range: [number, number] | undefined;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag !== BODY) {
      reader.skip(tag & 7);
      continue;
    }
    const size = reader.length();
    range = [reader.pos, size];
    reader.pos += size;
  }
  return range;
}

/** Reads an AnyValue as the body of a log record. Throws `WireError`. */
export function readBody(bytes: Uint8Array, offset: number, length: number): Body {
  const reader = new Reader(bytes, offset, offset + length);
  let body: Body = { kind: 'none' };
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === STRING) {
      const size = reader.length();
      body = { kind: 'string', text: text(bytes, reader.pos, size) };
      reader.pos += size;
    } else if (tag === KVLIST) {
      const size = reader.length();
      body = { kind: 'map', entries: readEntries(bytes, reader.pos, size) };
      reader.pos += size;
    } else {
      if (OTHERS.has(tag)) body = { kind: 'other' };
      reader.skip(tag & 7);
    }
  }
  return body;
}

const OTHERS = new Set([2 * 8 + VARINT, 3 * 8 + VARINT, 4 * 8 + FIXED64, field(5), field(7)]);

function readEntries(bytes: Uint8Array, offset: number, length: number): ReadonlyMap<string, string | undefined> {
  const reader = new Reader(bytes, offset, offset + length);
  const entries = new Map<string, string | undefined>();
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag !== field(1)) {
      reader.skip(tag & 7);
      continue;
    }
    const size = reader.length();
    const [key, value] = readEntry(bytes, reader.pos, size);
    entries.set(key, value);
    reader.pos += size;
  }
  return entries;
}

function readEntry(bytes: Uint8Array, offset: number, length: number): [string, string | undefined] {
  const reader = new Reader(bytes, offset, offset + length);
  let key = '';
  let value: string | undefined;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag !== field(1) && tag !== field(2)) {
      reader.skip(tag & 7);
      continue;
    }
    const size = reader.length();
    if (tag === field(1)) key = text(bytes, reader.pos, size);
    else value = textOf(bytes, reader.pos, size);
    reader.pos += size;
  }
  return [key, value];
}

/** The text of an AnyValue; undefined where it holds none. Maps in it are not entered, however deep. */
function textOf(bytes: Uint8Array, offset: number, length: number): string | undefined {
  const reader = new Reader(bytes, offset, offset + length);
  let value: string | undefined;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag !== STRING) {
      reader.skip(tag & 7);
      continue;
    }
    const size = reader.length();
    value = text(bytes, reader.pos, size);
    reader.pos += size;
  }
  return value;
}
