import { ERROR, Http2Error } from './protocol.ts';

/**
 * The length in bits of each symbol's code (RFC 7541, appendix B), for bytes 0 to 255. The code is canonical: within a
 * length, codes follow the order of the symbols. The last symbol, 256, is EOS, of 30 bits.
 */
// biome-ignore format: a table of 16 columns
const LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
   6, 10, 10, 12, 13,  6,  8, 11, 10, 10,  8, 11,  8,  6,  6,  6,
   5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8, 15,  6, 12, 10,
  13,  6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,
   7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8, 13, 19, 13, 14,  6,
  15,  5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,
   6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];
const EOS = 256;
const EOS_BITS = 30;
/** A string is padded with the first bits of EOS, which are ones, up to the end of its last byte. */
const PADDING_BITS_MAX = 7;

/** A binary tree: `TREE[2 * node + bit]` is the next node, or the symbol less 512 where it ends there. */
const TREE = makeTree();
const LEAF = 512;

function makeTree(): Int16Array {
  const tree = new Int16Array(2 * EOS);
  let nodes = 1;
  let code = 0;
  let bits = 0;
  const lengths = [...LENGTHS, EOS_BITS];
  const symbols = lengths.map((_, symbol) => symbol).sort((a, b) => (lengths[a] as number) - (lengths[b] as number));
  for (const symbol of symbols) {
    const length = lengths[symbol] as number;
    code *= 2 ** (length - bits);
    bits = length;
    let node = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const at = 2 * node + ((code >>> bit) & 1);
      if (tree[at] === 0) tree[at] = nodes++;
      node = tree[at] as number;
    }
    tree[2 * node + (code & 1)] = symbol - 512;
    code++;
  }
  return tree;
}

/** Decodes `bytes[start, end)` into `into`; returns how many bytes that gave. Throws a `compression` error. */
export function huffmanDecode(bytes: Uint8Array, start: number, end: number, into: Uint8Array): number {
  let length = 0;
  let node = 0;
  let depth = 0;
  let ones = true;
  for (let pos = start; pos < end; pos++) {
    const byte = bytes[pos] as number;
    for (let bit = 7; bit >= 0; bit--) {
      const one = (byte >>> bit) & 1;
      const next = TREE[2 * node + one] as number;
      depth++;
      ones &&= one === 1;
      if (next >= 0) {
        node = next;
        continue;
      }
      if (next + LEAF === EOS) throw new Http2Error(ERROR.compression, 'a string holds the end of strings');
      into[length++] = next + LEAF;
      node = 0;
      depth = 0;
      ones = true;
    }
  }
  if (depth > PADDING_BITS_MAX || !ones) throw new Http2Error(ERROR.compression, 'a string is padded wrongly');
  return length;
}
