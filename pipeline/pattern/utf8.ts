/*
 * UTF-8 where it lies. What is no UTF-8 reads as U+FFFD, byte by byte, as RE2 and Go do: so every byte belongs to exactly
 * one character, whichever way one goes.
 */

const REPLACEMENT = 0xfffd;

/** The character at `at`, which is below `end`: `code point * 8 + bytes it takes`. */
export function characterAt(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at] as number;
  if (first < 0x80) return first * 8 + 1;
  const width = first < 0xc2 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 1;
  if (width === 1 || at + width > end) return REPLACEMENT * 8 + 1;
  let code = first & (0x7f >> width);
  for (let i = 1; i < width; i++) {
    const byte = bytes[at + i] as number;
    if ((byte & 0xc0) !== 0x80) return REPLACEMENT * 8 + 1;
    code = code * 64 + (byte & 0x3f);
  }
  const isOverlong = code < (width === 2 ? 0x80 : width === 3 ? 0x800 : 0x1_0000);
  const isSurrogate = code >= 0xd800 && code < 0xe000;
  if (isOverlong || isSurrogate || code > 0x10_ffff) return REPLACEMENT * 8 + 1;
  return code * 8 + width;
}

/** The character that ends at `at`, and does not begin before `start`; as `characterAt`. */
export function characterBefore(bytes: Uint8Array, start: number, at: number): number {
  const last = bytes[at - 1] as number;
  if (last < 0x80) return last * 8 + 1;
  for (let width = 2; width <= 4 && at - width >= start; width++) {
    const byte = bytes[at - width] as number;
    if ((byte & 0xc0) === 0x80) continue;
    const character = characterAt(bytes, at - width, at);
    return character % 8 === width ? character : REPLACEMENT * 8 + 1;
  }
  return REPLACEMENT * 8 + 1;
}
