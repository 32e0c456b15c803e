import { availableParallelism } from 'node:os';
import { constants, createGzip, createZstdCompress, type Gzip, type ZlibReset, type ZstdCompress } from 'node:zlib';
import { Fifo } from './fifo.ts';
import { GZIP_FASTEST, Recoder, ZSTD_FASTEST } from './recoder.ts';

/** Each piece of output is a way to the thread pool and back. */
const CHUNK_BYTES = 64 * 1024;
/** For how long an encoder stays that nothing is given to: it holds up to some MiB. */
const IDLE_MS = 10_000;
/** libuv has four threads, unless it is told otherwise. */
const LANES_MAX = Math.min(Number(process.env.UV_THREADPOOL_SIZE) || 4, availableParallelism());

/**
 * The largest body that is compressed in the calling thread: beyond it that takes longer than the way to the thread pool
 * and back (docs/decisions/0010-compression.md).
 */
const SMALL_BYTES_MAX = 32 * 1024;
/** What a body of random bytes becomes longer by, and more. */
const OVERHEAD_BYTES_MAX = 1024;

/** With `flush` each write is a whole body: its length is known from the first byte on. */
const STREAMS = {
  gzip: () => createGzip({ ...GZIP_FASTEST, flush: constants.Z_FINISH, chunkSize: CHUNK_BYTES }),
  zstd: () => createZstdCompress({ ...ZSTD_FASTEST, flush: constants.ZSTD_e_end, chunkSize: CHUNK_BYTES }),
} as const;

/**
 * Compresses bodies, one after the other with the same encoder of Node: small ones in the calling thread, others in the
 * thread pool, there no more at a time than threads and cores can.
 */
export class Deflaters {
  readonly #small = { gzip: new Recoder('gzip'), zstd: new Recoder('zstd') };
  readonly #lanes = { gzip: new EncoderLanes('gzip'), zstd: new EncoderLanes('zstd') };
  #room: Buffer | undefined;

  /** Rejects where there is no memory for it. */
  async deflate(encoding: keyof typeof STREAMS, bytes: Uint8Array): Promise<Uint8Array> {
    if (bytes.length <= SMALL_BYTES_MAX) {
      const room = (this.#room ??= Buffer.allocUnsafeSlow(SMALL_BYTES_MAX + OVERHEAD_BYTES_MAX));
      const length = this.#small[encoding].into(room, bytes);
      if (length !== undefined) return Buffer.from(room.subarray(0, length));
    }
    return this.#lanes[encoding].deflate(bytes);
  }
}

/** The encoders of one encoding, in the thread pool. */
export class EncoderLanes {
  readonly #encoding: keyof typeof STREAMS;
  readonly #idle: Encoder[] = [];
  readonly #waiting = new Fifo<() => void>();
  #busy = 0;
  #expiry: NodeJS.Timeout | undefined;

  constructor(encoding: keyof typeof STREAMS) {
    this.#encoding = encoding;
  }

  async deflate(bytes: Uint8Array): Promise<Uint8Array> {
    while (this.#busy === LANES_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#busy++;
    try {
      const encoder = this.#idle.pop() ?? new Encoder(this.#encoding);
      const deflated = await encoder.deflate(bytes);
      // One that fails is not used again.
      this.#keep(encoder);
      return deflated;
    } finally {
      this.#busy--;
      this.#waiting.shift()?.();
    }
  }

  #keep(encoder: Encoder): void {
    this.#idle.push(encoder);
    this.#expiry ??= setTimeout(() => this.#expire(), IDLE_MS).unref();
    this.#expiry.refresh();
  }

  #expire(): void {
    for (const encoder of this.#idle.splice(0)) encoder.close();
  }
}

/** Compresses one body at a time. */
class Encoder {
  readonly #stream: Gzip | ZstdCompress;
  readonly #pieces: Buffer[] = [];
  /** gzip has to be told that another body begins (its types say this of deflate only); zstd knows, and would be made anew. */
  readonly #reset: () => void;

  constructor(encoding: keyof typeof STREAMS) {
    const stream = STREAMS[encoding]();
    this.#stream = stream.on('data', (piece: Buffer) => this.#pieces.push(piece)).on('error', () => {});
    this.#reset = encoding === 'gzip' ? () => (stream as Gzip & ZlibReset).reset() : () => {};
  }

  deflate(bytes: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#stream.write(bytes, (error) => {
        if (error) return reject(error);
        const last = this.#stream.read() as Buffer | null;
        const pieces = this.#pieces.splice(0);
        if (last !== null) pieces.push(last);
        this.#reset();
        resolve(pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces));
      });
    });
  }

  close(): void {
    this.#stream.destroy();
  }
}
