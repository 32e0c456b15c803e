import { isUtf8 } from 'node:buffer';
import { NESTING_MAX } from './json-plan.ts';

/** JSON that the lane leaves to `parseJson` and `encodeJson`: wrong, or legal and unusual. */
export class Unusual extends Error {}

// Thrown where nobody reads its stack, so one is made for all.
const UNUSUAL = new Unusual('JSON that is not converted in one pass');

/** Throws `Unusual`. */
export function giveUp(): never {
  throw UNUSUAL;
}

export const QUOTE = 0x22;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const OPEN_LIST = 0x5b;
export const BACKSLASH = 0x5c;
export const CLOSE_LIST = 0x5d;
export const OPEN = 0x7b;
export const CLOSE = 0x7d;
const SPACE = 0x20;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const LOWER_E = 0x65;

export const TRUE = Buffer.from('true');
export const FALSE = Buffer.from('false');
export const NULL = Buffer.from('null');
const NAMED_DOUBLES: readonly (readonly [Uint8Array, number])[] = [
  [Buffer.from('"NaN"'), Number.NaN],
  [Buffer.from('"Infinity"'), Number.POSITIVE_INFINITY],
  [Buffer.from('"-Infinity"'), Number.NEGATIVE_INFINITY],
];

/** The powers of ten that a double holds exactly, as far as they are needed. */
const POWERS = Array.from({ length: 16 }, (_, exponent) => 10 ** exponent);
const WORD = 4_294_967_296;
/** So many digits always fit a double exactly. */
const EXACT_DIGITS = 15;
/** So many fit 31 bits. */
const INT_DIGITS = 9;
/** What 2^64 has. */
const LONG_DIGITS = 20;

/** The value of a hex digit by its code; 256, which no two of them can make, for all else. */
export const NIBBLES = Uint16Array.from({ length: 256 }, (_, code) => {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(code).toLowerCase());
  return digit < 0 ? 256 : digit;
});

/** ASCII in words of four bytes. */
export class FixedText {
  readonly length: number;
  readonly words: Int32Array;
  /** The bits of the last word that count. */
  readonly lastMask: number;

  constructor(text: string) {
    const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 4) * 4, '\0'), 'latin1');
    this.length = text.length;
    this.words = Int32Array.from({ length: padded.length / 4 }, (_, i) => padded.readInt32LE(i * 4));
    this.lastMask = text.length % 4 === 0 ? -1 : (1 << ((text.length % 4) * 8)) - 1;
  }
}

/** By code: what may stand behind a backslash, but for `u`. */
const ESCAPES = Uint8Array.from({ length: 256 }, (_, code) => Number('"\\/bfnrt'.includes(String.fromCharCode(code))));

/**
 * A cursor over the bytes of a JSON object that makes no objects and no strings. It knows tokens, never fields. Where the
 * text is not JSON, and where it is too unusual, methods throw `Unusual`.
 *
 * The last byte is known to be a closing brace, at which everything but a string ends: so only strings look for the end.
 */
export class JsonCursor {
  bytes: Uint8Array = EMPTY;
  /** The same bytes, of which it reads four at a time. */
  view: DataView = NO_VIEW;
  pos = 0;
  end = 0;
  /** The last integer that was read: its magnitude in two words, and its sign. */
  low = 0;
  high = 0;
  isNegative = false;
  /** The last double that was read: a field, since to return one is to allocate it. */
  value = Number.NaN;

  /** Begins a text. False where it is not UTF-8, or does not end as an object does. */
  begin(bytes: Uint8Array): boolean {
    let end = bytes.length;
    while (end > 0 && isSpace(bytes[end - 1] as number)) end--;
    if (end === 0 || bytes[end - 1] !== CLOSE || !isUtf8(bytes)) return false;
    // Never a Buffer in one request and another array in the next: what reads the bytes is compiled for one class.
    this.bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.pos = 0;
    this.end = end;
    return true;
  }

  /** Lets go of the bytes. */
  finish(): void {
    this.bytes = EMPTY;
    this.view = NO_VIEW;
  }

  /** The next byte that is not white space, with the cursor on it. */
  peek(): number {
    const byte = this.bytes[this.pos] as number;
    return byte > SPACE ? byte : this.#afterSpace();
  }

  #afterSpace(): number {
    const { bytes } = this;
    let { pos } = this;
    while (isSpace(bytes[pos] as number)) pos++;
    this.pos = pos;
    return bytes[pos] as number;
  }

  /** Passes over `byte`, which must be the next token. */
  expect(byte: number): void {
    if (this.peek() !== byte) giveUp();
    this.pos++;
  }

  /** Whether a text stands here, with more behind it. */
  isAhead(text: FixedText): boolean {
    const { view, pos } = this;
    const { words, length } = text;
    if (pos + length + 4 > this.end) return false;
    const last = words.length - 1;
    for (let i = 0; i < last; i++) if (view.getInt32(pos + i * 4, true) !== words[i]) return false;
    return ((view.getInt32(pos + last * 4, true) ^ (words[last] as number)) & text.lastMask) === 0;
  }

  /** Passes over a literal, which must stand here. */
  literal(expected: Uint8Array): void {
    if (!this.#isAt(expected)) giveUp();
    this.pos += expected.length;
  }

  #isAt(expected: Uint8Array): boolean {
    const { bytes, pos } = this;
    for (let i = 0; i < expected.length; i++) if (bytes[pos + i] !== expected[i]) return false;
    return true;
  }

  /** Reads an integer without fraction and exponent, quoted or not, into `low`, `high` and `isNegative`. */
  integer(): void {
    const { bytes } = this;
    let { pos } = this;
    const isQuoted = bytes[pos] === QUOTE;
    if (isQuoted) pos++;
    const isNegative = bytes[pos] === MINUS;
    if (isNegative) pos++;
    const first = pos;
    let value = 0;
    let digit = (bytes[pos] as number) - ZERO;
    while (digit >= 0 && digit <= 9 && pos - first < INT_DIGITS) {
      value = value * 10 + digit;
      digit = (bytes[++pos] as number) - ZERO;
    }
    this.low = value;
    this.high = 0;
    this.isNegative = isNegative;
    if (pos - first === INT_DIGITS) pos = this.#longInteger(value, pos);
    // Minus zero is not zero everywhere, and zeros in front are allowed in quotes alone.
    if (pos === first || (bytes[first] === ZERO && (isNegative || pos - first > 1))) giveUp();
    if (isQuoted && bytes[pos++] !== QUOTE) giveUp();
    this.pos = pos;
  }

  /** Reads the digits behind the first nine, at `from`; returns where they end. */
  #longInteger(nine: number, from: number): number {
    const { bytes } = this;
    const first = from - INT_DIGITS;
    let pos = from;
    let middle = 0;
    let digit = (bytes[pos] as number) - ZERO;
    while (digit >= 0 && digit <= 9 && pos - first < EXACT_DIGITS) {
      middle = middle * 10 + digit;
      digit = (bytes[++pos] as number) - ZERO;
    }
    const upper = nine * (POWERS[pos - from] as number) + middle;
    const lastFrom = pos;
    let last = 0;
    while (digit >= 0 && digit <= 9) {
      last = last * 10 + digit;
      digit = (bytes[++pos] as number) - ZERO;
      if (pos - first > LONG_DIGITS) giveUp();
    }
    // Word by word, since none of the products passes 2^53.
    const power = POWERS[pos - lastFrom] as number;
    const upperLow = upper >>> 0;
    const low = upperLow * power + last;
    const high = ((upper - upperLow) / WORD) * power + Math.floor(low / WORD);
    if (high >= WORD) giveUp();
    this.low = low >>> 0;
    this.high = high;
    return pos;
  }

  /** Reads a finite number, or a name in quotes of one that is not, into `value`. */
  double(): void {
    const { bytes } = this;
    const start = this.pos;
    if (bytes[start] === QUOTE) {
      this.#namedDouble();
      return;
    }
    const isNegative = bytes[start] === MINUS;
    const first = isNegative ? start + 1 : start;
    let pos = first;
    let value = 0;
    let digit = (bytes[pos] as number) - ZERO;
    while (digit >= 0 && digit <= 9) {
      value = value * 10 + digit;
      digit = (bytes[++pos] as number) - ZERO;
    }
    const digits = pos - first;
    if (digits === 0 || (digits > 1 && bytes[first] === ZERO)) giveUp();
    let decimals = 0;
    if (bytes[pos] === POINT) {
      const from = ++pos;
      digit = (bytes[pos] as number) - ZERO;
      while (digit >= 0 && digit <= 9) {
        value = value * 10 + digit;
        digit = (bytes[++pos] as number) - ZERO;
      }
      decimals = pos - from;
      if (decimals === 0) giveUp();
    }
    this.pos = pos;
    // Digits and power of ten are exact, and so one division rounds as it should (Clinger, 1990).
    if (digits + decimals > EXACT_DIGITS || ((bytes[pos] as number) | SPACE) === LOWER_E) {
      this.#anyDouble(start);
      return;
    }
    if (decimals > 0) value /= POWERS[decimals] as number;
    this.value = isNegative ? -value : value;
  }

  /** The number that begins at `start`, with the cursor behind its digits: with its exponent, if it has one. */
  #anyDouble(start: number): void {
    const { bytes } = this;
    let { pos } = this;
    if (((bytes[pos] as number) | SPACE) === LOWER_E) {
      pos++;
      if (bytes[pos] === MINUS || bytes[pos] === 0x2b) pos++;
      const from = pos;
      while (isDigit(bytes[pos] as number)) pos++;
      if (pos === from) giveUp();
    }
    this.pos = pos;
    this.value = Number(this.text(start, pos));
    if (!Number.isFinite(this.value)) giveUp();
  }

  #namedDouble(): void {
    for (const [name, value] of NAMED_DOUBLES) {
      if (!this.#isAt(name)) continue;
      this.pos += name.length;
      this.value = value;
      return;
    }
    giveUp();
  }

  /** Bytes of ASCII as text. */
  text(start: number, end: number): string {
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + start, end - start).toString('latin1');
  }

  /** Passes over any value. */
  skipValue(depth: number): void {
    if (depth > NESTING_MAX) giveUp();
    switch (this.peek()) {
      case QUOTE:
        this.skipString();
        break;
      case OPEN:
        this.#skipObject(depth);
        break;
      case OPEN_LIST:
        this.#skipList(depth);
        break;
      case TRUE[0]:
        this.literal(TRUE);
        break;
      case FALSE[0]:
        this.literal(FALSE);
        break;
      case NULL[0]:
        this.literal(NULL);
        break;
      default:
        this.double();
    }
  }

  #skipObject(depth: number): void {
    this.pos++;
    if (this.peek() !== CLOSE) {
      for (;;) {
        if (this.peek() !== QUOTE) giveUp();
        this.skipString();
        this.expect(COLON);
        this.skipValue(depth + 1);
        if (this.peek() !== COMMA) break;
        this.pos++;
      }
    }
    this.expect(CLOSE);
  }

  #skipList(depth: number): void {
    this.pos++;
    if (this.peek() !== CLOSE_LIST) {
      for (;;) {
        this.skipValue(depth + 1);
        if (this.peek() !== COMMA) break;
        this.pos++;
      }
    }
    this.expect(CLOSE_LIST);
  }

  /** Passes over the string that begins here. */
  skipString(): void {
    const { bytes, end } = this;
    let pos = this.pos + 1;
    for (;;) {
      if (pos >= end) giveUp();
      const byte = bytes[pos++] as number;
      if (byte === QUOTE) break;
      if (byte < SPACE) giveUp();
      if (byte === BACKSLASH) pos = this.#afterEscape(pos);
    }
    this.pos = pos;
  }

  /** Where the escape whose backslash stands in front of `pos` ends. */
  #afterEscape(pos: number): number {
    const byte = this.bytes[pos] as number;
    if (ESCAPES[byte] === 1) return pos + 1;
    if (byte !== 0x75) giveUp();
    this.codeUnit(pos + 1);
    return pos + 5;
  }

  /** The four hex digits at `pos`, which is inside the text or just behind it. */
  codeUnit(pos: number): number {
    const { bytes } = this;
    if (pos + 4 > this.end) giveUp();
    const high = ((NIBBLES[bytes[pos] as number] as number) << 4) | (NIBBLES[bytes[pos + 1] as number] as number);
    const low = ((NIBBLES[bytes[pos + 2] as number] as number) << 4) | (NIBBLES[bytes[pos + 3] as number] as number);
    if (high > 255 || low > 255) giveUp();
    return (high << 8) | low;
  }
}

function isSpace(byte: number): boolean {
  return byte === SPACE || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= 0x39;
}

const EMPTY = new Uint8Array();
const NO_VIEW = new DataView(EMPTY.buffer);
