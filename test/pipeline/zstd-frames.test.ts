import { buffer } from 'node:stream/consumers';
import { constants, createZstdCompress, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sizeOfZstd } from '../../pipeline/zstd-frames.ts';

const { ZSTD_c_compressionLevel: LEVEL, ZSTD_c_checksumFlag: CHECKSUM, ZSTD_c_contentSizeFlag: SIZE } = constants;
const { ZSTD_c_windowLog: WINDOW } = constants;

/** What may be random, and may repeat itself. */
const content = fc
  .tuple(fc.uint8Array({ maxLength: 3000 }), fc.integer({ min: 1, max: 200 }))
  .map(([bytes, times]) => Buffer.concat(Array.from({ length: times }, () => bytes)));
const params = fc
  .record({ level: fc.integer({ min: 1, max: 9 }), checksum: fc.boolean(), window: fc.integer({ min: 10, max: 20 }) })
  .map(({ level, checksum, window }) => ({ [LEVEL]: level, [CHECKSUM]: Number(checksum), [WINDOW]: window }));
const skippable = fc.tuple(fc.integer({ min: 0, max: 15 }), fc.uint8Array({ maxLength: 300 })).map(([kind, bytes]) => {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x184d2a50 + kind, 0);
  header.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
});

describe('what a body of zstd inflates to', () => {
  test('is told where its frames tell it', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(content, params), { minLength: 1, maxLength: 4 }), skippable, (parts, other) => {
        const frames = parts.map(([bytes, how]) => zstdCompressSync(bytes, { params: how }));
        const told = parts.reduce((sum, [bytes]) => sum + bytes.length, 0);
        expect(sizeOfZstd(Buffer.concat([other, ...frames, other]))).toEqual({ mostBytes: told, toldBytes: told });
      }),
      { numRuns: 50 },
    );
  });

  test('is no more than what their blocks can be where they do not', async () => {
    await fc.assert(
      fc.asyncProperty(content, params, fc.integer({ min: 1, max: 5 }), async (bytes, how, pieces) => {
        const stream = createZstdCompress({ params: { ...how, [SIZE]: 0 }, flush: constants.ZSTD_e_flush });
        const packed = buffer(stream);
        const size = Math.ceil(bytes.length / pieces);
        for (let at = 0; at < bytes.length; at += size) stream.write(bytes.subarray(at, at + size));
        stream.end();
        const found = sizeOfZstd(await packed);
        expect(found?.toldBytes).toBe(0);
        expect(found?.mostBytes).toBeGreaterThanOrEqual(bytes.length);
        // For each piece at most one block more than it takes.
        expect(found?.mostBytes).toBeLessThanOrEqual(bytes.length + (pieces + 1) * 128 * 1024);
      }),
      { numRuns: 50 },
    );
  });

  test('is not known of what is cut off, or is no zstd', () => {
    const whole = zstdCompressSync(Buffer.from('telemetry '.repeat(30_000)), { params: { [CHECKSUM]: 1 } });
    for (let length = 1; length < whole.length; length++) {
      expect(sizeOfZstd(whole.subarray(0, length))).toBeUndefined();
    }
    expect(sizeOfZstd(Buffer.concat([whole, Buffer.from('garbage')]))).toBeUndefined();
    expect(sizeOfZstd(Buffer.concat(Array.from({ length: 65 }, () => whole)))).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
        expect(sizeOfZstd(bytes)).toBeUndefined();
      }),
    );
  });
});
