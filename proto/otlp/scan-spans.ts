import { ascii, isAt } from '../wire/ascii.ts';
import { BYTES, field, FIXED64, Reader, VARINT } from '../wire/reader.ts';
import { NO_STATUS, type SpanColumns } from './columns.ts';
import { skipId, walkGroups } from './groups.ts';
import { GrowingColumns, ResourceCollector } from './growing.ts';
import { grpcStatusOf } from './grpc-status.ts';

/*
 * Span:  1 trace_id   2 span_id   4 parent_span_id   5 name   6 kind
 *        7 start_time_unix_nano   8 end_time_unix_nano   9 repeated attributes   15 status
 * Status: 3 code        KeyValue: 1 key   2 value        AnyValue: 1 string_value   3 int_value
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

/** A kind or status code that no version of OTLP has: what a column of bytes cannot hold. */
const UNKNOWN_ENUM = 255;
const SERVER = 2;
const CONSUMER = 5;

const HTTP_ROUTE = ascii('http.route');
const HTTP_METHOD = ascii('http.request.method');
const HTTP_METHOD_OLD = ascii('http.method');
const HTTP_STATUS = ascii('http.response.status_code');
const HTTP_STATUS_OLD = ascii('http.status_code');
const RPC_GRPC_STATUS = ascii('rpc.grpc.status_code');
const RPC_RESPONSE_STATUS = ascii('rpc.response.status_code');
const RPC_STATUS = ascii('rpc.status_code');
const DESTINATION = ascii('messaging.destination.name');

/** AnyValue.bytes_value; what comes behind it is not known, and so no value. */
const LAST_MEMBER = 7;

const INITIAL_CAPACITY = 1024;

/**
 * One pass over an ExportTraceServiceRequest. It reads what judging needs and steps over the rest; attributes are
 * looked into only for server and consumer spans, which alone are requests to this service.
 */
export class SpanScanner {
  readonly #reader = new Reader(new Uint8Array());
  readonly #resources = new ResourceCollector();
  readonly #scratch = new GrowingColumns(
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
    },
    INITIAL_CAPACITY,
  );
  #count = 0;

  scan(bytes: Uint8Array): SpanColumns {
    const reader = this.#reader;
    reader.reset(bytes, 0, bytes.length);
    this.#resources.clear();
    this.#scratch.trim();
    this.#count = 0;
    walkGroups(reader, this.#resources, this.#span);
    const columns = this.#scratch.copy(this.#count);
    reader.reset(EMPTY, 0, 0);
    return { signal: 'traces', count: this.#count, resources: this.#resources.finish(), ...columns };
  }

  readonly #span = (resource: number): void => {
    const reader = this.#reader;
    const i = this.#count++;
    this.#scratch.ensure(i, reader.pos);
    const { columns } = this.#scratch;
    const start = reader.pos;
    const { end } = reader;
    let kind = 0;
    let status = 0;
    let startLow = 0;
    let startHigh = 0;
    let endLow = 0;
    let endHigh = 0;
    let nameOffset = 0;
    let nameLength = 0;
    let firstAttribute = 0;
    /** The kind as it was known when attributes were read; nearly always it stands before them. */
    let readAsKind = 0;
    this.#clear(i);
    while (reader.pos < end) {
      const tagAt = reader.pos;
      const tag = reader.tag();
      switch (tag) {
        case TRACE_ID:
        case SPAN_ID:
        case PARENT_ID:
          skipSpanId(reader, tag);
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
            readAsKind = kind;
          }
          if (isRequest(readAsKind)) this.#enterAttribute(i);
          else reader.skip(BYTES);
          break;
        case STATUS:
          status = statusCode(reader);
          break;
        default:
          reader.skip(tag & 7);
      }
    }
    this.#place(i, resource, start, end);
    columns.kind[i] = kind;
    columns.status[i] = status;
    // Words apart, since a double cannot hold today's epoch in ns: the difference stays exact below 104 days.
    columns.durationNs[i] = (endHigh - startHigh) * 4_294_967_296 + (endLow - startLow);
    columns.endSeconds[i] = (endHigh * 4_294_967_296 + endLow) / 1e9;
    if (firstAttribute !== 0 && isRequest(kind) !== isRequest(readAsKind))
      this.#readAgain(i, kind, firstAttribute, end);
    this.#nameAfter(i, nameOffset, nameLength);
  };

  #place(i: number, resource: number, start: number, end: number): void {
    const { columns } = this.#scratch;
    columns.resource[i] = resource;
    columns.offset[i] = start;
    columns.length[i] = end - start;
  }

  /** Names the operation after the span, where no attribute has named it. */
  #nameAfter(i: number, offset: number, length: number): void {
    const { columns } = this.#scratch;
    if (columns.operationLength[i] !== 0) return;
    columns.operationOffset[i] = offset;
    columns.operationLength[i] = length;
  }

  /** The kind stood behind the attributes, which were read, or passed over, as those of another kind. */
  #readAgain(i: number, kind: number, firstAttribute: number, end: number): void {
    this.#clear(i);
    if (isRequest(kind)) this.#attributes(i, firstAttribute, end);
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
  }

  /** Attributes mostly stand side by side: from the first one on, whatever is none is stepped over. */
  #attributes(i: number, from: number, end: number): void {
    const reader = this.#reader;
    reader.pos = from;
    while (reader.pos < end) {
      const tag = reader.tag();
      if (tag !== ATTRIBUTE) {
        reader.skip(tag & 7);
        continue;
      }
      this.#enterAttribute(i);
    }
  }

  #enterAttribute(i: number): void {
    const reader = this.#reader;
    const length = reader.length();
    const next = reader.pos + length;
    if (length > 0) this.#attribute(i, next);
    reader.pos = next;
  }

  #attribute(i: number, end: number): void {
    const reader = this.#reader;
    const start = reader.pos;
    // The key nearly always comes first.
    if (reader.bytes[start] === 0x0a) reader.pos++;
    else if (!this.#findKey(end)) return;
    const keyLength = reader.length();
    const key = reader.pos;
    const keyEnd = key + keyLength;
    const { bytes } = reader;
    const { columns } = this.#scratch;
    // By length first: numbers that the engine can jump by, where a comparison of each key would cost as much as the walk.
    switch (keyLength) {
      case 10: // http.route
        if (isAt(bytes, key, HTTP_ROUTE))
          this.#range(start, keyEnd, end, i, columns.operationOffset, columns.operationLength);
        return;
      case 19: // http.request.method
        if (isAt(bytes, key, HTTP_METHOD))
          this.#range(start, keyEnd, end, i, columns.methodOffset, columns.methodLength);
        return;
      case 11: // http.method
        if (isAt(bytes, key, HTTP_METHOD_OLD))
          this.#range(start, keyEnd, end, i, columns.methodOffset, columns.methodLength);
        return;
      case 26: // messaging.destination.name
        if (isAt(bytes, key, DESTINATION))
          this.#range(start, keyEnd, end, i, columns.operationOffset, columns.operationLength);
        return;
      case 25: // http.response.status_code
        if (isAt(bytes, key, HTTP_STATUS)) columns.httpStatus[i] = this.#status(start, keyEnd, end);
        return;
      case 16: // http.status_code
        if (isAt(bytes, key, HTTP_STATUS_OLD)) columns.httpStatus[i] = this.#status(start, keyEnd, end);
        return;
      case 20: // rpc.grpc.status_code
        if (isAt(bytes, key, RPC_GRPC_STATUS)) columns.rpcStatus[i] = this.#status(start, keyEnd, end);
        return;
      case 24: // rpc.response.status_code
        if (isAt(bytes, key, RPC_RESPONSE_STATUS)) columns.rpcStatus[i] = this.#status(start, keyEnd, end);
        return;
      case 15: // rpc.status_code
        if (isAt(bytes, key, RPC_STATUS)) columns.rpcStatus[i] = this.#status(start, keyEnd, end);
        return;
      default:
    }
  }

  /** Steps behind the tag of the key of the KeyValue at `pos`; false where it has none. */
  #findKey(end: number): boolean {
    const reader = this.#reader;
    while (reader.pos < end) {
      const tag = reader.tag();
      if (tag === field(1)) return true;
      reader.skip(tag & 7);
    }
    return false;
  }

  /**
   * Steps into the value of the KeyValue at `start`, of which a key ends at `pos`. Returns the tag of the AnyValue's
   * member, with the reader behind it, or 0 where there is none. What stands as every sender writes it, the value
   * behind the key and one member in it, is not walked: such a member ends where the KeyValue does.
   */
  #value(start: number, pos: number, end: number): number {
    const reader = this.#reader;
    if (reader.bytes[pos] === 0x12 && pos < end) {
      reader.pos = pos + 1;
      const length = reader.length();
      if (length > 0 && reader.pos + length === end) {
        const tag = reader.tag();
        const at = reader.pos;
        reader.skip(tag & 7);
        if (reader.pos === end) {
          reader.pos = at;
          return tag;
        }
      }
    }
    const spanEnd = reader.end;
    reader.pos = start;
    reader.end = end;
    const member = this.#findValue(end);
    reader.end = spanEnd;
    return member;
  }

  #findValue(end: number): number {
    const reader = this.#reader;
    let member = 0;
    let at = end;
    while (reader.pos < end) {
      const tag = reader.tag();
      if (tag !== field(2)) {
        reader.skip(tag & 7);
        continue;
      }
      const length = reader.length();
      const valueEnd = reader.pos + length;
      reader.end = valueEnd;
      while (reader.pos < valueEnd) {
        const inner = reader.tag();
        if (inner >>> 3 <= LAST_MEMBER) {
          member = inner;
          at = reader.pos;
        }
        reader.skip(inner & 7);
      }
      reader.end = end;
    }
    reader.pos = at;
    return member;
  }

  #range(start: number, pos: number, end: number, i: number, offsets: Uint32Array, lengths: Uint32Array): void {
    const reader = this.#reader;
    if (this.#value(start, pos, end) !== field(1)) return;
    const length = reader.length();
    if (length === 0) return;
    offsets[i] = reader.pos;
    lengths[i] = length;
  }

  /** An integer status, or a gRPC status as text: conventions have both. */
  #status(start: number, pos: number, end: number): number {
    const reader = this.#reader;
    const tag = this.#value(start, pos, end);
    if (tag === 3 * 8 + VARINT) return Math.min(reader.varint(), NO_STATUS);
    if (tag !== field(1)) return NO_STATUS;
    const length = reader.length();
    return grpcStatusOf(reader.bytes, reader.pos, length) ?? NO_STATUS;
  }
}

function skipSpanId(reader: Reader, tag: number): void {
  if (tag === TRACE_ID) skipId(reader, 'span.trace_id', 16);
  else skipId(reader, tag === SPAN_ID ? 'span.span_id' : 'span.parent_span_id', 8);
}

/** Whether a span of this kind is a request to this service. */
function isRequest(kind: number): boolean {
  return kind === SERVER || kind === CONSUMER;
}

const EMPTY = new Uint8Array();

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
