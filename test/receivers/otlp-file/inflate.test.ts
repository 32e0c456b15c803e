import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gunzipped, splitFrames, storageOf, unzstd } from '../../../receivers/otlp-file/inflate.ts';

/** Contents of the parts of a file, and where the file's bytes are cut. */
const contents = fc.array(
  fc.oneof(
    fc.string(),
    fc.integer({ min: 0, max: 40_000 }).map((n) => 'ab'.repeat(n)),
  ),
  {
    minLength: 1,
    maxLength: 4,
  },
);
const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });

/** Deals out the bytes in chunks of these lengths, over and over. */
async function* chunked(bytes: Buffer, lengths: readonly number[]): AsyncGenerator<Buffer> {
  for (let pos = 0, i = 0; pos < bytes.length; i++) {
    const length = lengths[i % lengths.length] as number;
    yield bytes.subarray(pos, pos + length);
    pos += length;
  }
}

async function text(chunks: AsyncIterable<Buffer>): Promise<string> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all).toString();
}

describe('compressed captures', () => {
  it('are read whole however their parts and the chunks fall', async () => {
    await fc.assert(
      fc.asyncProperty(contents, cuts, async (parts, lengths) => {
        const zstd = Buffer.concat(parts.map((part) => zstdCompressSync(part)));
        expect(await text(unzstd(chunked(zstd, lengths)))).toBe(parts.join(''));
        const gzip = Buffer.concat(parts.map((part) => gzipSync(part)));
        expect(await text(gunzipped(chunked(gzip, lengths)))).toBe(parts.join(''));
      }),
      { numRuns: 50 },
    );
  });

  it('never pass for whole when their end is missing', async () => {
    await fc.assert(
      fc.asyncProperty(contents, cuts, fc.nat(), async (parts, lengths, at) => {
        const last = zstdCompressSync(parts.at(-1) as string);
        const whole = Buffer.concat([...parts.slice(0, -1).map((part) => zstdCompressSync(part)), last]);
        const cut = whole.subarray(0, whole.length - 1 - (at % (last.length - 1)));
        await expect(text(unzstd(chunked(cut, lengths)))).rejects.toThrow();
      }),
      { numRuns: 50 },
    );
  });

  it('in frames are split however the chunks fall', async () => {
    await fc.assert(
      fc.asyncProperty(contents, cuts, async (parts, lengths) => {
        const framed = parts.flatMap((part) => {
          const frame = zstdCompressSync(part);
          const length = Buffer.alloc(4);
          length.writeUInt32BE(frame.length);
          return [length, frame];
        });
        const found: unknown[] = [];
        for await (const line of splitFrames(chunked(Buffer.concat(framed), lengths), 100_000)) {
          found.push('bytes' in line ? Buffer.from(line.bytes).toString() : line.problem);
        }
        expect(found).toEqual(parts);
      }),
      { numRuns: 50 },
    );
  });

  it('are told by their first bytes', () => {
    expect(storageOf(gzipSync('x'))).toBe('gzip');
    expect(storageOf(zstdCompressSync('x'))).toBe('zstd');
    expect(storageOf(Buffer.concat([Buffer.from([0, 0, 0, 9]), zstdCompressSync('x')]))).toBe('framed');
    for (const plain of ['', '{', '{"resourceSpans":[]}']) expect(storageOf(Buffer.from(plain))).toBe('plain');
  });
});
