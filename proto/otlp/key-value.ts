import { field, type Reader, VARINT } from '../wire/reader.ts';
import { NO_STATUS } from './columns.ts';
import { grpcStatusOf } from './grpc-status.ts';

/*
 * KeyValue: 1 key   2 AnyValue value
 * AnyValue: 1 string_value   2 bool_value   3 int_value   4 double_value   5 array_value   6 kvlist_value   7 bytes_value
 */

/** AnyValue.bytes_value; what comes behind it is not known, and so no value. */
const LAST_MEMBER = 7;

/**
 * Of four bytes, read little-endian, which are tag and length of a message and of its first field: the tags, and that
 * both lengths are below 128.
 */
export const LENGTHS_LEFT_OUT = 0x80ff_80ff | 0;
/** A value, and the text in it. */
const USUAL_TEXT = (field(1) << 16) | field(2);
/** A value of three bytes, which are the tag of a number and its two bytes, of which the first is read, too. */
const USUAL_STATUS = 0x8018_0312 | 0;
const LAST_BIT_OF_FOURTH = 0x80ff_ffff | 0;

/** Steps behind the key of the KeyValue at the reader, the last where there are several, and gives its length. */
export function lastKey(reader: Reader): number {
  let keyLength = 0;
  let keyEnd = reader.pos;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag !== field(1)) {
      reader.skip(tag & 7);
      continue;
    }
    keyLength = reader.length();
    reader.pos += keyLength;
    keyEnd = reader.pos;
  }
  reader.pos = keyEnd;
  return keyLength;
}

/**
 * Steps into the value of the KeyValue at `start`, of which a key ends at `pos`. Returns the tag of the AnyValue's
 * member, with the reader behind it, or 0 where there is none. What stands as every sender writes it, the value
 * behind the key and one member in it, is not walked: such a member ends where the KeyValue does.
 */
export function enterValue(reader: Reader, start: number, pos: number, end: number): number {
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
  const outerEnd = reader.end;
  reader.pos = start;
  reader.end = end;
  const member = findValue(reader, end);
  reader.end = outerEnd;
  return member;
}

function findValue(reader: Reader, end: number): number {
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

/**
 * The length of the text of a KeyValue that stands as nearly all are written, of which the key ends at `keyEnd`: the value
 * behind the key and the text alone in it, shorter than 128 bytes. It ends where the KeyValue does. -1 for whatever else.
 */
export function usualText(view: DataView, keyEnd: number, end: number): number {
  if (keyEnd + 4 > end) return -1;
  const head = view.getInt32(keyEnd, true);
  const length = head >>> 24;
  const isUsual = (head & LENGTHS_LEFT_OUT) === USUAL_TEXT && ((head >>> 8) & 0x7f) === length + 2;
  return isUsual && keyEnd + 4 + length === end ? length : -1;
}

/** The same for a number from 128 to 16383, as statuses of HTTP are. */
export function usualStatus(view: DataView, keyEnd: number, end: number): number {
  if (keyEnd + 5 !== end || (view.getInt32(keyEnd, true) & LAST_BIT_OF_FOURTH) !== USUAL_STATUS) return -1;
  const high = view.getUint8(keyEnd + 4);
  return high < 0x80 ? (view.getUint8(keyEnd + 3) & 0x7f) | (high << 7) : -1;
}

/** The length of a text value, with the reader at its first byte; 0 where the value is no text, or empty. */
export function textValue(reader: Reader, start: number, pos: number, end: number): number {
  return enterValue(reader, start, pos, end) === field(1) ? reader.length() : 0;
}

/** An integer status, or a gRPC status as text: conventions have both. */
export function statusValue(reader: Reader, start: number, pos: number, end: number): number {
  const tag = enterValue(reader, start, pos, end);
  if (tag === 3 * 8 + VARINT) return Math.min(reader.varint(), NO_STATUS);
  if (tag !== field(1)) return NO_STATUS;
  const length = reader.length();
  return grpcStatusOf(reader.bytes, reader.pos, length) ?? NO_STATUS;
}
