import { type createZstdDecompress, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import { Deflaters } from './deflaters.ts';
import { PipelineError } from './errors.ts';
import { Recoder } from './recoder.ts';
import { sizeOfZstd, ZSTD_FRAMES_MAX } from './zstd-frames.ts';

/** How a body may be encoded. `deflate` is the zlib format (RFC 9110, 8.4.1.2). */
export type Encoding = 'identity' | 'gzip' | 'zstd' | 'deflate';

/** What an exporter may compress with. */
export type Compression = 'none' | 'gzip' | 'zstd';

/** Deflate cannot do better than 1032:1 (zlib's documentation), so a larger claim in a gzip trailer is a lie. */
const DEFLATE_RATIO_MAX = 1032;
/** The smallest output buffer: what zlib itself would begin with. */
const CHUNK_BYTES_MIN = 16 * 1024;
/** What telemetry usually inflates by, to guess the output of formats that do not tell. */
const USUAL_RATIO = 8;
/** Memory to inflate into; what the result does not lie in is given back at once. */
export interface Rooms {
  take(bytes: number): Buffer;
  give(room: Buffer): void;
}

/**
 * The content of a compressed body. Works in the calling thread, which on a busy core is cheaper than the thread pool.
 * With `rooms` the content mostly lies in memory taken from there, which is then the caller's to give back: it is
 * where its `buffer` is a room's. Throws `malformed` where the body is truncated, corrupt or empty, and `too_large` where it inflates to
 * more than `limitBytes`: it stops there, so that a bomb costs no more than the limit.
 */
export function inflate(encoding: Encoding, body: Uint8Array, limitBytes: number, rooms?: Rooms): Uint8Array {
  try {
    switch (encoding) {
      case 'identity':
        return body;
      case 'gzip':
        return rooms === undefined ? gunzipWhole(body, limitBytes) : gunzipInto(rooms, body, limitBytes);
      case 'deflate':
        return trim(inflateSync(body, options(body.length * USUAL_RATIO, limitBytes)));
      case 'zstd':
        return rooms === undefined ? unzstdWhole(body, limitBytes) : unzstdInto(rooms, body, limitBytes);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new PipelineError(
        'too_large',
        `its ${body.length} bytes of ${encoding} inflate to more than ${limitBytes}`,
      );
    }
    throw new PipelineError('malformed', `${encoding}: ${(error as Error).message}`);
  }
}

const gunzip = new Recoder('gunzip');
const unzstd = new Recoder('unzstd');
const deflaters = new Deflaters();

/** As `inflate`, with the content in a room where the body is right and its trailer tells its length. */
function gunzipInto(rooms: Rooms, body: Uint8Array, limitBytes: number): Uint8Array {
  const { chunkSize, maxOutputLength } = options(gzipGuess(body), limitBytes);
  const room = rooms.take(chunkSize + 1);
  const length = gunzip.into(room, body);
  if (length !== undefined && length <= maxOutputLength) return room.subarray(0, length);
  rooms.give(room);
  return gunzipWhole(body, limitBytes);
}

function gunzipWhole(body: Uint8Array, limitBytes: number): Uint8Array {
  return trim(gunzipSync(body, options(gzipGuess(body), limitBytes)));
}

/** As `inflate`, with the content in a room where the body is right and its headers tell about its length. */
function unzstdInto(rooms: Rooms, body: Uint8Array, limitBytes: number): Uint8Array {
  const size = sizeOfZstd(body);
  if (size === undefined) return unzstdWhole(body, limitBytes);
  const { chunkSize, maxOutputLength } = options(size.mostBytes, limitBytes);
  const room = rooms.take(chunkSize + 1);
  const length = unzstd.into(room, body);
  if (length === undefined || length > maxOutputLength) {
    rooms.give(room);
    return unzstdWhole(body, limitBytes);
  }
  if (chunkSize <= CHUNK_BYTES_MIN || length * 2 >= chunkSize) return room.subarray(0, length);
  // Its headers told of much more than there is.
  const own = Uint8Array.prototype.slice.call(room, 0, length);
  rooms.give(room);
  return own;
}

/** The decoder of Node stops after the first frame and drops the rest; a body may hold several (RFC 8878, 3.1). */
function unzstdWhole(body: Uint8Array, limitBytes: number): Uint8Array {
  const frames: Uint8Array[] = [];
  let left = limitBytes;
  let pos = 0;
  do {
    const rest = body.subarray(pos);
    const { buffer, engine } = zstdDecompressSync(rest, {
      ...options(rest.length * USUAL_RATIO, left),
      info: true,
    }) as unknown as { buffer: Buffer; engine: ReturnType<typeof createZstdDecompress> };
    frames.push(trim(buffer));
    left -= buffer.length;
    pos += engine.bytesWritten;
    if (frames.length > ZSTD_FRAMES_MAX || engine.bytesWritten === 0) throw new Error('too many frames');
  } while (pos < body.length);
  return frames.length === 1 ? (frames[0] as Uint8Array) : Buffer.concat(frames);
}

/**
 * Compresses at the fastest level: gzip takes a third of the time of its usual one for a tenth more bytes at most, zstd two
 * thirds or less for about as many (docs/decisions/0010-compression.md). `none` gives the bytes back.
 */
export async function compress(compression: Compression, bytes: Uint8Array): Promise<Uint8Array> {
  return compression === 'none' ? bytes : deflaters.deflate(compression, bytes);
}

/** What the content of a compressed body is said to be, bytes; 0 where it is not said. It may be a lie. */
export function toldBytes(encoding: Encoding, body: Uint8Array): number {
  if (encoding === 'zstd') return sizeOfZstd(body)?.toldBytes ?? 0;
  return encoding === 'gzip' ? gzipGuess(body) : 0;
}

/** The output size that a gzip trailer tells (RFC 1952, ISIZE): a hint, since only the last member's and modulo 2^32. */
function gzipGuess(body: Uint8Array): number {
  const at = body.length - 4;
  if (at < 0) return 0;
  const told = Buffer.from(body.buffer, body.byteOffset + at, 4).readUInt32LE();
  return Math.min(told, body.length * DEFLATE_RATIO_MAX);
}

/** One output buffer that holds everything, where the guess is right: no pieces to join. */
function options(guessBytes: number, limitBytes: number): { chunkSize: number; maxOutputLength: number } {
  const limit = Math.max(limitBytes, 1);
  return { chunkSize: Math.max(Math.min(guessBytes, limit), CHUNK_BYTES_MIN), maxOutputLength: limit };
}

/** Copies out of a buffer that is mostly unused, so that what is kept is what is counted. */
function trim(bytes: Buffer): Uint8Array {
  return bytes.length * 2 < bytes.buffer.byteLength ? new Uint8Array(bytes) : bytes;
}
