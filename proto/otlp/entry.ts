import { field, Reader } from '../wire/reader.ts';
import { BOOL, DOUBLE, INT, STRING } from './any-value.ts';

/** KeyValue: 1 key   2 AnyValue value */
const KEY = field(1);
export const VALUE = field(2);

/** What most values are, as far as can be told at a glance. */
export const FORM = { text: 0, number: 1, other: 2 } as const;
export type Form = (typeof FORM)[keyof typeof FORM];

/** One KeyValue at a time: its key, and its value where it stands as every sender writes it. Allocates nothing. */
export class Entry {
  readonly #reader = new Reader(new Uint8Array());
  keyStart = 0;
  keyEnd = 0;
  #end = 0;
  /** Whether one short value stands right behind a short key, and ends the entry. */
  #isUsual = false;

  /** Finds the key of the KeyValue in `bytes[from, to)`: the last one, which is what counts; an empty one where there is none. */
  find(bytes: Uint8Array, from: number, to: number): void {
    const length = bytes[from + 1] as number;
    const value = from + 2 + length;
    this.#end = to;
    this.#isUsual = false;
    if (bytes[from] === KEY && length < 0x80 && value + 1 < to && bytes[value] === VALUE) {
      const valueLength = bytes[value + 1] as number;
      this.#isUsual = valueLength < 0x80 && value + 2 + valueLength === to;
    }
    this.keyStart = from + 2;
    this.keyEnd = value;
    if (!this.#isUsual) this.#search(bytes, from, to);
  }

  #search(bytes: Uint8Array, from: number, to: number): void {
    this.keyStart = from;
    this.keyEnd = from;
    const reader = this.#reader;
    reader.reset(bytes, from, to);
    while (reader.pos < to) {
      const tag = reader.tag();
      if (tag !== KEY) {
        reader.skip(tag & 7);
        continue;
      }
      const length = reader.length();
      this.keyStart = reader.pos;
      this.keyEnd = reader.pos + length;
      reader.pos += length;
    }
  }

  /** What the value is; where it is text, that begins at `textStart` and ends with the entry. */
  form(bytes: Uint8Array): Form {
    const value = this.keyEnd;
    if (!this.#isUsual || value + 4 > this.#end) return FORM.other;
    const length = bytes[value + 1] as number;
    const member = bytes[value + 2] as number;
    const next = bytes[value + 3] as number;
    if (member === STRING) return next === length - 2 ? FORM.text : FORM.other;
    if (member === DOUBLE) return length === 9 ? FORM.number : FORM.other;
    return (member === INT || member === BOOL) && length === 2 && next < 0x80 ? FORM.number : FORM.other;
  }

  get textStart(): number {
    return this.keyEnd + 4;
  }

  keyText(bytes: Uint8Array): string {
    return Buffer.from(bytes.buffer, bytes.byteOffset + this.keyStart, this.keyEnd - this.keyStart).toString('utf8');
  }

  /** Lets go of the bytes. */
  clear(): void {
    this.#reader.reset(NOTHING, 0, 0);
  }
}

/** Where the value of the KeyValue in `bytes[from, to)` lies, the last one; nowhere, at its end, where it has none. */
export function valueRange(bytes: Uint8Array, from: number, to: number): readonly [number, number] {
  const reader = new Reader(bytes, from, to);
  let range: readonly [number, number] = [to, to];
  while (reader.pos < to) {
    const tag = reader.tag();
    if (tag !== VALUE) {
      reader.skip(tag & 7);
      continue;
    }
    const length = reader.length();
    range = [reader.pos, reader.pos + length];
    reader.pos += length;
  }
  return range;
}

const NOTHING = new Uint8Array();
