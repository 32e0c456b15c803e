import { availableParallelism } from 'node:os';
import { constants, createGzip, createZstdCompress, type Gzip, type ZlibReset, type ZstdCompress } from 'node:zlib';
import { Fifo } from './fifo.ts';

/** Each piece of output is a way to the thread pool and back. */
const CHUNK_BYTES = 64 * 1024;
/** For how long an encoder stays that nothing is given to: it holds up to some MiB. */
const IDLE_MS = 10_000;
/** libuv has four threads, unless it is told otherwise. */
const AT_ONCE_MAX = Math.min(Number(process.env.UV_THREADPOOL_SIZE) || 4, availableParallelism());

/** What makes a stream that compresses. With `flush` each write is a whole body: its length is known from the first byte on. */
const KINDS = {
  gzip: () => createGzip({ level: constants.Z_BEST_SPEED, flush: constants.Z_FINISH, chunkSize: CHUNK_BYTES }),
  zstd: () =>
    createZstdCompress({
      params: { [constants.ZSTD_c_compressionLevel]: 1 },
      flush: constants.ZSTD_e_end,
      chunkSize: CHUNK_BYTES,
    }),
} as const;

/**
 * Compresses bodies in the thread pool, one after the other with the same encoder of Node, and no more of them at a time
 * than threads and cores can. An encoder is memory that is set up before its first byte, a quarter of a MiB for gzip and
 * more for zstd: one for each body took most of the time of zstd, and a quarter of gzip's (bench/micro).
 */
export class Deflaters {
  readonly #lanes = { gzip: new Lanes('gzip'), zstd: new Lanes('zstd') };

  /** Rejects where there is no memory for it. */
  deflate(encoding: keyof typeof KINDS, bytes: Uint8Array): Promise<Uint8Array> {
    return this.#lanes[encoding].deflate(bytes);
  }
}

/** The encoders of one encoding. */
class Lanes {
  readonly #encoding: keyof typeof KINDS;
  readonly #idle: Encoder[] = [];
  readonly #waiting = new Fifo<() => void>();
  #busy = 0;
  #expiry: NodeJS.Timeout | undefined;

  constructor(encoding: keyof typeof KINDS) {
    this.#encoding = encoding;
  }

  async deflate(bytes: Uint8Array): Promise<Uint8Array> {
    while (this.#busy === AT_ONCE_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
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

  constructor(encoding: keyof typeof KINDS) {
    const stream = KINDS[encoding]();
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
