import { field, FIXED64, Reader, VARINT } from '../wire/reader.ts';
import type { SpanColumns } from './columns.ts';
import { enumOf, skipId, walkGroups } from './groups.ts';
import { type ColumnsLease, ColumnSets, GrowingColumns, ResourceCollector } from './growing.ts';
import { RangeTable } from './range-table.ts';
import { ATTRIBUTE, CALL, NEITHER, REQUEST, SpanAttributes } from './span-attributes.ts';

/*
 * Span:  1 trace_id   2 span_id   4 parent_span_id   5 name   6 kind
 *        7 start_time_unix_nano   8 end_time_unix_nano   9 repeated attributes   15 status
 * Status: 3 code
 */
const TRACE_ID = field(1);
const SPAN_ID = field(2);
const PARENT_ID = field(4);
const NAME = field(5);
const KIND = 6 * 8 + VARINT;
const START = 7 * 8 + FIXED64;
const END = 8 * 8 + FIXED64;
const STATUS = field(15);
const TRACE_ID_LENGTH = 16;
const SPAN_ID_LENGTH = 8;
/** Tag and length of a short field, or tag and value of a small number. */
const SHORT_HEAD = 2;
const TIME_FIELD = 1 + 8;

const SERVER = 2;
const CLIENT = 3;
const PRODUCER = 4;
const CONSUMER = 5;

/** Texts that have a number: what a column can hold is more. */
const TEXTS_MAX = 1 << 14;
/** A longer text is hardly ever a second one's equal. */
const LONGEST_TEXT = 128;
/** When so many texts have found no room, the table begins anew. */
const UNNUMBERED_MAX = 1 << 16;

const INITIAL_CAPACITY = 128;

const EMPTY = new Uint8Array();
const NO_VIEW = new DataView(EMPTY.buffer);

function emptyColumns() {
  return {
    resource: new Uint32Array(INITIAL_CAPACITY),
    offset: new Uint32Array(INITIAL_CAPACITY),
    length: new Uint32Array(INITIAL_CAPACITY),
    kind: new Uint8Array(INITIAL_CAPACITY),
    status: new Uint8Array(INITIAL_CAPACITY),
    httpStatus: new Uint16Array(INITIAL_CAPACITY),
    rpcStatus: new Uint16Array(INITIAL_CAPACITY),
    endSeconds: new Float64Array(INITIAL_CAPACITY),
    durationNs: new Float64Array(INITIAL_CAPACITY),
    operationOffset: new Uint32Array(INITIAL_CAPACITY),
    operationLength: new Uint32Array(INITIAL_CAPACITY),
    methodOffset: new Uint32Array(INITIAL_CAPACITY),
    methodLength: new Uint32Array(INITIAL_CAPACITY),
    operation: new Uint16Array(INITIAL_CAPACITY),
    spanLow: new Int32Array(INITIAL_CAPACITY),
    spanHigh: new Int32Array(INITIAL_CAPACITY),
    parentLow: new Int32Array(INITIAL_CAPACITY),
    parentHigh: new Int32Array(INITIAL_CAPACITY),
    calleeNamedBy: new Uint8Array(INITIAL_CAPACITY),
    calleeOffset: new Uint32Array(INITIAL_CAPACITY),
    calleeLength: new Uint32Array(INITIAL_CAPACITY),
    callee: new Uint16Array(INITIAL_CAPACITY),
  };
}

/**
 * One pass over an ExportTraceServiceRequest. It reads what judging needs and steps over the rest; attributes are
 * looked into only for server and consumer spans, which alone are requests to this service, and for client and
 * producer spans, which are its calls to others.
 *
 * Fields that stand as nearly all senders write them are read in a row, without a cursor that knows where it is and
 * without asking for every field which one it is: that takes little more than half the
 * time (docs/decisions/0001-bytes-and-columns.md). Whatever is otherwise is walked.
 */
export class SpanScanner {
  readonly #reader = new Reader(EMPTY);
  readonly #resources = new ResourceCollector();
  readonly #sets = new ColumnSets(() => new GrowingColumns(emptyColumns(), INITIAL_CAPACITY));
  /** The columns of the request that is scanned. */
  #scratch = this.#sets.current;
  readonly #attributes = new SpanAttributes(this.#reader, NO_VIEW, this.#scratch.columns);
  #count = 0;
  #readsAttributes = true;
  /** The same bytes, of which it reads four at a time. */
  #view: DataView = NO_VIEW;
  #texts = new RangeTable(TEXTS_MAX);
  /** How many texts found no room. */
  #unnumbered = 0;

  // Of the span that is read: where its fields lie, 0 where they are not there, and its numbers.
  #nameOffset = 0;
  #nameLength = 0;
  #startAt = 0;
  #endAt = 0;
  #firstAttribute = 0;
  #kind = 0;
  #status = 0;
  /** By the kind as it was known when attributes were read; nearly always it stands before them. */
  #readAs = NEITHER;

  scan(bytes: Uint8Array, lease?: ColumnsLease, bytesMax = Infinity, readsAttributes = true): SpanColumns {
    const reader = this.#reader;
    this.#readsAttributes = readsAttributes;
    if (this.#unnumbered > UNNUMBERED_MAX) this.#forgetTexts();
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    reader.reset(bytes, 0, bytes.length);
    this.#resources.begin(bytesMax);
    this.#scratch = this.#sets.current;
    this.#scratch.begin(bytesMax);
    this.#attributes.begin(this.#view, this.#scratch.columns);
    this.#count = 0;
    walkGroups(reader, this.#resources, this.#span);
    const columns = this.#sets.finish(this.#count, lease);
    reader.reset(EMPTY, 0, 0);
    this.#view = NO_VIEW;
    this.#attributes.begin(NO_VIEW, this.#scratch.columns);
    const resources = this.#resources.finish(lease);
    return { signal: 'traces', count: this.#count, resources, texts: this.#texts, ...columns };
  }

  /** Texts come and go: those that are still sent come back. */
  #forgetTexts(): void {
    this.#texts = new RangeTable(TEXTS_MAX);
    this.#unnumbered = 0;
  }

  readonly #span = (resource: number): void => {
    const reader = this.#reader;
    const i = this.#count++;
    this.#scratch.ensure(i, reader.pos);
    const { pos: start, end } = reader;
    this.#begin(i);
    reader.pos = this.#usualFields(this.#usualIds(i, start, end), end);
    while (reader.pos < end) this.#field(i, end);
    this.#place(i, resource, start, end);
    this.#time(i);
    const role = this.#role();
    if (this.#firstAttribute !== 0 && role !== this.#readAs) this.#readAgain(i, role, end);
    this.#nameAfter(i);
    this.#number(i, role);
  };

  /** Nothing is known of entry `i` yet: the scratch columns still hold what another request left there. */
  #begin(i: number): void {
    const { columns } = this.#scratch;
    columns.spanLow[i] = 0;
    columns.spanHigh[i] = 0;
    columns.parentLow[i] = 0;
    columns.parentHigh[i] = 0;
    this.#attributes.clear(i);
    this.#nameOffset = 0;
    this.#nameLength = 0;
    this.#startAt = 0;
    this.#endAt = 0;
    this.#firstAttribute = 0;
    this.#kind = 0;
    this.#status = 0;
    this.#readAs = NEITHER;
  }

  /** The ids at the beginning of a span; returns where the next field is. */
  #usualIds(i: number, start: number, end: number): number {
    const { bytes } = this.#reader;
    const spanId = start + SHORT_HEAD + TRACE_ID_LENGTH;
    const parentId = spanId + SHORT_HEAD + SPAN_ID_LENGTH;
    if (parentId > end || bytes[start] !== TRACE_ID || bytes[start + 1] !== TRACE_ID_LENGTH) return start;
    if (bytes[spanId] !== SPAN_ID || bytes[spanId + 1] !== SPAN_ID_LENGTH) return start;
    const { columns } = this.#scratch;
    this.#id(i, spanId + SHORT_HEAD, columns.spanLow, columns.spanHigh);
    const next = parentId + SHORT_HEAD + SPAN_ID_LENGTH;
    if (next > end || bytes[parentId] !== PARENT_ID || bytes[parentId + 1] !== SPAN_ID_LENGTH) return parentId;
    this.#id(i, parentId + SHORT_HEAD, columns.parentLow, columns.parentHigh);
    return next;
  }

  /** Name, kind and times, in this order, from `pos` on; returns where the next field is. */
  #usualFields(pos: number, end: number): number {
    const { bytes } = this.#reader;
    let next = pos;
    const length = bytes[next + 1] as number;
    if (bytes[next] === NAME && length < 0x80 && next + SHORT_HEAD + length <= end) {
      this.#nameOffset = next + SHORT_HEAD;
      this.#nameLength = length;
      next += SHORT_HEAD + length;
    }
    if (bytes[next] === KIND && (bytes[next + 1] as number) < 0x80 && next + SHORT_HEAD <= end) {
      this.#kind = bytes[next + 1] as number;
      next += SHORT_HEAD;
    }
    if (bytes[next] === START && next + TIME_FIELD <= end) {
      this.#startAt = next + 1;
      next += TIME_FIELD;
    }
    if (bytes[next] === END && next + TIME_FIELD <= end) {
      this.#endAt = next + 1;
      next += TIME_FIELD;
    }
    return next;
  }

  /** Reads the field at the reader, whichever it is. */
  #field(i: number, end: number): void {
    const reader = this.#reader;
    const { columns } = this.#scratch;
    const at = reader.pos;
    const tag = reader.tag();
    switch (tag) {
      case ATTRIBUTE:
        this.#attribute(i, at, end);
        return;
      case STATUS:
        this.#status = statusCode(reader, this.#status);
        return;
      case TRACE_ID:
        skipId(reader, 'span.trace_id', TRACE_ID_LENGTH);
        return;
      case SPAN_ID:
        this.#anyId(i, 'span.span_id', columns.spanLow, columns.spanHigh);
        return;
      case PARENT_ID:
        this.#anyId(i, 'span.parent_span_id', columns.parentLow, columns.parentHigh);
        return;
      case NAME:
        this.#nameLength = reader.length();
        this.#nameOffset = reader.pos;
        reader.pos += this.#nameLength;
        return;
      case KIND:
        this.#kind = enumOf(reader);
        return;
      case START:
        this.#startAt = reader.pos;
        reader.skip(FIXED64);
        return;
      case END:
        this.#endAt = reader.pos;
        reader.skip(FIXED64);
        return;
      default:
        reader.skip(tag & 7);
    }
  }

  /** Attributes from the one on of which the tag stands at `at`; the reader is behind that. */
  #attribute(i: number, at: number, end: number): void {
    if (this.#firstAttribute === 0) {
      this.#firstAttribute = at;
      this.#readAs = this.#role();
    }
    if (this.#attributes.readUsual(i, this.#readAs, at, end)) return;
    if (this.#readAs === NEITHER) this.#reader.skipBytes();
    else this.#attributes.readNext(i, this.#readAs);
  }

  /** As what the span's attributes are to be read, as far as is known by now. */
  #role(): number {
    return this.#readsAttributes ? roleOf(this.#kind) : NEITHER;
  }

  /** Notes the span id that lies at `at`. */
  #id(i: number, at: number, lows: Int32Array, highs: Int32Array): void {
    lows[i] = this.#view.getInt32(at, true);
    highs[i] = this.#view.getInt32(at + SPAN_ID_LENGTH / 2, true);
  }

  /** Reads a span id, or that there is none. */
  #anyId(i: number, name: string, lows: Int32Array, highs: Int32Array): void {
    lows[i] = 0;
    highs[i] = 0;
    const length = skipId(this.#reader, name, SPAN_ID_LENGTH);
    if (length > 0) this.#id(i, this.#reader.pos - length, lows, highs);
  }

  #place(i: number, resource: number, start: number, end: number): void {
    const { columns } = this.#scratch;
    columns.resource[i] = resource;
    columns.offset[i] = start;
    columns.length[i] = end - start;
    columns.kind[i] = this.#kind;
    columns.status[i] = this.#status;
  }

  #time(i: number): void {
    const { columns } = this.#scratch;
    const view = this.#view;
    const startAt = this.#startAt;
    const endAt = this.#endAt;
    const startLow = startAt === 0 ? 0 : view.getUint32(startAt, true);
    const startHigh = startAt === 0 ? 0 : view.getUint32(startAt + 4, true);
    const endLow = endAt === 0 ? 0 : view.getUint32(endAt, true);
    const endHigh = endAt === 0 ? 0 : view.getUint32(endAt + 4, true);
    // Words apart, since a double cannot hold today's epoch in ns: the difference stays exact below 104 days.
    columns.durationNs[i] = (endHigh - startHigh) * 4_294_967_296 + (endLow - startLow);
    columns.endSeconds[i] = (endHigh * 4_294_967_296 + endLow) / 1e9;
  }

  /** Names the operation after the span, where no attribute has named it. */
  #nameAfter(i: number): void {
    const { columns } = this.#scratch;
    if (columns.operationLength[i] !== 0) return;
    columns.operationOffset[i] = this.#nameOffset;
    columns.operationLength[i] = this.#nameLength;
  }

  /** The kind stood behind the attributes, which were read, or passed over, as those of another kind. */
  #readAgain(i: number, role: number, end: number): void {
    this.#attributes.clear(i);
    if (role !== NEITHER) this.#attributes.readFrom(i, role, this.#firstAttribute, end);
  }

  /** Numbers the texts that folding asks for: now, while their bytes are in the processor's caches. */
  #number(i: number, role: number): void {
    const { columns } = this.#scratch;
    const { operationOffset, operationLength, methodOffset, methodLength, calleeOffset, calleeLength } = columns;
    columns.operation[i] =
      role === REQUEST
        ? this.#numberOf(
            methodOffset[i] as number,
            methodLength[i] as number,
            operationOffset[i] as number,
            operationLength[i] as number,
          )
        : 0;
    columns.callee[i] = role === CALL ? this.#numberOf(0, 0, calleeOffset[i] as number, calleeLength[i] as number) : 0;
  }

  #numberOf(first: number, firstLength: number, second: number, secondLength: number): number {
    if (firstLength + secondLength > LONGEST_TEXT) return 0;
    const number = this.#texts.numberOf(this.#view, first, firstLength, second, secondLength);
    if (number === 0) this.#unnumbered++;
    return number;
  }
}

function roleOf(kind: number): number {
  if (kind === SERVER || kind === CONSUMER) return REQUEST;
  return kind === CLIENT || kind === PRODUCER ? CALL : NEITHER;
}

/** The code of a Status message, of which only that matters: `before` where it has none, as parts of one are merged. */
function statusCode(reader: Reader, before: number): number {
  const { end } = reader;
  const length = reader.length();
  reader.end = reader.pos + length;
  let code = before;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === 3 * 8 + VARINT) code = enumOf(reader);
    else reader.skip(tag & 7);
  }
  reader.end = end;
  return code;
}
