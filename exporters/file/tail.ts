import { type FileHandle, open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { crc32, createInflateRaw, createZstdDecompress } from 'node:zlib';
import type { Compression } from '../../pipeline/compression.ts';

/** How what was written at once, one member or frame, is recognised. */
interface Format {
  /** What each begins with. */
  readonly magic: Buffer;
  /** Bytes of the one that these begin with; undefined where it is cut short, or none. */
  lengthOf(bytes: Buffer): Promise<number | undefined>;
}

const NEWLINE = 10;
const PIECE_BYTES = 256 * 1024;
/** How far from the end a whole member is looked for: what a batch comes to, and far more. */
const LOOK_BACK_BYTES_MAX = 64 * 1024 * 1024;
/** RFC 1952, 2.3: a header without a name or anything else that is optional, which is how zlib writes it. */
const GZIP_HEADER_BYTES = 10;
/** The checksum and the length after the data. */
const GZIP_TRAILER_BYTES = 8;

const FORMATS: Record<Exclude<Compression, 'none'>, Format> = {
  gzip: { magic: Buffer.from([0x1f, 0x8b, 8, 0]), lengthOf: gzipLength },
  zstd: { magic: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), lengthOf: zstdLength },
};

/**
 * How many bytes of a file hold whole lines, and the rest a piece of one that a crash has left. Undefined where that
 * cannot be told: no whole line is found, or what is there is not as `compression` says.
 */
export async function wholeBytes(path: string, size: number, compression: Compression): Promise<number | undefined> {
  if (size === 0) return 0;
  const file = await open(path, 'r');
  try {
    return compression === 'none' ? await wholeText(file, size) : await wholeMembers(file, size, FORMATS[compression]);
  } finally {
    await file.close();
  }
}

async function wholeText(file: FileHandle, size: number): Promise<number | undefined> {
  // In compressed bytes a newline is nothing to go by.
  const head = await bytesOf(file, 0, Math.min(size, 4));
  if (Object.values(FORMATS).some(({ magic }) => head.equals(magic))) return undefined;
  for (let end = size; end > 0; end -= PIECE_BYTES) {
    const start = Math.max(0, end - PIECE_BYTES);
    const at = (await bytesOf(file, start, end)).lastIndexOf(NEWLINE);
    if (at !== -1) return start + at + 1;
  }
  return undefined;
}

/** Members do not tell where they begin: so the last that can be decoded is looked for, further and further back. */
async function wholeMembers(file: FileHandle, size: number, format: Format): Promise<number | undefined> {
  for (let span = PIECE_BYTES; ; span *= 8) {
    const start = Math.max(0, size - Math.min(span, LOOK_BACK_BYTES_MAX));
    const tail = await bytesOf(file, start, size);
    const end = await endOfLast(tail, format);
    if (end !== undefined) return isPieceOfMember(tail.subarray(end), format) ? start + end : undefined;
    if (start === 0 || span >= LOOK_BACK_BYTES_MAX) return undefined;
  }
}

/** Where the last whole member among these bytes ends. */
async function endOfLast(tail: Buffer, { magic, lengthOf }: Format): Promise<number | undefined> {
  for (let at = tail.lastIndexOf(magic); at !== -1; at = at === 0 ? -1 : tail.lastIndexOf(magic, at - 1)) {
    const length = await lengthOf(tail.subarray(at));
    if (length !== undefined) return at + length;
  }
  return undefined;
}

/** Something else, such as what another program has added, is not ours to cut off. */
function isPieceOfMember(rest: Buffer, { magic }: Format): boolean {
  const compared = Math.min(rest.length, magic.length);
  return rest.subarray(0, compared).equals(magic.subarray(0, compared));
}

async function gzipLength(bytes: Buffer): Promise<number | undefined> {
  const inflate = createInflateRaw();
  inflate.end(bytes.subarray(GZIP_HEADER_BYTES));
  let checksum = 0;
  const isWhole = await drained(inflate, (chunk) => (checksum = crc32(chunk, checksum)));
  const end = GZIP_HEADER_BYTES + inflate.bytesWritten;
  const length = end + GZIP_TRAILER_BYTES;
  return isWhole && length <= bytes.length && bytes.readUInt32LE(end) === checksum ? length : undefined;
}

async function zstdLength(bytes: Buffer): Promise<number | undefined> {
  // Stops after the first frame.
  const decoder = createZstdDecompress();
  decoder.end(bytes);
  return (await drained(decoder, () => {})) ? decoder.bytesWritten : undefined;
}

/** Reads to the end piece by piece, since it may be much more than what it comes from. False where it is broken. */
async function drained(decoder: Readable, take: (chunk: Buffer) => void): Promise<boolean> {
  try {
    for await (const chunk of decoder) take(chunk as Buffer);
    return true;
  } catch {
    return false;
  }
}

/** Less where the file has become shorter meanwhile. */
async function bytesOf(file: FileHandle, start: number, end: number): Promise<Buffer> {
  const bytes = Buffer.alloc(end - start);
  let length = 0;
  while (length < bytes.length) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length, start + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}
