import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { compress, inflate } from '../../pipeline/compression.ts';
import { PipelineError } from '../../pipeline/errors.ts';

const text = Buffer.from('telemetry '.repeat(5000));

function codeOf(attempt: () => unknown): string {
  try {
    attempt();
    return 'none';
  } catch (error) {
    return error instanceof PipelineError ? error.code : String(error);
  }
}

describe.each([
  ['gzip', gzipSync],
  ['zstd', zstdCompressSync],
  ['deflate', deflateSync],
] as const)('%s', (encoding, pack) => {
  const packed = pack(text);

  test('inflates up to the limit and not a byte further', () => {
    expect(Buffer.compare(inflate(encoding, packed, text.length), text)).toBe(0);
    expect(codeOf(() => inflate(encoding, packed, text.length - 1))).toBe('too_large');
  });

  test('holds no more memory than what it gives counts, within a factor of two', () => {
    const small = inflate(encoding, pack(text.subarray(0, 100)), 64 * 1024 ** 2);
    expect(small.buffer.byteLength).toBeLessThan(16 * 1024);
    const large = inflate(encoding, packed, 64 * 1024 ** 2);
    expect(large.buffer.byteLength).toBeLessThanOrEqual(2 * large.length);
  });

  test('what is cut off anywhere is malformed', () => {
    for (let length = 0; length < packed.length; length += 7) {
      expect(codeOf(() => inflate(encoding, packed.subarray(0, length), 1e6))).toBe('malformed');
    }
  });
});

describe('hostile bodies', () => {
  test('a gzip trailer that claims 4 GiB costs nothing', () => {
    const packed = gzipSync(text);
    packed.writeUInt32LE(0xffff_ffff, packed.length - 4);
    expect(codeOf(() => inflate('gzip', packed, 1e6))).toBe('malformed');
  });

  test('zstd frames beyond their number, or past the limit together', () => {
    const empty = zstdCompressSync(Buffer.alloc(0));
    expect(codeOf(() => inflate('zstd', Buffer.concat(Array.from({ length: 1000 }, () => empty)), 1e6))).toBe(
      'malformed',
    );
    const one = zstdCompressSync(text);
    expect(codeOf(() => inflate('zstd', Buffer.concat([one, one]), text.length * 2))).toBe('none');
    expect(codeOf(() => inflate('zstd', Buffer.concat([one, one]), text.length * 2 - 1))).toBe('too_large');
  });

  test('bytes after the end', () => {
    const tail = Buffer.from('garbage');
    expect(codeOf(() => inflate('gzip', Buffer.concat([gzipSync(text), tail]), 1e6))).toBe('malformed');
    expect(codeOf(() => inflate('zstd', Buffer.concat([zstdCompressSync(text), tail]), 1e6))).toBe('malformed');
  });
});

test('what is compressed inflates to itself', async () => {
  for (const name of ['gzip', 'zstd'] as const) {
    expect(Buffer.compare(inflate(name, await compress(name, text), 1e6), text)).toBe(0);
  }
  expect(await compress('none', text)).toBe(text);
});

describe('into memory that is given', () => {
  const content = Buffer.from('spans and more spans '.repeat(5000));
  const rooms = () => {
    const out = new Set<Buffer>();
    return {
      out,
      take(bytes: number): Buffer {
        const room = Buffer.alloc(bytes + 100);
        out.add(room);
        return room;
      },
      give(room: Buffer): void {
        expect(out.delete(room)).toBe(true);
      },
    };
  };

  test('the content lies there', () => {
    const own = rooms();
    const found = inflate('gzip', gzipSync(content), 1024 ** 2, own);
    expect(Buffer.compare(found, content)).toBe(0);
    expect([...own.out].map(({ buffer }) => buffer)).toEqual([found.buffer]);
  });

  test.each([
    ['whose trailer tells too little', Buffer.concat([gzipSync(content), gzipSync(Buffer.from('x'))]), 'x'],
    ['of nothing', gzipSync(Buffer.alloc(0)), undefined],
  ])('a body %s: the room comes back, and the content is right', (_, body, more) => {
    const own = rooms();
    const found = inflate('gzip', body, 1024 ** 2, own);
    const expected = more === undefined ? Buffer.alloc(0) : Buffer.concat([content, Buffer.from(more)]);
    expect(Buffer.compare(found, expected)).toBe(0);
    expect([...own.out].every(({ buffer }) => buffer === found.buffer)).toBe(true);
  });

  test.each([
    ['truncated', gzipSync(content).subarray(0, 60), 1024 ** 2],
    ['too large', gzipSync(content), 1000],
    ['no gzip', content, 1024 ** 2],
  ])('%s: the room comes back', (_, body, limit) => {
    const own = rooms();
    expect(() => inflate('gzip', body, limit, own)).toThrow(PipelineError);
    expect(own.out.size).toBe(0);
  });
});
