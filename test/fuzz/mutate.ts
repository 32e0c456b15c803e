import type { Random } from '../support/random.ts';

/** What lengths and numbers go wrong at. */
const EDGES = [
  0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x3fff, 0x4000, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
];
const CHANGES_MAX = 6;
const INPUT_BYTES_MAX = 64 * 1024;

type Change = (bytes: Buffer, random: Random, others: readonly Uint8Array[], words: readonly string[]) => Buffer;

const at = (bytes: Buffer, random: Random): number => random.below(bytes.length + 1);

function replaced(bytes: Buffer, start: number, end: number, by: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, start), by, bytes.subarray(Math.min(end, bytes.length))]);
}

const CHANGES: readonly Change[] = [
  // A bit, a byte, some bytes.
  (bytes, random) => {
    const copy = Buffer.from(bytes);
    const i = random.below(copy.length);
    copy[i] = (copy[i] ?? 0) ^ (1 << random.below(8));
    return copy;
  },
  (bytes, random) => {
    const copy = Buffer.from(bytes);
    copy[random.below(copy.length)] = random.chance(0.5)
      ? random.below(256)
      : (EDGES[random.below(EDGES.length)] as number) & 0xff;
    return copy;
  },
  (bytes, random) => {
    const start = at(bytes, random);
    return replaced(
      bytes,
      start,
      start,
      Buffer.from(Array.from({ length: 1 + random.below(8) }, () => random.below(256))),
    );
  },
  // A length or a number, in the ways that formats write them.
  (bytes, random) => {
    const value = EDGES[random.below(EDGES.length)] as number;
    const written = Buffer.alloc(4);
    if (random.chance(0.5)) written.writeUInt32LE(value);
    else written.writeUInt32BE(value);
    const start = at(bytes, random);
    return replaced(bytes, start, start + 4, written);
  },
  (bytes, random) => {
    const start = at(bytes, random);
    return replaced(bytes, start, start + 1, varint(EDGES[random.below(EDGES.length)] as number));
  },
  // Less, more, and the same again.
  (bytes, random) => bytes.subarray(0, at(bytes, random)),
  (bytes, random) => {
    const start = at(bytes, random);
    return replaced(bytes, start, start + random.below(32), Buffer.alloc(0));
  },
  (bytes, random) => {
    const start = at(bytes, random);
    const part = bytes.subarray(start, start + 1 + random.below(64));
    return replaced(bytes, start, start, Buffer.concat(Array.from({ length: 1 + random.below(4) }, () => part)));
  },
  // A part of another input, and a word of the format.
  (bytes, random, others) => {
    const other = others[random.below(others.length)] ?? bytes;
    const from = random.below(other.length + 1);
    const start = at(bytes, random);
    return replaced(bytes, start, start + random.below(64), other.subarray(from, from + random.below(256)));
  },
  (bytes, random, _, words) => {
    if (words.length === 0) return bytes;
    const start = at(bytes, random);
    return replaced(bytes, start, start + random.below(8), Buffer.from(words[random.below(words.length)] as string));
  },
];

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Buffer.from([...bytes, rest]);
}

/** An input made of one of the seeds by some changes: the same one for the same state of `random`. */
export function mutated(seeds: readonly Uint8Array[], words: readonly string[], random: Random): Buffer {
  let bytes: Buffer = Buffer.from(seeds[random.below(seeds.length)] ?? []);
  for (let left = 1 + random.below(CHANGES_MAX); left > 0; left--) {
    const change = CHANGES[random.below(CHANGES.length)] as Change;
    bytes = bytes.length === 0 ? Buffer.from([random.below(256)]) : change(bytes, random, seeds, words);
  }
  return bytes.subarray(0, INPUT_BYTES_MAX);
}
