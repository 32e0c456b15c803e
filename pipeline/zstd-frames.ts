/**
 * What the headers of zstd tell of a body before it is inflated (RFC 8878, 3.1), so that what it inflates to finds room at
 * once: Node begins with a guess, and joins pieces.
 */

/** What a body of zstd inflates to, bytes. */
export interface ZstdSize {
  /** No more than this. */
  readonly mostBytes: number;
  /** Exactly this; 0 where a frame does not tell. It may be a lie, which the decoder finds out. */
  readonly toldBytes: number;
}

/** Each frame costs something by itself, so that a body of millions of empty ones would stop the thread. */
export const ZSTD_FRAMES_MAX = 64;

const FRAME_MAGIC = 0xfd2fb528;
/** Sixteen of them: the last four bits are free. */
const SKIPPABLE_MAGIC = 0x184d2a50;
/** What a block inflates to at most (3.1.1.2.4). */
const BLOCK_BYTES_MAX = 128 * 1024;
/** A frame that wants more of a window is refused, unless there is room for all of it at once; no client needs that. */
const WINDOW_BYTES_MAX = 2 ** 27;
const BLOCK_HEADER_BYTES = 3;
const CHECKSUM_BYTES = 4;
const BLOCK_TYPES = { raw: 0, repeated: 1, compressed: 2 } as const;
/** By the two bits of the frame header that tell it (3.1.1.1.1). */
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];

/** Undefined where the body is no row of whole frames, or one of too many: what is wrong with it, the decoder tells. */
export function sizeOfZstd(body: Uint8Array): ZstdSize | undefined {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  let most = 0;
  let told: number | undefined = 0;
  let at = 0;
  try {
    for (let frames = 0; at < body.length; frames++) {
      const frame = frames < ZSTD_FRAMES_MAX ? frameAt(view, at) : undefined;
      if (frame === undefined || frame.end > body.length) return undefined;
      at = frame.end;
      most += frame.mostBytes;
      told = told === undefined || frame.toldBytes === undefined ? undefined : told + frame.toldBytes;
    }
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  return { mostBytes: most, toldBytes: told ?? 0 };
}

interface Frame {
  /** Where the next one begins. */
  readonly end: number;
  readonly mostBytes: number;
  readonly toldBytes: number | undefined;
}

/** Throws `RangeError` where it is cut off. */
function frameAt(view: DataView, start: number): Frame | undefined {
  const magic = view.getUint32(start, true);
  if ((magic & ~0xf) >>> 0 === SKIPPABLE_MAGIC) {
    return { end: start + 8 + view.getUint32(start + 4, true), mostBytes: 0, toldBytes: 0 };
  }
  if (magic !== FRAME_MAGIC) return undefined;
  const descriptor = view.getUint8(start + 4);
  const isSingle = (descriptor & 0x20) !== 0;
  let at = start + 5;
  const windowBytes = isSingle ? BLOCK_BYTES_MAX : windowBytesOf(view.getUint8(at++));
  if (windowBytes > WINDOW_BYTES_MAX) return undefined;
  at += DICTIONARY_ID_BYTES[descriptor & 3] as number;
  const sizeBytes = Math.max(CONTENT_SIZE_BYTES[descriptor >>> 6] as number, isSingle ? 1 : 0);
  const toldBytes = contentSizeAt(view, at, sizeBytes);
  const blocks = blocksAt(view, at + sizeBytes, Math.min(BLOCK_BYTES_MAX, windowBytes));
  if (blocks === undefined) return undefined;
  const hasChecksum = (descriptor & 4) !== 0;
  return {
    end: blocks.end + (hasChecksum ? CHECKSUM_BYTES : 0),
    mostBytes: Math.min(blocks.mostBytes, toldBytes ?? Number.POSITIVE_INFINITY),
    toldBytes,
  };
}

/** Eighths of a power of two (3.1.1.1.2). */
function windowBytesOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3));
  return base + (base / 8) * (descriptor & 7);
}

function contentSizeAt(view: DataView, at: number, bytes: number): number | undefined {
  switch (bytes) {
    case 0:
      return undefined;
    case 1:
      return view.getUint8(at);
    case 2:
      return view.getUint16(at, true) + 256;
    case 4:
      return view.getUint32(at, true);
    default:
      return Number(view.getBigUint64(at, true));
  }
}

/** Where the blocks end that begin at `start`, and what they inflate to at most. */
function blocksAt(view: DataView, start: number, mostOfOne: number): Pick<Frame, 'end' | 'mostBytes'> | undefined {
  let at = start;
  let mostBytes = 0;
  for (;;) {
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    const type = (header >>> 1) & 3;
    const size = header >>> 3;
    if (type > BLOCK_TYPES.compressed) return undefined;
    mostBytes += type === BLOCK_TYPES.compressed ? mostOfOne : size;
    at += BLOCK_HEADER_BYTES + (type === BLOCK_TYPES.repeated ? 1 : size);
    if ((header & 1) !== 0) return { end: at, mostBytes };
  }
}
