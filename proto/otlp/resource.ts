import { ownCopy } from '../wire/own.ts';
import { BYTES, field, FIXED64, Reader, VARINT } from '../wire/reader.ts';
import { Writer } from '../wire/writer.ts';

/*
 * Resource: 1 repeated KeyValue attributes     KeyValue: 1 key   2 AnyValue value
 * AnyValue: 1 string_value   2 bool_value   3 int_value   4 double_value   5 array_value   6 kvlist_value   7 bytes_value
 * ArrayValue: 1 repeated AnyValue values
 */
const ATTRIBUTE = field(1);

/** A value as far as tagging and judging read it; maps and bytes are not read. */
export type AttributeValue = string | number | boolean | readonly AttributeValue[] | undefined;

/** Attributes by key, the last of a key counting, from the KeyValues in field `attributesField` of a message. */
export function readAttributes(
  bytes: Uint8Array,
  offset: number,
  length: number,
  attributesField = 1,
): Map<string, AttributeValue> {
  const reader = new Reader(bytes, offset, offset + length);
  const attributes = new Map<string, AttributeValue>();
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag !== field(attributesField)) {
      reader.skip(tag & 7);
      continue;
    }
    const size = reader.length();
    const [key, value] = readKeyValue(bytes, reader.pos, size);
    if (value !== undefined) attributes.set(key, value);
    reader.pos += size;
  }
  return attributes;
}

/**
 * The KeyValues in field `attributesField` of a message as they stand there, in a text that is equal where their bytes
 * are. Throws `WireError`.
 */
export function attributesText(bytes: Uint8Array, offset: number, length: number, attributesField: number): string {
  const reader = new Reader(bytes, offset, offset + length);
  const wanted = field(attributesField);
  let found = '';
  let run = -1;
  while (reader.pos < reader.end) {
    const at = reader.pos;
    const tag = reader.tag();
    reader.skip(tag & 7);
    if (tag === wanted) {
      if (run < 0) run = at;
    } else if (run >= 0) {
      found += latin1(bytes, run, at);
      run = -1;
    }
  }
  return run < 0 ? found : found + latin1(bytes, run, reader.end);
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  // Requests lie in Buffers: of these, no view is needed.
  if (bytes instanceof Buffer) return bytes.toString('latin1', start, end);
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
}

/** The text in a range of bytes. */
export function text(bytes: Uint8Array, offset: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + offset, length).toString('utf8');
}

function readKeyValue(bytes: Uint8Array, offset: number, length: number): [string, AttributeValue] {
  const reader = new Reader(bytes, offset, offset + length);
  let key = '';
  let value: AttributeValue;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === field(1)) {
      const size = reader.length();
      key = text(bytes, reader.pos, size);
      reader.pos += size;
    } else if (tag === field(2)) {
      const size = reader.length();
      value = readValue(bytes, reader.pos, size);
      reader.pos += size;
    } else {
      reader.skip(tag & 7);
    }
  }
  return [key, value];
}

/** How deep arrays in arrays are followed. */
const MAX_DEPTH = 4;

function readValue(bytes: Uint8Array, offset: number, length: number, depth = 0): AttributeValue {
  const reader = new Reader(bytes, offset, offset + length);
  let value: AttributeValue;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case field(1): {
        const size = reader.length();
        value = text(bytes, reader.pos, size);
        reader.pos += size;
        break;
      }
      case 2 * 8 + VARINT:
        value = reader.varint() !== 0;
        break;
      case 3 * 8 + VARINT:
        value = reader.int64();
        break;
      case 4 * 8 + FIXED64:
        value = reader.double();
        break;
      case field(5): {
        const size = reader.length();
        value = depth < MAX_DEPTH ? readArray(bytes, reader.pos, size, depth + 1) : undefined;
        reader.pos += size;
        break;
      }
      default:
        reader.skip(tag & 7);
    }
  }
  return value;
}

function readArray(bytes: Uint8Array, offset: number, length: number, depth: number): readonly AttributeValue[] {
  const reader = new Reader(bytes, offset, offset + length);
  const values: AttributeValue[] = [];
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag !== field(1)) {
      reader.skip(tag & 7);
      continue;
    }
    const size = reader.length();
    values.push(readValue(bytes, reader.pos, size, depth));
    reader.pos += size;
  }
  return values;
}

/**
 * Walks the KeyValues in field `attributesField` of the message from `pos` to `end` as the functions of this file read
 * them, so that reading cannot fail once the message has been accepted. Throws `WireError`.
 */
export function checkAttributes(reader: Reader, attributesField = 1): void {
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === field(attributesField)) enter(reader, checkKeyValue);
    else reader.skip(tag & 7);
  }
}

function checkKeyValue(reader: Reader): void {
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === field(2)) enter(reader, checkValue);
    else reader.skip(tag & 7);
  }
}

function checkValue(reader: Reader, depth = 0): void {
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === field(5) && depth < MAX_DEPTH) enter(reader, checkArray, depth + 1);
    else reader.skip(tag & 7);
  }
}

function checkArray(reader: Reader, depth: number): void {
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === field(1)) enter(reader, checkValue, depth);
    else reader.skip(tag & 7);
  }
}

/** Narrows the reader to the length-delimited field at `pos` while `check` walks it. */
function enter(reader: Reader, check: (reader: Reader, depth: number) => void, depth = 0): void {
  const { end } = reader;
  const length = reader.length();
  reader.end = reader.pos + length;
  check(reader, depth);
  reader.end = end;
}

/**
 * The Resource message with `attributes` in place of any of the same key; all else, known or not, is kept. It lies in
 * memory of its own.
 */
export function withAttributes(
  resource: Uint8Array,
  attributes: readonly { readonly key: string; readonly value: string }[],
): Uint8Array {
  const keys = new Set(attributes.map(({ key }) => key));
  const writer = new Writer(resource.length + 128);
  const reader = new Reader(resource);
  while (reader.pos < reader.end) {
    const at = reader.pos;
    const tag = reader.tag();
    if (tag !== ATTRIBUTE) {
      reader.skip(tag & 7);
      writer.raw(resource, at, reader.pos);
      continue;
    }
    const size = reader.length();
    const [key] = readKeyValue(resource, reader.pos, size);
    reader.pos += size;
    if (!keys.has(key)) writer.raw(resource, at, reader.pos);
  }
  for (const { key, value } of attributes) writeStringAttribute(writer, 1, key, value);
  return ownCopy(writer.finish());
}

/** One string attribute as a KeyValue in `attributesField`. */
export function writeStringAttribute(writer: Writer, attributesField: number, key: string, value: string): void {
  const attribute = writer.open(attributesField, key.length + value.length + 6);
  writer.stringField(1, key);
  const any = writer.open(2, value.length + 2);
  // Written even when empty: an AnyValue without a member is no value at all.
  writer.tag(1, BYTES);
  const utf8 = Buffer.from(value, 'utf8');
  writer.varint(utf8.length);
  writer.raw(utf8);
  writer.close(any);
  writer.close(attribute);
}
