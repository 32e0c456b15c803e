import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { constants, createZstdCompress, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { compress, inflate } from '../../pipeline/compression.ts';
import { PipelineError } from '../../pipeline/errors.ts';

const text = Buffer.from('telemetry '.repeat(5000));

/** A zstd frame that does not tell its length: a block for each piece. */
async function streamed(pieces: readonly Uint8Array[]): Promise<Buffer> {
  const stream = createZstdCompress({ flush: constants.ZSTD_e_flush });
  const found = buffer(stream);
  for (const piece of pieces) await new Promise((resolve) => stream.write(piece, resolve));
  stream.end();
  return found;
}

function flipped(bytes: Buffer, at: number): Buffer {
  const other = Buffer.from(bytes);
  other[at] = (other[at] as number) ^ 0xff;
  return other;
}

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

test('nothing is compressed with none', async () => {
  expect(await compress('none', text)).toBe(text);
});

describe.each(['gzip', 'zstd'] as const)('what is compressed with %s', (encoding) => {
  // Smaller and larger than what goes to the thread pool, and than a piece of output; repeating and not.
  const bodies = [0, 1, 100, 32 * 1024, 32 * 1024 + 1, 200_000, 1_000_000].flatMap((bytes) => [
    text.subarray(0, bytes),
    randomBytes(bytes),
  ]);

  test('inflates to itself, also in one of many at a time', async () => {
    const all = [...bodies, ...bodies.toReversed(), ...bodies];
    const packed = await Promise.all(all.map((body) => compress(encoding, body)));
    for (const [i, body] of all.entries()) {
      expect(Buffer.compare(inflate(encoding, packed[i] as Uint8Array, 2e6), body)).toBe(0);
    }
  });

  test('holds nothing of the body before', async () => {
    for (const bytes of [20_000, 200_000]) {
      const body = randomBytes(bytes);
      const first = await compress(encoding, body);
      const second = await compress(encoding, body);
      expect(second.length).toBe(first.length);
      expect(Buffer.compare(inflate(encoding, second, 1e6), body)).toBe(0);
    }
  });

  test('is so too after encoders were let go of', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const body = randomBytes(100_000);
      await compress(encoding, body);
      await vi.advanceTimersByTimeAsync(60_000);
      expect(Buffer.compare(inflate(encoding, await compress(encoding, body), 1e6), body)).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
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

  test.each([
    ['gzip', gzipSync(content)],
    ['zstd', zstdCompressSync(content)],
    ['zstd', Buffer.concat([zstdCompressSync(content.subarray(0, 777)), zstdCompressSync(content.subarray(777))])],
  ] as const)('the content lies there, %s', (encoding, body) => {
    const own = rooms();
    const found = inflate(encoding, body, 1024 ** 2, own);
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

  test('zstd whose headers tell of much more than there is takes no more than there is', async () => {
    // Thirty blocks of a byte that are said to be compressed ones, as far as their headers go.
    const body = await streamed(
      Array.from({ length: 30 }, () => Buffer.from('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')),
    );
    const own = rooms();
    const found = inflate('zstd', body, 1024 ** 2, own);
    expect(Buffer.from(found).toString()).toBe('a'.repeat(30 * 45));
    expect(own.out.size).toBe(0);
    expect(found.buffer.byteLength).toBe(found.length);
  });

  test.each([
    ['gzip truncated', 'gzip', gzipSync(content).subarray(0, 60), 1024 ** 2],
    ['gzip too large', 'gzip', gzipSync(content), 1000],
    ['no gzip', 'gzip', content, 1024 ** 2],
    ['zstd truncated', 'zstd', zstdCompressSync(content).subarray(0, 30), 1024 ** 2],
    ['zstd too large', 'zstd', zstdCompressSync(content), 1000],
    ['zstd that lies about its length', 'zstd', flipped(zstdCompressSync(content), 5), 1024 ** 2],
    ['no zstd', 'zstd', content, 1024 ** 2],
  ] as const)('%s: the room comes back, and the next body is right', (_, encoding, body, limit) => {
    const own = rooms();
    expect(() => inflate(encoding, body, limit, own)).toThrow(PipelineError);
    expect(own.out.size).toBe(0);
    const right = encoding === 'gzip' ? gzipSync(content) : zstdCompressSync(content);
    expect(Buffer.compare(inflate(encoding, right, 1024 ** 2, own), content)).toBe(0);
  });
});
