/**
 * Bodies that are ready to be sent, of which no two are the same. Whoever takes telemetry may look for repeated requests,
 * and a load of a few requests sent over and over would be nothing else. So each sending puts a number where the request
 * has `MARK`: into the bytes where they are not compressed, else into the end of the request, which stands in the
 * compressed body as it is (a stored block of DEFLATE, RFC 1951 3.2.4; a raw block of Zstandard, RFC 8878 3.1.1.2).
 */
import { constants, crc32, deflateRawSync, zstdCompressSync } from 'node:zlib';
import { MARK } from './shape.ts';

export type Encoding = 'identity' | 'gzip' | 'zstd';

export interface Body {
  /** What goes over the wire; behind a gRPC prefix where there is one. */
  readonly bytes: Buffer;
  readonly items: number;
  /** Makes it differ from every other one, by `number` (an integer from 0 on). */
  stamp(number: number): void;
  /** The same content in memory of its own, so that both may be under way at once. */
  copy(): Body;
}

/** Bytes before a gRPC message: whether it is compressed, and its length. */
const GRPC_PREFIX = 5;

export function bodyOf(request: Uint8Array, items: number, encoding: Encoding, isGrpc: boolean): Body {
  const content = Buffer.from(request.buffer, request.byteOffset, request.length);
  const at = content.lastIndexOf(MARK);
  if (at < 0) throw new Error('the request has no mark');
  const { bytes, stampAt, seal } = ENCODERS[encoding](content, at);
  const prefix = isGrpc ? GRPC_PREFIX : 0;
  const framed = Buffer.allocUnsafeSlow(prefix + bytes.length);
  bytes.copy(framed, prefix);
  if (isGrpc) {
    framed[0] = encoding === 'identity' ? 0 : 1;
    framed.writeUInt32BE(bytes.length, 1);
  }
  return madeOf(framed, items, prefix + stampAt, seal);
}

type Seal = (bytes: Buffer) => void;

function madeOf(bytes: Buffer, items: number, stampAt: number, seal: Seal): Body {
  return {
    bytes,
    items,
    stamp(number) {
      // Neither 0, which no id may be, nor negative, where it is a number.
      bytes.writeUInt32LE((number + 1) >>> 0, stampAt);
      bytes.writeUInt32LE(1 + Math.floor(number / 2 ** 32), stampAt + 4);
      seal(bytes);
    },
    copy() {
      const own = Buffer.allocUnsafeSlow(bytes.length);
      bytes.copy(own);
      return madeOf(own, items, stampAt, seal);
    },
  };
}

interface Encoded {
  readonly bytes: Buffer;
  readonly stampAt: number;
  readonly seal: Seal;
}

const ENCODERS: Record<Encoding, (content: Buffer, at: number) => Encoded> = {
  identity: (content, at) => ({ bytes: content, stampAt: at, seal: () => {} }),
  gzip: gzipOf,
  zstd: zstdOf,
};

/** Member: ten bytes of header, blocks, CRC-32 and length of the content (RFC 1952). */
function gzipOf(content: Buffer, at: number): Encoded {
  const tail = content.subarray(at);
  if (tail.length > 0xffff) throw new Error('the mark must stand in the last 64 KiB');
  const bulk = content.subarray(0, at);
  const packed = deflateRawSync(bulk, { finishFlush: constants.Z_SYNC_FLUSH });
  const stored = Buffer.alloc(5);
  stored[0] = 1;
  stored.writeUInt16LE(tail.length, 1);
  stored.writeUInt16LE(tail.length ^ 0xffff, 3);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(content.length, 4);
  const header = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
  const bytes = Buffer.concat([header, packed, stored, tail, trailer]);
  const sumOfBulk = crc32(bulk);
  const seal = (whole: Buffer): void => {
    const end = whole.length - trailer.length;
    whole.writeUInt32LE(crc32(whole.subarray(end - tail.length, end), sumOfBulk), end);
  };
  seal(bytes);
  return { bytes, stampAt: bytes.length - trailer.length - tail.length, seal };
}

const ZSTD_HEADER = 6;
const BLOCK_HEADER = 3;
const RUN = 1;

/** Frame: magic, descriptor, window, then blocks, each with `last | type << 1 | size << 3` before it. */
function zstdOf(content: Buffer, at: number): Encoded {
  const tail = content.subarray(at);
  if (tail.length > 128 * 1024) throw new Error('the mark must stand in the last 128 KiB');
  const packed = zstdCompressSync(content.subarray(0, at), {
    params: { [constants.ZSTD_c_contentSizeFlag]: 0, [constants.ZSTD_c_checksumFlag]: 0 },
  });
  if (packed[4] !== 0) throw new Error(`a Zstandard frame with descriptor ${packed[4]}`);
  let pos = ZSTD_HEADER;
  for (;;) {
    const head = packed.readUIntLE(pos, BLOCK_HEADER);
    if ((head & 1) === 1) break;
    pos += BLOCK_HEADER + (((head >> 1) & 3) === RUN ? 1 : head >> 3);
  }
  packed[pos] = (packed[pos] as number) & 0xfe;
  const raw = Buffer.alloc(BLOCK_HEADER);
  raw.writeUIntLE(1 + tail.length * 8, 0, BLOCK_HEADER);
  const bytes = Buffer.concat([packed, raw, tail]);
  return { bytes, stampAt: bytes.length - tail.length, seal: () => {} };
}
