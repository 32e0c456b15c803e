import { field, Reader, WireError } from '../wire/reader.ts';
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

/**
 * The request with each resource group changed as told (`replacements[i]` belongs to resource i). Everything else is
 * copied as blocks, so fields that this program does not know pass unharmed and in place.
 */
export function splice(bytes: Uint8Array, columns: Columns, replacements: readonly Replacement[]): Uint8Array {
  const { groupOffset, groupLength, count } = columns.resources;
  const writer = new Writer(bytes.length + sizeOf(columns, replacements));
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
  for (const replacement of replacements) {
    if ('resource' in replacement) size += replacement.resource.length + 16;
    else size += columns.count * 16;
  }
  return size;
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

/** Writes attributes on every item of a group. Lengths on the way up are written when their bodies are done. */
class ItemSplicer {
  readonly #writer: Writer;
  readonly #bytes: Uint8Array;
  readonly #signal: TelemetrySignal;
  readonly #attributes: readonly { readonly key: string; readonly value: string }[];
  readonly #keys: readonly Uint8Array[];

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
  }

  group(start: number, end: number): void {
    this.#rewrite(start, end, (number) => (number === 2 ? this.#scope : undefined));
  }

  readonly #scope = (start: number, end: number): void => {
    this.#rewrite(start, end, (number) => (number === 2 ? this.#item : undefined));
  };

  readonly #item = (start: number, end: number): void => {
    if (this.#signal !== 'metrics') return this.#leaf(start, end, ITEM_ATTRIBUTES[this.#signal]);
    this.#rewrite(start, end, (kind) => {
      const attributes = POINT_ATTRIBUTES.get(kind);
      if (attributes === undefined) return undefined;
      const point = (from: number, to: number) => this.#leaf(from, to, attributes);
      return (from, to) => this.#rewrite(from, to, (number) => (number === 1 ? point : undefined));
    });
  };

  /** Copies a message, handing the length-delimited fields that `into` names to their own rewriter. */
  #rewrite(
    start: number,
    end: number,
    into: (field: number) => ((start: number, end: number) => void) | undefined,
  ): void {
    const reader = new Reader(this.#bytes, start, end);
    while (reader.pos < end) {
      const at = reader.pos;
      const tag = reader.tag();
      const rewrite = (tag & 7) === 2 ? into(tag >>> 3) : undefined;
      if (rewrite === undefined) {
        reader.skip(tag & 7);
        this.#writer.raw(this.#bytes, at, reader.pos);
        continue;
      }
      const length = reader.length();
      const mark = this.#writer.open(tag >>> 3, length + 48);
      rewrite(reader.pos, reader.pos + length);
      this.#writer.close(mark);
      reader.pos += length;
    }
  }

  /** Copies an item without the attributes of our keys, then adds ours. */
  #leaf(start: number, end: number, attributesField: number): void {
    const reader = new Reader(this.#bytes, start, end);
    let copied = start;
    while (reader.pos < end) {
      const at = reader.pos;
      const tag = reader.tag();
      reader.skip(tag & 7);
      if (tag === field(attributesField) && this.#isOurs(at, reader.pos)) {
        this.#writer.raw(this.#bytes, copied, at);
        copied = reader.pos;
      }
    }
    this.#writer.raw(this.#bytes, copied, end);
    for (const { key, value } of this.#attributes) writeStringAttribute(this.#writer, attributesField, key, value);
  }

  /** Whether the attribute field at `start` has one of our keys. The scan has not looked into it: it may be broken. */
  #isOurs(start: number, end: number): boolean {
    try {
      const key = keyOf(new Reader(this.#bytes, start, end));
      return this.#keys.some((ours) => Buffer.compare(ours, key) === 0);
    } catch (error) {
      if (error instanceof WireError) return false;
      throw error;
    }
  }
}

/** The key of a KeyValue field, in the bytes that the reader is on; empty where it has none. */
function keyOf(reader: Reader): Uint8Array {
  reader.tag();
  reader.length();
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
