import { BACKSLASH, giveUp, type JsonCursor, QUOTE } from './json-cursor.ts';
import type { ProtobufRoom } from './json-room.ts';

/** What an escape of one letter stands for, by the letter; 0 for those that are none. */
const SHORT_ESCAPES = new Uint8Array(256);
for (const [letter, meant] of ['""', '\\\\', '//', 'b\b', 'f\f', 'n\n', 'r\r', 't\t'].map((pair) =>
  Buffer.from(pair),
)) {
  SHORT_ESCAPES[letter as number] = meant as number;
}

/** The value of a base64 digit of either alphabet by its code; 64 for all else. */
const BASE64 = new Uint8Array(256).fill(64);
for (const [value, digit] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries()) {
  BASE64[digit.charCodeAt(0)] = value;
}
BASE64['-'.charCodeAt(0)] = 62;
BASE64['_'.charCodeAt(0)] = 63;
const PADDING = 0x3d;

/**
 * Writes the string at the cursor, whose bytes are known to be UTF-8, with its length; returns that. Copies four bytes
 * at a time, up to a quote, a backslash, a control character or the end.
 */
export function copyText(from: JsonCursor, to: ProtobufRoom): number {
  const { view } = from;
  const { view: out } = to;
  const last = from.end - 4;
  const start = to.pos;
  let at = from.pos + 1;
  let pos = start + 1;
  if (from.bytes[at - 1] !== QUOTE) giveUp();
  for (;;) {
    // The string that begins so near the end does not end, or what is around it does not.
    if (at > last) giveUp();
    const word = view.getInt32(at, true);
    const quote = word ^ 0x22222222;
    const backslash = word ^ 0x5c5c5c5c;
    // The highest bit of each byte that is to stop at; above the lowest of them others may be wrong.
    const stops =
      (((word - 0x20202020) & ~word) | ((quote - 0x01010101) & ~quote) | ((backslash - 0x01010101) & ~backslash)) &
      0x80808080;
    out.setInt32(pos, word, true);
    if (stops === 0) {
      at += 4;
      pos += 4;
      continue;
    }
    const plain = (31 - Math.clz32(stops & -stops)) >>> 3;
    at += plain;
    pos += plain;
    const stop = (word >>> (plain * 8)) & 0xff;
    if (stop === QUOTE) break;
    if (stop !== BACKSLASH) giveUp();
    from.pos = at;
    to.pos = pos;
    copyEscaped(from, to);
    at = from.pos;
    pos = to.pos;
  }
  from.pos = at + 1;
  to.pos = pos;
  const length = pos - start - 1;
  if (length < 0x80) to.bytes[start] = length;
  else to.close(start, 1);
  return length;
}

/** Writes what the escape at the cursor stands for. Half of a surrogate pair has no UTF-8. */
function copyEscaped(from: JsonCursor, to: ProtobufRoom): void {
  const { bytes, pos } = from;
  const letter = bytes[pos + 1] as number;
  const meant = SHORT_ESCAPES[letter] as number;
  if (meant !== 0) {
    to.bytes[to.pos++] = meant;
    from.pos = pos + 2;
    return;
  }
  if (letter !== 0x75) giveUp();
  const unit = from.codeUnit(pos + 2);
  from.pos = pos + 6;
  if (unit < 0xd800 || unit > 0xdfff) {
    putCodePoint(to, unit);
    return;
  }
  if (unit > 0xdbff || bytes[pos + 6] !== BACKSLASH || bytes[pos + 7] !== 0x75) giveUp();
  const second = from.codeUnit(pos + 8);
  if (second < 0xdc00 || second > 0xdfff) giveUp();
  from.pos = pos + 12;
  putCodePoint(to, 0x1_0000 + ((unit - 0xd800) << 10) + (second - 0xdc00));
}

function putCodePoint(to: ProtobufRoom, code: number): void {
  const { bytes } = to;
  if (code < 0x80) {
    bytes[to.pos++] = code;
    return;
  }
  if (code < 0x800) {
    bytes[to.pos++] = 0xc0 | (code >>> 6);
  } else {
    if (code < 0x1_0000) {
      bytes[to.pos++] = 0xe0 | (code >>> 12);
    } else {
      bytes[to.pos++] = 0xf0 | (code >>> 18);
      bytes[to.pos++] = 0x80 | ((code >>> 12) & 0x3f);
    }
    bytes[to.pos++] = 0x80 | ((code >>> 6) & 0x3f);
  }
  bytes[to.pos++] = 0x80 | (code & 0x3f);
}

/** Writes the bytes that the base64 string at the cursor stands for, with their length; returns that. */
export function copyBase64(from: JsonCursor, to: ProtobufRoom): number {
  const { bytes } = from;
  let at = from.pos;
  if (bytes[at++] !== QUOTE) giveUp();
  const start = to.pos;
  let pos = start + 1;
  let bits = 0;
  let held = 0;
  let digit = BASE64[bytes[at] as number] as number;
  while (digit < 64) {
    held = ((held << 6) | digit) & 0xfff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      to.bytes[pos++] = held >>> bits;
    }
    digit = BASE64[bytes[++at] as number] as number;
  }
  // A single digit behind the last whole byte says nothing.
  if (bits === 6) giveUp();
  for (let i = 0; i < 2 && bytes[at] === PADDING; i++) at++;
  if (bytes[at] !== QUOTE) giveUp();
  from.pos = at + 1;
  to.pos = pos;
  const length = pos - start - 1;
  to.close(start, 1);
  return length;
}
