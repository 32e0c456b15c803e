import { field, FIXED64, Reader, VARINT } from '../wire/reader.ts';
import { CALLEE_NAMED_BY, NO_STATUS, type SpanColumns } from './columns.ts';
import { skipId, walkGroups } from './groups.ts';
import { type ColumnsLease, ColumnSets, GrowingColumns, ResourceCollector } from './growing.ts';
import { findKey, statusValue, textValue } from './key-value.ts';
import {
  CALLEE_OF_KEY,
  DESTINATION,
  HTTP_STATUS,
  HTTP_STATUS_OLD,
  isKey,
  KEY_LENGTH_LIMIT,
  KEY_OF,
  METHOD,
  METHOD_OLD,
  ROUTE,
  RPC_GRPC_STATUS,
  RPC_RESPONSE_STATUS,
  RPC_STATUS,
} from './span-keys.ts';

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
const ATTRIBUTE = field(9);
const STATUS = field(15);
/** KeyValue.key */
const KEY = field(1);

/** A kind or status code that no version of OTLP has: what a column of bytes cannot hold. */
const UNKNOWN_ENUM = 255;
const SERVER = 2;
const CLIENT = 3;
const PRODUCER = 4;
const CONSUMER = 5;

/** As whose the attributes of a span are read: by what it is to the service that sent it. */
const NEITHER = 0;
const REQUEST = 1;
const CALL = 2;

const INITIAL_CAPACITY = 128;

/**
 * One pass over an ExportTraceServiceRequest. It reads what judging needs and steps over the rest; attributes are
 * looked into only for server and consumer spans, which alone are requests to this service, and for client and
 * producer spans, which are its calls to others.
 */
export class SpanScanner {
  readonly #reader = new Reader(new Uint8Array());
  readonly #resources = new ResourceCollector();
  readonly #sets = new ColumnSets(
    () =>
      new GrowingColumns(
        {
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
          spanId: new Uint32Array(INITIAL_CAPACITY),
          parentId: new Uint32Array(INITIAL_CAPACITY),
          calleeNamedBy: new Uint8Array(INITIAL_CAPACITY),
          calleeOffset: new Uint32Array(INITIAL_CAPACITY),
          calleeLength: new Uint32Array(INITIAL_CAPACITY),
        },
        INITIAL_CAPACITY,
      ),
  );
  /** The columns of the request that is scanned. */
  #scratch = this.#sets.current;
  #count = 0;
  #readsAttributes = true;
  /** The same bytes, of which it reads four at a time. */
  #view: DataView = NO_VIEW;

  scan(bytes: Uint8Array, lease?: ColumnsLease, bytesMax = Infinity, readsAttributes = true): SpanColumns {
    const reader = this.#reader;
    this.#readsAttributes = readsAttributes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    reader.reset(bytes, 0, bytes.length);
    this.#resources.begin(bytesMax);
    this.#scratch = this.#sets.current;
    this.#scratch.begin(bytesMax);
    this.#count = 0;
    walkGroups(reader, this.#resources, this.#span);
    const columns = this.#sets.finish(this.#count, lease);
    reader.reset(EMPTY, 0, 0);
    this.#view = NO_VIEW;
    return { signal: 'traces', count: this.#count, resources: this.#resources.finish(lease), ...columns };
  }

  readonly #span = (resource: number): void => {
    const reader = this.#reader;
    const i = this.#count++;
    this.#scratch.ensure(i, reader.pos);
    const { columns } = this.#scratch;
    const { pos: start, end } = reader;
    let kind = 0;
    let status = 0;
    let startLow = 0;
    let startHigh = 0;
    let endLow = 0;
    let endHigh = 0;
    let nameOffset = 0;
    let nameLength = 0;
    let firstAttribute = 0;
    /** By the kind as it was known when attributes were read; nearly always it stands before them. */
    let readAs = NEITHER;
    this.#begin(i);
    while (reader.pos < end) {
      const tagAt = reader.pos;
      const tag = reader.tag();
      switch (tag) {
        case TRACE_ID:
          skipId(reader, 'span.trace_id', 16);
          break;
        case SPAN_ID:
          columns.spanId[i] = idAt(reader, 'span.span_id');
          break;
        case PARENT_ID:
          columns.parentId[i] = idAt(reader, 'span.parent_span_id');
          break;
        case NAME:
          nameLength = reader.length();
          nameOffset = reader.pos;
          reader.pos += nameLength;
          break;
        case KIND:
          kind = Math.min(reader.varint(), UNKNOWN_ENUM);
          break;
        case START:
          startLow = reader.fixed32();
          startHigh = reader.fixed32();
          break;
        case END:
          endLow = reader.fixed32();
          endHigh = reader.fixed32();
          break;
        case ATTRIBUTE:
          if (firstAttribute === 0) {
            firstAttribute = tagAt;
            readAs = this.#readsAttributes ? roleOf(kind) : NEITHER;
          }
          if (this.#usualAttributes(i, readAs, tagAt, end)) break;
          if (readAs === NEITHER) reader.skipBytes();
          else this.#enterAttribute(i, readAs);
          break;
        case STATUS:
          status = statusCode(reader);
          break;
        default:
          reader.skip(tag & 7);
      }
    }
    this.#place(i, resource, start, end, kind, status);
    this.#time(i, startLow, startHigh, endLow, endHigh);
    if (firstAttribute !== 0 && this.#readsAttributes && roleOf(kind) !== readAs)
      this.#readAgain(i, roleOf(kind), firstAttribute, end);
    this.#nameAfter(i, nameOffset, nameLength);
  };

  #place(i: number, resource: number, start: number, end: number, kind: number, status: number): void {
    const { columns } = this.#scratch;
    columns.resource[i] = resource;
    columns.offset[i] = start;
    columns.length[i] = end - start;
    columns.kind[i] = kind;
    columns.status[i] = status;
  }

  #time(i: number, startLow: number, startHigh: number, endLow: number, endHigh: number): void {
    const { columns } = this.#scratch;
    // Words apart, since a double cannot hold today's epoch in ns: the difference stays exact below 104 days.
    columns.durationNs[i] = (endHigh - startHigh) * 4_294_967_296 + (endLow - startLow);
    columns.endSeconds[i] = (endHigh * 4_294_967_296 + endLow) / 1e9;
  }

  /** Names the operation after the span, where no attribute has named it. */
  #nameAfter(i: number, offset: number, length: number): void {
    const { columns } = this.#scratch;
    if (columns.operationLength[i] !== 0) return;
    columns.operationOffset[i] = offset;
    columns.operationLength[i] = length;
  }

  /** The kind stood behind the attributes, which were read, or passed over, as those of another kind. */
  #readAgain(i: number, role: number, firstAttribute: number, end: number): void {
    this.#clear(i);
    if (role !== NEITHER) this.#attributes(i, role, firstAttribute, end);
  }

  /** Nothing is known of entry `i` yet: the scratch columns still hold what another request left there. */
  #begin(i: number): void {
    const { columns } = this.#scratch;
    columns.spanId[i] = 0;
    columns.parentId[i] = 0;
    this.#clear(i);
  }

  /** Forgets what attributes said of entry `i`. */
  #clear(i: number): void {
    const { columns } = this.#scratch;
    columns.httpStatus[i] = NO_STATUS;
    columns.rpcStatus[i] = NO_STATUS;
    columns.operationOffset[i] = 0;
    columns.operationLength[i] = 0;
    columns.methodOffset[i] = 0;
    columns.methodLength[i] = 0;
    columns.calleeNamedBy[i] = CALLEE_NAMED_BY.nothing;
    columns.calleeOffset[i] = 0;
    columns.calleeLength[i] = 0;
  }

  /** Attributes mostly stand side by side: from the first one on, whatever is none is stepped over. */
  #attributes(i: number, role: number, from: number, end: number): void {
    const reader = this.#reader;
    reader.pos = from;
    while (reader.pos < end) {
      const tag = reader.tag();
      if (tag !== ATTRIBUTE) {
        reader.skip(tag & 7);
        continue;
      }
      this.#enterAttribute(i, role);
    }
  }

  /**
   * Attributes from `from` on that are as nearly all are: shorter than 128 bytes, and the key in front. Stops in front of
   * whatever else there is; false where that is the first one. They are most of a span, so nothing is called for those
   * that are not read.
   */
  #usualAttributes(i: number, role: number, from: number, end: number): boolean {
    const reader = this.#reader;
    const { bytes } = reader;
    let pos = from;
    while (pos + 1 < end && bytes[pos] === ATTRIBUTE) {
      const length = bytes[pos + 1] as number;
      const next = pos + 2 + length;
      if (length >= 0x80 || next > end) break;
      if (role !== NEITHER && length > 0) {
        if (bytes[pos + 2] !== KEY) break;
        const keyLength = bytes[pos + 3] as number;
        const keyEnd = pos + 4 + keyLength;
        if (keyLength < KEY_LENGTH_LIMIT && keyEnd <= next) {
          const known = KEY_OF[keyLength * 256 + (bytes[keyEnd - 1] as number)] as number;
          if (known !== 0 && isKey(this.#view, pos + 4, keyLength, known))
            this.#attribute(i, role, known, pos + 2, keyEnd, next);
        }
      }
      pos = next;
    }
    if (pos === from) return false;
    reader.pos = pos;
    return true;
  }

  #enterAttribute(i: number, role: number): void {
    const reader = this.#reader;
    const length = reader.length();
    const start = reader.pos;
    const next = start + length;
    const { bytes } = reader;
    let key = start + 2;
    let keyLength = bytes[start + 1] as number;
    // The key nearly always comes first.
    if (length > 0 && bytes[start] !== KEY) {
      if (findKey(reader, next)) {
        keyLength = reader.length();
        key = reader.pos;
      } else keyLength = KEY_LENGTH_LIMIT;
    }
    const keyEnd = key + keyLength;
    if (keyLength < KEY_LENGTH_LIMIT && keyEnd <= next) {
      const known = KEY_OF[keyLength * 256 + (bytes[keyEnd - 1] as number)] as number;
      if (known !== 0 && isKey(this.#view, key, keyLength, known)) this.#attribute(i, role, known, start, keyEnd, next);
    }
    reader.pos = next;
  }

  /** The KeyValue from `start` to `end`, of attribute `known`, of which the key ends at `keyEnd`. */
  #attribute(i: number, role: number, known: number, start: number, keyEnd: number, end: number): void {
    const { columns } = this.#scratch;
    switch (known) {
      case HTTP_STATUS:
      case HTTP_STATUS_OLD:
        columns.httpStatus[i] = statusValue(this.#reader, start, keyEnd, end);
        return;
      case RPC_GRPC_STATUS:
      case RPC_RESPONSE_STATUS:
      case RPC_STATUS:
        columns.rpcStatus[i] = statusValue(this.#reader, start, keyEnd, end);
        return;
      default:
        if (role === REQUEST) this.#requestAttribute(i, known, start, keyEnd, end);
        else this.#callAttribute(i, known, start, keyEnd, end);
    }
  }

  #requestAttribute(i: number, known: number, start: number, keyEnd: number, end: number): void {
    const { columns } = this.#scratch;
    switch (known) {
      case ROUTE:
      case DESTINATION:
        this.#range(start, keyEnd, end, i, columns.operationOffset, columns.operationLength);
        return;
      case METHOD:
      case METHOD_OLD:
        this.#range(start, keyEnd, end, i, columns.methodOffset, columns.methodLength);
        return;
      default:
    }
  }

  #callAttribute(i: number, known: number, start: number, keyEnd: number, end: number): void {
    const namedBy = CALLEE_OF_KEY[known] as number;
    if (namedBy !== CALLEE_NAMED_BY.nothing) this.#callee(start, keyEnd, end, i, namedBy);
  }

  #range(start: number, pos: number, end: number, i: number, offsets: Uint32Array, lengths: Uint32Array): void {
    const reader = this.#reader;
    const length = textValue(reader, start, pos, end);
    if (length === 0) return;
    offsets[i] = reader.pos;
    lengths[i] = length;
  }

  /** Notes whom a span called, unless something that names it better has done so. */
  #callee(start: number, pos: number, end: number, i: number, named: number): void {
    const reader = this.#reader;
    const { columns } = this.#scratch;
    if (named < (columns.calleeNamedBy[i] as number)) return;
    const length = textValue(reader, start, pos, end);
    if (length === 0) return;
    columns.calleeNamedBy[i] = named;
    columns.calleeOffset[i] = reader.pos;
    columns.calleeLength[i] = length;
  }
}

/** Passes over a span id; returns where it lies, 0 where it is empty. */
function idAt(reader: Reader, name: string): number {
  const length = skipId(reader, name, 8);
  return length === 0 ? 0 : reader.pos - length;
}

function roleOf(kind: number): number {
  if (kind === SERVER || kind === CONSUMER) return REQUEST;
  return kind === CLIENT || kind === PRODUCER ? CALL : NEITHER;
}

const EMPTY = new Uint8Array();
const NO_VIEW = new DataView(EMPTY.buffer);

/** The code of a Status message, from which only that matters. */
function statusCode(reader: Reader): number {
  const { end } = reader;
  const length = reader.length();
  reader.end = reader.pos + length;
  let code = 0;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === 3 * 8 + VARINT) code = Math.min(reader.varint(), UNKNOWN_ENUM);
    else reader.skip(tag & 7);
  }
  reader.end = end;
  return code;
}
