import { BYTES, FIXED64, VARINT } from './reader.ts';

/** How many bytes `value` (an unsigned integer below 2^53) takes as a varint. */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 128)) size++;
  return size;
}

/** Of a part, without a view of it: to make one for each item costs as much as the copy, and is to be collected. */
const { copy } = Buffer.prototype;

/** A growing buffer of protobuf. Like `Reader` it knows primitives, never messages. */
export class Writer {
  #bytes: Uint8Array;
  #pos = 0;

  /** Begins in `room`, and leaves it where that is too small. */
  constructor(room: number | Uint8Array = 256) {
    this.#bytes = typeof room === 'number' ? Buffer.allocUnsafe(room) : room;
  }

  get length(): number {
    return this.#pos;
  }

  /** Takes back what was written behind the first `length` bytes. */
  cut(length: number): void {
    this.#pos = length;
  }

  /** What was written, without a copy: the writer must not be used afterwards. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#pos);
  }

  varint(value: number): void {
    this.#reserve(10);
    this.#put(value);
  }

  tag(field: number, wireType: number): void {
    this.varint(field * 8 + wireType);
  }

  /** `bytes[start, end)` as they are. */
  raw(bytes: Uint8Array, start = 0, end = bytes.length): void {
    const length = end - start;
    // Nothing lies between items that stand side by side, and to look at nothing costs as much as to copy it.
    if (length === 0) return;
    this.#reserve(length);
    copy.call(bytes, this.#bytes, this.#pos, start, end);
    this.#pos += length;
  }

  bytesField(field: number, bytes: Uint8Array): void {
    this.tag(field, BYTES);
    this.varint(bytes.length);
    this.raw(bytes);
  }

  stringField(field: number, text: string): void {
    this.bytesField(field, Buffer.from(text, 'utf8'));
  }

  /** Leaves out the default, 0, as proto3 does. */
  varintField(field: number, value: number): void {
    if (value === 0) return;
    this.tag(field, VARINT);
    this.varint(value);
  }

  /** A sint32 or sint64 (zigzag) of at most 52 bits. Leaves out 0. */
  zigzagField(field: number, value: number): void {
    this.varintField(field, value < 0 ? -2 * value - 1 : 2 * value);
  }

  doubleField(field: number, value: number): void {
    if (value === 0) return;
    this.tag(field, FIXED64);
    this.#reserve(8);
    new DataView(this.#bytes.buffer, this.#bytes.byteOffset).setFloat64(this.#pos, value, true);
    this.#pos += 8;
  }

  /**
   * Opens a length-delimited field. `expectedLength` is a guess that saves moving the body when its varint is as long
   * as the real one. Returns a mark for `close`.
   */
  open(field: number, expectedLength: number): number {
    this.tag(field, BYTES);
    const reserved = varintSize(expectedLength);
    this.#reserve(reserved);
    const mark = this.#pos * 8 + reserved;
    this.#pos += reserved;
    return mark;
  }

  /** Closes what `open` opened: writes the length, moving the body if its varint needs more or fewer bytes. */
  close(mark: number): void {
    const reserved = mark % 8;
    const start = (mark - reserved) / 8;
    const length = this.#pos - start - reserved;
    const size = varintSize(length);
    if (size !== reserved) {
      this.#reserve(8);
      this.#bytes.copyWithin(start + size, start + reserved, this.#pos);
    }
    // Not `varint`: to make room is to copy only what lies before the position, and the body lies behind it.
    this.#pos = start;
    this.#put(length);
    this.#pos += length;
  }

  /** A varint where there is room for it. */
  #put(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#pos++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#pos++] = rest;
  }

  #reserve(count: number): void {
    if (this.#pos + count <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#pos + count));
    grown.set(this.#bytes.subarray(0, this.#pos));
    this.#bytes = grown;
  }
}
