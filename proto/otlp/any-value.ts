import { BYTES, field, FIXED64, Reader, VARINT } from '../wire/reader.ts';
import { Writer } from '../wire/writer.ts';

/*
 * AnyValue: 1 string_value   2 bool_value   3 int_value   4 double_value   5 array_value   6 kvlist_value   7 bytes_value
 */
export const STRING = field(1);
export const BOOL = 2 * 8 + VARINT;
export const INT = 3 * 8 + VARINT;
export const DOUBLE = 4 * 8 + FIXED64;
export const ARRAY = field(5);
export const MAP = field(6);
export const BYTE_STRING = field(7);

/** A member of an AnyValue: its tag, and where what is behind that lies. */
export interface Member {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

/** The member of the AnyValue in `bytes[start, end)` that counts: the last. Undefined where it has none. Throws `WireError`. */
export function memberOf(bytes: Uint8Array, start: number, end: number): Member | undefined {
  const reader = new Reader(bytes, start, end);
  let member: Member | undefined;
  while (reader.pos < end) {
    const tag = reader.tag();
    const at = reader.pos;
    reader.skip(tag & 7);
    if (isMember(tag)) member = { tag, start: at, end: reader.pos };
  }
  return member;
}

function isMember(tag: number): boolean {
  return (
    tag === STRING ||
    tag === BOOL ||
    tag === INT ||
    tag === DOUBLE ||
    (tag >= ARRAY && tag <= BYTE_STRING && (tag & 7) === BYTES)
  );
}

/** A scalar as text in UTF-8, as the Collector writes it: bytes in base64, numbers in decimal. Undefined for lists and maps. */
export function textOf(bytes: Uint8Array, { tag, start, end }: Member): Uint8Array | undefined {
  const reader = new Reader(bytes, start, end);
  switch (tag) {
    case STRING: {
      const length = reader.length();
      return bytes.subarray(reader.pos, reader.pos + length);
    }
    case BOOL:
      return Buffer.from(reader.varint() === 0 ? 'false' : 'true');
    case INT:
      return Buffer.from(int64Text(reader));
    case DOUBLE:
      return Buffer.from(String(reader.double()));
    case BYTE_STRING: {
      const length = reader.length();
      return Buffer.from(Buffer.from(bytes.buffer, bytes.byteOffset + reader.pos, length).toString('base64'));
    }
    default:
      return undefined;
  }
}

/** All of its digits: those of a card's number are more than a double holds. */
function int64Text(reader: Reader): string {
  const { bytes, pos } = reader;
  const rough = reader.int64();
  if (Number.isSafeInteger(rough)) return String(rough);
  let value = 0n;
  for (let at = pos; at < reader.pos; at++) value += BigInt((bytes[at] as number) & 0x7f) << BigInt(7 * (at - pos));
  return String(BigInt.asIntN(64, value));
}

/** An AnyValue's member that holds `text`. */
export function stringMember(text: Uint8Array): Uint8Array {
  const writer = new Writer(text.length + 16);
  writer.bytesField(1, text);
  return writer.finish();
}

/** A whole AnyValue, in field `number`, that holds `text`. */
export function stringValue(number: number, text: Uint8Array): Uint8Array {
  const member = stringMember(text);
  const writer = new Writer(member.length + 16);
  writer.bytesField(number, member);
  return writer.finish();
}

/** One attribute as a KeyValue in field `number`, with text or an integer. */
export function attribute(number: number, key: string, value: string | number): Uint8Array {
  const writer = new Writer();
  const mark = writer.open(number, 64);
  writer.stringField(1, key);
  const any = writer.open(2, 16);
  if (typeof value === 'string') writer.bytesField(1, Buffer.from(value));
  else {
    writer.tag(3, VARINT);
    writer.varint(value);
  }
  writer.close(any);
  writer.close(mark);
  return writer.finish();
}
