import { isAt } from '../wire/ascii.ts';
import { BYTES, field, Reader, WireError } from '../wire/reader.ts';
import { Writer } from '../wire/writer.ts';
import { type Columns, METRIC_KIND, type TelemetrySignal } from './columns.ts';
import { writeStringAttribute } from './resource.ts';

/** What to write into one resource group. */
export type Replacement =
  | {
      /** The whole new Resource message. */
      readonly resource: Uint8Array;
    }
  | {
      /** Attributes to write on every span, data point or log record, in place of any of the same key. */
      readonly itemAttributes: readonly { readonly key: string; readonly value: string }[];
    };

/** Room for so many bytes; what is in it does not matter. */
export type Allocate = (bytes: number) => Uint8Array;

/**
 * The request with each resource group changed as told (`replacements[i]` belongs to resource i). Everything else is
 * copied as blocks, so fields that this program does not know pass unharmed and in place. It is written into what
 * `allocate` gives, unless that turns out to be too small.
 */
export function splice(
  bytes: Uint8Array,
  columns: Columns,
  replacements: readonly Replacement[],
  allocate: Allocate = Buffer.allocUnsafe,
): Uint8Array {
  const { groupOffset, groupLength, count } = columns.resources;
  const writer = new Writer(allocate(bytes.length + sizeOf(columns, replacements)));
  let copied = 0;
  for (let i = 0; i < count; i++) {
    const start = groupOffset[i] as number;
    const end = start + (groupLength[i] as number);
    // What stands between two groups is the next one's tag and length, and top-level fields nobody knows.
    copyUnknown(writer, bytes, copied, start);
    const replacement = replacements[i] as Replacement;
    const mark = writer.open(1, groupLength[i] as number);
    if ('resource' in replacement) writeGroup(writer, bytes, columns, i, replacement.resource);
    else new ItemSplicer(writer, bytes, columns.signal, replacement.itemAttributes).group(start, end);
    writer.close(mark);
    copied = end;
  }
  copyUnknown(writer, bytes, copied, bytes.length);
  return writer.finish();
}

/** Room for what is added, so that the writer rarely grows. */
function sizeOf(columns: Columns, replacements: readonly Replacement[]): number {
  let size = 64;
  let perItem = 0;
  for (const replacement of replacements) {
    if ('resource' in replacement) size += replacement.resource.length + 16;
    else perItem = Math.max(perItem, addedBytes(replacement.itemAttributes));
  }
  return size + columns.count * perItem;
}

/** What attributes take on one item, in any field, and what the lengths around it may grow by. */
function addedBytes(attributes: readonly { readonly key: string; readonly value: string }[]): number {
  return attributes.reduce((sum, { key, value }) => sum + 3 * (key.length + value.length) + 16, 8);
}

/** Copies the top-level fields of `bytes[start, end)` but for the header of the group that follows. */
function copyUnknown(writer: Writer, bytes: Uint8Array, start: number, end: number): void {
  if (end - start <= 6 && bytes[start] === field(1)) return;
  const reader = new Reader(bytes, start, end);
  while (reader.pos < end) {
    const at = reader.pos;
    const tag = reader.tag();
    if (tag === field(1)) return;
    reader.skip(tag & 7);
    writer.raw(bytes, at, reader.pos);
  }
}

/**
 * A resource group with its Resource replaced, or added in front where it has none. Where it is there twice, which
 * protobuf reads as one merged message, the columns hold the last one: that is replaced, and the others stay.
 */
function writeGroup(writer: Writer, bytes: Uint8Array, columns: Columns, i: number, resource: Uint8Array): void {
  const { groupOffset, groupLength, offset, length } = columns.resources;
  const start = groupOffset[i] as number;
  const end = start + (groupLength[i] as number);
  const old = offset[i] as number;
  const oldEnd = old + (length[i] as number);
  if (old === 0) {
    writer.bytesField(1, resource);
    writer.raw(bytes, start, end);
    return;
  }
  const reader = new Reader(bytes, start, end);
  let at = start;
  while (reader.pos < old) {
    at = reader.pos;
    const tag = reader.tag();
    if (tag !== field(1)) {
      reader.skip(tag & 7);
      continue;
    }
    const length = reader.length();
    if (reader.pos < old) reader.pos += length;
  }
  writer.raw(bytes, start, at);
  writer.bytesField(1, resource);
  writer.raw(bytes, oldEnd, end);
}

/** The attributes' field number in Span and LogRecord, and in each kind of data point. */
const ITEM_ATTRIBUTES = { traces: 9, logs: 6 } as const;
const POINT_ATTRIBUTES = new Map<number, number>([
  [METRIC_KIND.gauge, 7],
  [METRIC_KIND.sum, 7],
  [METRIC_KIND.histogram, 9],
  [METRIC_KIND.exponentialHistogram, 1],
  [METRIC_KIND.summary, 7],
]);

/** Where the walk is: what the fields that lead on to the items are in. */
const GROUP = 0;
const SCOPE = 1;
const METRIC = 2;
const DATA = 3;
/** A field that leads nowhere. */
const NONE = -1;

/** Writes attributes on every item of a group. Lengths on the way up are written when their bodies are done. */
class ItemSplicer {
  readonly #writer: Writer;
  readonly #bytes: Uint8Array;
  readonly #signal: TelemetrySignal;
  readonly #attributes: readonly { readonly key: string; readonly value: string }[];
  readonly #keys: readonly Uint8Array[];
  /** All of the attributes as fields of a number, by that number. */
  readonly #encoded = new Map<number, Uint8Array>();
  readonly #reader: Reader;

  constructor(
    writer: Writer,
    bytes: Uint8Array,
    signal: TelemetrySignal,
    attributes: readonly { readonly key: string; readonly value: string }[],
  ) {
    this.#writer = writer;
    this.#bytes = bytes;
    this.#signal = signal;
    this.#attributes = attributes;
    this.#keys = attributes.map(({ key }) => Buffer.from(key, 'utf8'));
    this.#reader = new Reader(bytes);
  }

  group(start: number, end: number): void {
    this.#rewrite(start, end, GROUP, 0);
  }

  /**
   * Copies a message, stepping into the fields that lead to items. `attributesField` is the number that attributes have
   * in the items of a metric's data.
   */
  #rewrite(start: number, end: number, level: number, attributesField: number): void {
    const reader = this.#reader;
    const writer = this.#writer;
    reader.pos = start;
    reader.end = end;
    let copied = start;
    while (reader.pos < end) {
      const at = reader.pos;
      const tag = reader.tag();
      const field = (tag & 7) === BYTES ? this.#leadsTo(level, tag >>> 3, attributesField) : NONE;
      if (field === NONE) {
        reader.skip(tag & 7);
        continue;
      }
      const length = reader.length();
      const from = reader.pos;
      writer.raw(this.#bytes, copied, at);
      const isItem = level === DATA || (level === SCOPE && this.#signal !== 'metrics');
      const mark = writer.open(tag >>> 3, length + (isItem ? this.#fields(field).length : 0));
      if (isItem) this.#item(from, from + length, field);
      else this.#rewrite(from, from + length, level + 1, field);
      writer.close(mark);
      reader.pos = from + length;
      reader.end = end;
      copied = reader.pos;
    }
    writer.raw(this.#bytes, copied, end);
  }

  /** `NONE`, or the number that attributes have in the items that this field leads to, 0 where that is not known yet. */
  #leadsTo(level: number, number: number, attributesField: number): number {
    if (level === METRIC) return POINT_ATTRIBUTES.get(number) ?? NONE;
    if (level === DATA) return number === 1 ? attributesField : NONE;
    if (number !== 2) return NONE;
    return level === SCOPE && this.#signal !== 'metrics' ? ITEM_ATTRIBUTES[this.#signal] : 0;
  }

  #fields(attributesField: number): Uint8Array {
    let encoded = this.#encoded.get(attributesField);
    if (encoded === undefined) {
      const writer = new Writer();
      for (const { key, value } of this.#attributes) writeStringAttribute(writer, attributesField, key, value);
      encoded = writer.finish();
      this.#encoded.set(attributesField, encoded);
    }
    return encoded;
  }

  /** Copies an item without the attributes of our keys, then adds ours. */
  #item(start: number, end: number, attributesField: number): void {
    const reader = this.#reader;
    const wanted = field(attributesField);
    reader.pos = start;
    reader.end = end;
    let copied = start;
    while (reader.pos < end) {
      const at = reader.pos;
      const tag = reader.tag();
      if (tag !== wanted) {
        reader.skip(tag & 7);
        continue;
      }
      const length = reader.length();
      const from = reader.pos;
      if (this.#isOurs(from, from + length)) {
        this.#writer.raw(this.#bytes, copied, at);
        copied = from + length;
      }
      reader.pos = from + length;
    }
    this.#writer.raw(this.#bytes, copied, end);
    this.#writer.raw(this.#fields(attributesField));
  }

  /** Whether the KeyValue has one of our keys. The scan has not looked into it: it may be broken. */
  #isOurs(start: number, end: number): boolean {
    const bytes = this.#bytes;
    // As every sender writes it: the key in front, shorter than 128 bytes, and nothing like a key behind the value.
    if (bytes[start] === field(1) && start + 1 < end && !isOddKeyValue(bytes, start, end)) {
      const length = bytes[start + 1] as number;
      // A loop: a function made for every attribute is the most garbage of all that tagging leaves.
      for (const ours of this.#keys) if (ours.length === length && isAt(bytes, start + 2, ours)) return true;
      return false;
    }
    return this.#isOursByWalk(start, end);
  }

  #isOursByWalk(start: number, end: number): boolean {
    try {
      const key = keyOf(new Reader(this.#bytes, start, end));
      return this.#keys.some((ours) => Buffer.compare(ours, key) === 0);
    } catch (error) {
      if (error instanceof WireError) return false;
      throw error;
    }
  }
}

/** Whether a KeyValue that begins with its key is anything but that key and one value of less than 128 bytes. */
function isOddKeyValue(bytes: Uint8Array, start: number, end: number): boolean {
  const length = bytes[start + 1] as number;
  const value = start + 2 + length;
  if (length >= 0x80 || value > end) return true;
  if (value === end) return false;
  const valueLength = bytes[value + 1] as number;
  return bytes[value] !== field(2) || valueLength >= 0x80 || value + 2 + valueLength !== end;
}

/** The key of a KeyValue, in the bytes that the reader is on; empty where it has none. The last one counts. */
function keyOf(reader: Reader): Uint8Array {
  let key: Uint8Array = new Uint8Array();
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag !== field(1)) {
      reader.skip(tag & 7);
      continue;
    }
    const length = reader.length();
    key = reader.bytes.subarray(reader.pos, reader.pos + length);
    reader.pos += length;
  }
  return key;
}
