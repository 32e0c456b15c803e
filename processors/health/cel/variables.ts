import type { Tag } from '../../../pipeline/tag.ts';
import type { TelemetryBatch } from '../../../pipeline/batch.ts';
import { type LogColumns, METRIC_KIND, type PointColumns, type SpanColumns } from '../../../proto/otlp/columns.ts';
import { text } from '../../../proto/otlp/resource.ts';
import { isAt } from '../../../proto/wire/ascii.ts';
import { field, FIXED64, Reader, VARINT } from '../../../proto/wire/reader.ts';
import { ALL, celAttributes, type CelValue, celValue, type Wanted } from './attributes.ts';

/*
 * What a condition sees: one object per signal that is set on an item after the other, and reads of it only what a
 * condition asks for.
 */

export type Attributes = Map<string, CelValue>;

const SPAN_KINDS = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'];
const SPAN_NAME = field(5);
/** In place of a length. */
const UNREAD = -1;
const STATUSES = ['UNSET', 'OK', 'ERROR'];

/** `span`. */
export class SpanVariable {
  readonly #item = emptyItem();
  #nameOffset = 0;
  #nameLength = UNREAD;
  #attributes: Attributes | undefined;
  readonly #wanted: Wanted;

  constructor(wanted: Wanted) {
    this.#wanted = wanted;
  }

  set(batch: TelemetryBatch, i: number): void {
    this.#item.batch = batch;
    this.#item.i = i;
    this.#attributes = undefined;
    this.#nameLength = UNREAD;
  }

  get name(): string {
    this.#findName();
    return text(this.#item.batch.bytes, this.#nameOffset, this.#nameLength);
  }

  isNamed(name: Uint8Array): boolean {
    this.#findName();
    return this.#nameLength === name.length && isAt(this.#item.batch.bytes, this.#nameOffset, name);
  }

  get kind(): string {
    return SPAN_KINDS[this.#columns.kind[this.#item.i] as number] ?? 'UNSPECIFIED';
  }

  get status(): string {
    return STATUSES[this.#columns.status[this.#item.i] as number] ?? 'UNSET';
  }

  get duration_ms(): number {
    return (this.#columns.durationNs[this.#item.i] as number) / 1e6;
  }

  get attributes(): Attributes {
    return (this.#attributes ??= attributesOf(this.#item, 9, this.#wanted));
  }

  #findName(): void {
    if (this.#nameLength !== UNREAD) return;
    const reader = readerOf(this.#item);
    this.#nameLength = 0;
    while (reader.pos < reader.end) {
      const tag = reader.tag();
      if (tag !== SPAN_NAME) {
        reader.skip(tag & 7);
        continue;
      }
      this.#nameLength = reader.length();
      this.#nameOffset = reader.pos;
      return;
    }
  }

  get #columns(): SpanColumns {
    return this.#item.batch.columns as SpanColumns;
  }
}

/** `log`. Has no name. */
export class LogVariable {
  readonly #item = emptyItem();
  #attributes: Attributes | undefined;
  readonly #wanted: Wanted;

  constructor(wanted: Wanted) {
    this.#wanted = wanted;
  }

  set(batch: TelemetryBatch, i: number): void {
    this.#item.batch = batch;
    this.#item.i = i;
    this.#attributes = undefined;
  }

  isNamed(): boolean {
    return false;
  }

  get severity(): bigint {
    return BigInt((this.#item.batch.columns as LogColumns).severity[this.#item.i] as number);
  }

  get severity_text(): string {
    return stringField(this.#item, 3);
  }

  /** Empty where it is no text. */
  get body(): string {
    const [offset, length] = lastField(this.#item, 5);
    const value = celValue(this.#item.batch.bytes, offset, length);
    return typeof value === 'string' ? value : '';
  }

  get event_name(): string {
    return stringField(this.#item, 12);
  }

  get attributes(): Attributes {
    return (this.#attributes ??= attributesOf(this.#item, 6, this.#wanted));
  }
}

/** `point`. */
export class PointVariable {
  readonly #item = emptyItem();
  #attributes: Attributes | undefined;
  #measured: Measured | undefined;
  readonly #wanted: Wanted;

  constructor(wanted: Wanted) {
    this.#wanted = wanted;
  }

  set(batch: TelemetryBatch, i: number): void {
    this.#item.batch = batch;
    this.#item.i = i;
    this.#attributes = undefined;
    this.#measured = undefined;
  }

  get name(): string {
    const { i } = this.#item;
    return text(this.#item.batch.bytes, this.#columns.nameOffset[i] as number, this.#columns.nameLength[i] as number);
  }

  isNamed(name: Uint8Array): boolean {
    const { i, batch } = this.#item;
    const { nameOffset, nameLength } = this.#columns;
    return nameLength[i] === name.length && isAt(batch.bytes, nameOffset[i] as number, name);
  }

  get unit(): string {
    const { i } = this.#item;
    return text(this.#item.batch.bytes, this.#columns.unitOffset[i] as number, this.#columns.unitLength[i] as number);
  }

  /** Of a gauge or sum its value; of a histogram or summary the mean. NaN where there is none. */
  get value(): number {
    return this.#read().value;
  }

  /** How many measurements a histogram or summary holds; 1 for a gauge or sum. */
  get count(): bigint {
    return BigInt(Math.round(this.#read().count));
  }

  get sum(): number {
    return this.#read().sum;
  }

  get attributes(): Attributes {
    const attributesField = POINT_ATTRIBUTES.get(this.#kind) ?? 7;
    return (this.#attributes ??= attributesOf(this.#item, attributesField, this.#wanted));
  }

  get #kind(): number {
    return this.#columns.kind[this.#item.i] as number;
  }

  get #columns(): PointColumns {
    return this.#item.batch.columns as PointColumns;
  }

  #read(): Measured {
    const isOne = this.#kind === METRIC_KIND.gauge || this.#kind === METRIC_KIND.sum;
    this.#measured ??= isOne ? readNumber(this.#item) : readDistribution(this.#item);
    return this.#measured;
  }
}

/** `resource`. Its attributes are read once for all batches that share the tag. */
export class ResourceVariable {
  #tag: Tag | undefined;
  readonly #known = new WeakMap<Tag, Attributes>();

  set(tag: Tag): void {
    this.#tag = tag;
  }

  get attributes(): Attributes {
    const tag = this.#tag as Tag;
    let attributes = this.#known.get(tag);
    if (attributes === undefined) {
      attributes = celAttributes(tag.taggedResource, 0, tag.taggedResource.length, 1, ALL);
      this.#known.set(tag, attributes);
    }
    return attributes;
  }
}

export type ItemVariable = SpanVariable | LogVariable | PointVariable;

/** What a condition is evaluated on: `resource`, and `span`, `point` or `log`. */
export type Variables = Readonly<Record<string, ItemVariable | ResourceVariable>>;

/** Item `i` of a batch. One object for all of them, since there are many. */
interface Item {
  batch: TelemetryBatch;
  i: number;
}

/** Until the first `set`, which whoever reads has called before. */
function emptyItem(): Item {
  return { batch: undefined as unknown as TelemetryBatch, i: 0 };
}

/** Attributes of data points: 7 in NumberDataPoint and SummaryDataPoint, 9 and 1 in those of histograms. */
const POINT_ATTRIBUTES = new Map<number, number>([
  [METRIC_KIND.histogram, 9],
  [METRIC_KIND.exponentialHistogram, 1],
]);

function attributesOf({ batch, i }: Item, attributesField: number, wanted: Wanted): Attributes {
  const { offset, length } = batch.columns;
  return celAttributes(batch.bytes, offset[i] as number, length[i] as number, attributesField, wanted);
}

function stringField(item: Item, number: number): string {
  const [offset, length] = lastField(item, number);
  return length === 0 ? '' : text(item.batch.bytes, offset, length);
}

/** Range of a length-delimited field of an item, the last one counting; length 0 where there is none. */
function lastField(item: Item, number: number): readonly [number, number] {
  const reader = readerOf(item);
  const wanted = field(number);
  let offset = 0;
  let length = 0;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag !== wanted) {
      reader.skip(tag & 7);
      continue;
    }
    length = reader.length();
    offset = reader.pos;
    reader.pos += length;
  }
  return [offset, length];
}

function readerOf({ batch, i }: Item): Reader {
  const start = batch.columns.offset[i] as number;
  return new Reader(batch.bytes, start, start + (batch.columns.length[i] as number));
}

interface Measured {
  readonly value: number;
  readonly count: number;
  readonly sum: number;
}

/** NumberDataPoint: 4 as_double   6 sfixed64 as_int   8 flags, of which the lowest says that nothing was recorded. */
function readNumber(item: Item): Measured {
  const reader = readerOf(item);
  let value = Number.NaN;
  let isEmpty = false;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === 4 * 8 + FIXED64) value = reader.double();
    else if (tag === 6 * 8 + FIXED64) value = signed(reader);
    else if (tag === 8 * 8 + VARINT) isEmpty = reader.varint() % 2 === 1;
    else reader.skip(tag & 7);
  }
  if (isEmpty) value = Number.NaN;
  return { value, count: 1, sum: value };
}

function signed(reader: Reader): number {
  const low = reader.fixed32();
  return low + (reader.fixed32() | 0) * 4_294_967_296;
}

/** HistogramDataPoint, ExponentialHistogramDataPoint and SummaryDataPoint: 4 fixed64 count   5 double sum. */
function readDistribution(item: Item): Measured {
  const reader = readerOf(item);
  let count = 0;
  let sum = 0;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === 4 * 8 + FIXED64) count = reader.fixed64();
    else if (tag === 5 * 8 + FIXED64) sum = reader.double();
    else reader.skip(tag & 7);
  }
  return { value: sum / count, count, sum };
}
