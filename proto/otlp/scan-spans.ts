import { ascii, isAt } from '../wire/ascii.ts';
import { field, FIXED64, Reader, VARINT } from '../wire/reader.ts';
import { CALLEE_NAMED_BY, NO_STATUS, type SpanColumns } from './columns.ts';
import { skipId, walkGroups } from './groups.ts';
import { type ColumnsLease, ColumnSets, GrowingColumns, ResourceCollector } from './growing.ts';
import { findKey, statusValue, textValue } from './key-value.ts';

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

/** A kind or status code that no version of OTLP has: what a column of bytes cannot hold. */
const UNKNOWN_ENUM = 255;
const SERVER = 2;
const CLIENT = 3;
const PRODUCER = 4;
const CONSUMER = 5;

/** Attributes that are read; numbers, which the engine can jump by. */
const ROUTE = 1;
const METHOD = 2;
const METHOD_OLD = 3;
const HTTP_STATUS = 4;
const HTTP_STATUS_OLD = 5;
const RPC_GRPC_STATUS = 6;
const RPC_RESPONSE_STATUS = 7;
const RPC_STATUS = 8;
const DESTINATION = 9;
const PEER_SERVICE = 10;
const ADDRESS = 11;
const ADDRESS_OLD = 12;
const RPC_SERVICE = 13;
const DB_SYSTEM = 14;
const DB_SYSTEM_OLD = 15;
const KEYS: string[] = [''];
KEYS[ROUTE] = 'http.route';
KEYS[METHOD] = 'http.request.method';
KEYS[METHOD_OLD] = 'http.method';
KEYS[HTTP_STATUS] = 'http.response.status_code';
KEYS[HTTP_STATUS_OLD] = 'http.status_code';
KEYS[RPC_GRPC_STATUS] = 'rpc.grpc.status_code';
KEYS[RPC_RESPONSE_STATUS] = 'rpc.response.status_code';
KEYS[RPC_STATUS] = 'rpc.status_code';
KEYS[DESTINATION] = 'messaging.destination.name';
KEYS[PEER_SERVICE] = 'peer.service';
KEYS[ADDRESS] = 'server.address';
KEYS[ADDRESS_OLD] = 'net.peer.name';
KEYS[RPC_SERVICE] = 'rpc.service';
KEYS[DB_SYSTEM] = 'db.system.name';
KEYS[DB_SYSTEM_OLD] = 'db.system';
const KEY_BYTES = KEYS.map((key) => ascii(key));

/** Keys of this length and more are none of them. */
const KEY_LENGTH_LIMIT = 32;
/**
 * Which attribute a key of this length and with this last byte can only be; 0 for none. A look-up where most
 * attributes end; to compare them with each key would cost as much as the walk (bench/micro, "scan traces").
 */
const KEY_OF = new Uint8Array(KEY_LENGTH_LIMIT * 256);
for (const [index, key] of KEY_BYTES.entries()) {
  const at = key.length * 256 + (key.at(-1) ?? 0);
  if (index > 0 && KEY_OF[at] !== 0) throw new Error(`${KEYS[index]} and ${KEYS[KEY_OF[at] as number]} look alike`);
  if (index > 0) KEY_OF[at] = index;
}

/** As whose the attributes of a span are read: by what it is to the service that sent it. */
const NEITHER = 0;
const REQUEST = 1;
const CALL = 2;

/** What names the callee, by the number of the attribute. */
const CALLEE_OF_KEY = new Uint8Array(KEYS.length).fill(CALLEE_NAMED_BY.nothing);
CALLEE_OF_KEY[PEER_SERVICE] = CALLEE_NAMED_BY.peerService;
CALLEE_OF_KEY[ADDRESS] = CALLEE_NAMED_BY.address;
CALLEE_OF_KEY[ADDRESS_OLD] = CALLEE_NAMED_BY.address;
CALLEE_OF_KEY[RPC_SERVICE] = CALLEE_NAMED_BY.rpcService;
CALLEE_OF_KEY[DESTINATION] = CALLEE_NAMED_BY.destination;
CALLEE_OF_KEY[DB_SYSTEM] = CALLEE_NAMED_BY.dbSystem;
CALLEE_OF_KEY[DB_SYSTEM_OLD] = CALLEE_NAMED_BY.dbSystem;

/** Little: in a full queue each small request holds a set of columns. */
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

  scan(bytes: Uint8Array, lease?: ColumnsLease, readsAttributes = true): SpanColumns {
    const reader = this.#reader;
    this.#readsAttributes = readsAttributes;
    reader.reset(bytes, 0, bytes.length);
    this.#resources.clear();
    this.#scratch = this.#sets.current;
    this.#scratch.trim();
    this.#count = 0;
    walkGroups(reader, this.#resources, this.#span);
    const columns = this.#sets.finish(this.#count, lease);
    reader.reset(EMPTY, 0, 0);
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

  #enterAttribute(i: number, role: number): void {
    const reader = this.#reader;
    const length = reader.length();
    const start = reader.pos;
    const next = start + length;
    const { bytes } = reader;
    let key = start + 2;
    let keyLength = bytes[start + 1] as number;
    // The key nearly always comes first.
    if (length > 0 && bytes[start] !== field(1)) {
      if (findKey(reader, next)) {
        keyLength = reader.length();
        key = reader.pos;
      } else keyLength = KEY_LENGTH_LIMIT;
    }
    const keyEnd = key + keyLength;
    if (keyLength < KEY_LENGTH_LIMIT && keyEnd <= next) {
      const known = KEY_OF[keyLength * 256 + (bytes[keyEnd - 1] as number)] as number;
      if (known !== 0 && isAt(bytes, key, KEY_BYTES[known] as Uint8Array))
        this.#attribute(i, role, known, start, keyEnd, next);
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
