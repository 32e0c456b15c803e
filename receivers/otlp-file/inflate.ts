import { pipeline, Readable } from 'node:stream';
import { createGunzip, createZstdDecompress, type ZstdDecompress, zstdDecompressSync } from 'node:zlib';
import { type Line, tooLong } from './lines.ts';

/** How a capture is stored. `framed`: a length (4 bytes, big-endian) and a zstd frame for each request. */
export type Storage = 'plain' | 'gzip' | 'zstd' | 'framed';

/** How many bytes `storageOf` needs. */
export const MAGIC_BYTES = 8;

const OUTPUT_CHUNK_BYTES = 256 * 1024;
/** Small, since all that comes out of one piece is held at once, and zstd may expand it thousands of times. */
const ZSTD_PIECE_BYTES = 16 * 1024;

/** Tells the storage from the first bytes of a file. */
export function storageOf(head: Buffer): Storage {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (hasZstdMagic(head, 0)) return 'zstd';
  return hasZstdMagic(head, 4) ? 'framed' : 'plain';
}

function hasZstdMagic(bytes: Buffer, at: number): boolean {
  return bytes.length >= at + 4 && bytes.readUInt32LE(at) === 0xfd2f_b528;
}

/** The content of a gzip file of any number of members. Throws zlib's error where it is broken or ends too early. */
export function gunzipped(chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const gunzip = createGunzip({ chunkSize: OUTPUT_CHUNK_BYTES });
  // The callback must exist; the error reaches whoever reads the stream.
  pipeline(Readable.from(chunks), gunzip, () => undefined);
  return gunzip;
}

/**
 * The content of a zstd file of any number of frames: Node's decoder stops after the first one and drops the rest, so
 * each frame gets a decoder. Throws zlib's error where it is broken or ends too early.
 */
export async function* unzstd(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let frame = new ZstdFrame();
  try {
    for await (const chunk of chunks) {
      let pos = 0;
      while (pos < chunk.length) {
        const piece = chunk.subarray(pos, pos + ZSTD_PIECE_BYTES);
        const { output, consumed, isComplete } = await frame.feed(piece);
        yield* output;
        pos += consumed;
        if (isComplete) {
          frame.close();
          frame = new ZstdFrame();
        }
      }
    }
    yield* await frame.finish();
  } finally {
    frame.close();
  }
}

class ZstdFrame {
  readonly #decoder: ZstdDecompress = createZstdDecompress({ chunkSize: OUTPUT_CHUNK_BYTES });
  #output: Buffer[] = [];

  constructor() {
    this.#decoder.on('data', (chunk: Buffer) => this.#output.push(chunk));
    // Each call listens for itself; an error after the last one concerns nobody.
    this.#decoder.on('error', () => undefined);
  }

  /** Decodes a piece. `consumed` is less than its length where the frame ended inside it. */
  async feed(piece: Buffer): Promise<{ output: Buffer[]; consumed: number; isComplete: boolean }> {
    const before = this.#decoder.bytesWritten;
    const isComplete = await this.#settled((done) => this.#decoder.write(piece, done));
    const consumed = isComplete ? this.#decoder.bytesWritten - before : piece.length;
    return { output: this.#take(), consumed, isComplete };
  }

  /** What is left when there is no more input; rejects if the frame is not complete. */
  async finish(): Promise<Buffer[]> {
    if (this.#decoder.bytesWritten > 0) await this.#settled(() => this.#decoder.end());
    return this.#take();
  }

  close(): void {
    this.#decoder.destroy();
  }

  #take(): Buffer[] {
    const output = this.#output;
    this.#output = [];
    return output;
  }

  /** Resolves to true when the decoder ends, to false when `act` calls back first; rejects on an error. */
  async #settled(act: (done: () => void) => void): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const onEnd = () => resolve(true);
    this.#decoder.once('end', onEnd);
    this.#decoder.once('error', reject);
    act(() => resolve(false));
    try {
      return await promise;
    } finally {
      this.#decoder.off('end', onEnd);
      this.#decoder.off('error', reject);
    }
  }
}

/** The requests of a framed capture. Each counts as one line. */
export async function* splitFrames(chunks: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Line> {
  let line = 1;
  let held: Buffer = Buffer.alloc(0);
  let skip = 0;
  for await (const chunk of chunks) {
    const skipped = Math.min(skip, chunk.length);
    skip -= skipped;
    held = Buffer.concat([held, chunk.subarray(skipped)]);
    while (held.length >= 4) {
      const length = held.readUInt32BE(0);
      if (length > maxBytes) {
        yield tooLong(line++, length, maxBytes);
        skip = Math.max(0, length + 4 - held.length);
        held = held.subarray(length + 4);
        continue;
      }
      if (held.length < length + 4) break;
      yield inflateFrame(line++, held.subarray(4, length + 4), maxBytes);
      held = held.subarray(length + 4);
    }
  }
  if (held.length > 0 || skip > 0)
    yield { line, code: 'malformed', problem: 'the file ends in the middle of a request' };
}

function inflateFrame(line: number, frame: Buffer, maxBytes: number): Line {
  try {
    return { line, bytes: zstdDecompressSync(frame, { maxOutputLength: maxBytes }) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      return { line, code: 'too_large', problem: `the request inflates to more than max_line allows (${maxBytes})` };
    }
    return { line, code: 'malformed', problem: `the zstd data is broken (${(error as Error).message})` };
  }
}
