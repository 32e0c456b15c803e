import { field, type Reader } from '../wire/reader.ts';
import { CALLEE_NAMED_BY, NO_STATUS, type SpanColumns } from './columns.ts';
import { lastKey, LENGTHS_LEFT_OUT, statusValue, textValue, usualStatus, usualText } from './key-value.ts';
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

/** Span.attributes */
export const ATTRIBUTE = field(9);
/** KeyValue.key, KeyValue.value */
const KEY = field(1);
const VALUE = field(2);
/** With what an attribute begins that is shorter than 128 bytes and has the key in front. */
const USUAL_HEAD = (KEY << 16) | ATTRIBUTE;

/** As whose the attributes of a span are read: by what it is to the service that sent it. */
export const NEITHER = 0;
export const REQUEST = 1;
export const CALL = 2;

/** The columns that are read from attributes. */
export type AttributeColumns = Pick<
  SpanColumns,
  | 'httpStatus'
  | 'rpcStatus'
  | 'operationOffset'
  | 'operationLength'
  | 'methodOffset'
  | 'methodLength'
  | 'calleeNamedBy'
  | 'calleeOffset'
  | 'calleeLength'
>;

/** Reads the attributes of spans: of requests what was asked for, of calls whom they went to, of both how they ended. */
export class SpanAttributes {
  readonly #reader: Reader;
  #view: DataView;
  #columns: AttributeColumns;

  /** `reader` reads the request that `view` shows. */
  constructor(reader: Reader, view: DataView, columns: AttributeColumns) {
    this.#reader = reader;
    this.#view = view;
    this.#columns = columns;
  }

  /** Another request begins. */
  begin(view: DataView, columns: AttributeColumns): void {
    this.#view = view;
    this.#columns = columns;
  }

  /** Forgets what attributes said of entry `i`. */
  clear(i: number): void {
    const columns = this.#columns;
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
  readFrom(i: number, role: number, from: number, end: number): void {
    const reader = this.#reader;
    reader.pos = from;
    while (reader.pos < end) {
      const tag = reader.tag();
      if (tag !== ATTRIBUTE) {
        reader.skip(tag & 7);
        continue;
      }
      this.readNext(i, role);
    }
  }

  /**
   * Attributes from `from` on that are as nearly all are: shorter than 128 bytes, the key in front and the value behind it,
   * and nothing else, such as another key that would count instead. Stops in front of whatever else there is; false where
   * that is the first one. They are most of a span, so nothing is called for those that are not read.
   */
  readUsual(i: number, role: number, from: number, end: number): boolean {
    const reader = this.#reader;
    const { bytes } = reader;
    const view = this.#view;
    let pos = from;
    while (pos + 4 <= end) {
      const head = view.getInt32(pos, true);
      if ((head & LENGTHS_LEFT_OUT) !== USUAL_HEAD) break;
      const next = pos + 2 + ((head >>> 8) & 0x7f);
      if (next > end) break;
      const keyLength = head >>> 24;
      const keyEnd = pos + 4 + keyLength;
      if (role !== NEITHER) {
        if (keyEnd + 2 > next || view.getUint16(keyEnd, true) !== usualValueHead(next - keyEnd - 2)) break;
        if (keyLength < KEY_LENGTH_LIMIT) {
          const known = KEY_OF[keyLength * 256 + (bytes[keyEnd - 1] as number)] as number;
          if (known !== 0 && isKey(view, pos + 4, keyLength, known))
            this.#attribute(i, role, known, pos + 2, keyEnd, next);
        }
      }
      pos = next;
    }
    if (pos === from) return false;
    reader.pos = pos;
    return true;
  }

  /** The attribute of which the reader stands behind the tag. */
  readNext(i: number, role: number): void {
    const reader = this.#reader;
    const length = reader.length();
    const start = reader.pos;
    const next = start + length;
    const { bytes } = reader;
    const keyLength = this.#key(start, next);
    const keyEnd = reader.pos;
    if (keyLength < KEY_LENGTH_LIMIT) {
      const known = KEY_OF[keyLength * 256 + (bytes[keyEnd - 1] as number)] as number;
      if (known !== 0 && isKey(this.#view, keyEnd - keyLength, keyLength, known))
        this.#attribute(i, role, known, start, keyEnd, next);
    }
    reader.pos = next;
  }

  /** The length of the key of the KeyValue from `start` to `end`, with the reader behind it; the last key counts. */
  #key(start: number, end: number): number {
    const reader = this.#reader;
    const { bytes } = reader;
    const outerEnd = reader.end;
    reader.end = end;
    // Long values are common: where there is but a key and one of these, neither is walked.
    const length = bytes[start + 1] as number;
    const keyEnd = start + 2 + length;
    if (bytes[start] === KEY && length < 0x80 && keyEnd < end && bytes[keyEnd] === VALUE) {
      reader.pos = keyEnd + 1;
      if (reader.length() === end - reader.pos) {
        reader.pos = keyEnd;
        reader.end = outerEnd;
        return length;
      }
    }
    reader.pos = start;
    const found = lastKey(reader);
    reader.end = outerEnd;
    return found;
  }

  /** The KeyValue from `start` to `end`, of attribute `known`, of which the key ends at `keyEnd`. */
  #attribute(i: number, role: number, known: number, start: number, keyEnd: number, end: number): void {
    const columns = this.#columns;
    switch (known) {
      case HTTP_STATUS:
      case HTTP_STATUS_OLD:
        columns.httpStatus[i] = this.#status(start, keyEnd, end);
        return;
      case RPC_GRPC_STATUS:
      case RPC_RESPONSE_STATUS:
      case RPC_STATUS:
        columns.rpcStatus[i] = this.#status(start, keyEnd, end);
        return;
      default:
        if (role === REQUEST) this.#requestAttribute(i, known, start, keyEnd, end);
        else this.#callAttribute(i, known, start, keyEnd, end);
    }
  }

  #requestAttribute(i: number, known: number, start: number, keyEnd: number, end: number): void {
    const columns = this.#columns;
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
    const length = this.#text(start, pos, end);
    if (length === 0) return;
    offsets[i] = this.#reader.pos;
    lengths[i] = length;
  }

  /** The length of a text value, with the reader at its first byte; 0 where it is no text, or empty. */
  #text(start: number, keyEnd: number, end: number): number {
    const length = usualText(this.#view, keyEnd, end);
    if (length < 0) return textValue(this.#reader, start, keyEnd, end);
    this.#reader.pos = keyEnd + 4;
    return length;
  }

  #status(start: number, keyEnd: number, end: number): number {
    const status = usualStatus(this.#view, keyEnd, end);
    return status < 0 ? statusValue(this.#reader, start, keyEnd, end) : status;
  }

  /** Notes whom a span called, unless something that names it better has done so. */
  #callee(start: number, pos: number, end: number, i: number, named: number): void {
    const columns = this.#columns;
    if (named < (columns.calleeNamedBy[i] as number)) return;
    const length = this.#text(start, pos, end);
    if (length === 0) return;
    columns.calleeNamedBy[i] = named;
    columns.calleeOffset[i] = this.#reader.pos;
    columns.calleeLength[i] = length;
  }
}

/** Tag and length of a value that is `length` bytes long, fewer than 128, as they are read little-endian. */
function usualValueHead(length: number): number {
  return (length << 8) | VALUE;
}
