import {
  constants,
  createGunzip,
  createGzip,
  createZstdCompress,
  createZstdDecompress,
  type Gunzip,
  type Gzip,
  type ZstdCompress,
  type ZstdDecompress,
} from 'node:zlib';

type Stream = Gzip | Gunzip | ZstdCompress | ZstdDecompress;

/** A stream of Node that compresses or inflates, with what it has inside. */
type Opened = Stream & {
  /** After a write: what is left of the output, and of the input, bytes. */
  readonly _writeState?: Uint32Array;
  readonly _handle?: {
    reset?(): void;
    writeSync?(
      flush: number,
      input: Uint8Array,
      inputAt: number,
      inputBytes: number,
      output: Uint8Array,
      outputAt: number,
      outputBytes: number,
    ): void;
  } | null;
};

interface Kind {
  create(): Stream;
  /** Ends what is compressed; where something is inflated that ends too early, it is an error. */
  readonly finish: number;
  /** Whether it has to be told that another body begins; one of zstd knows, and would be made anew. */
  readonly isReset: boolean;
}

export const ZSTD_FASTEST = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
export const GZIP_FASTEST = { level: constants.Z_BEST_SPEED };

const KINDS = {
  gzip: { create: () => createGzip(GZIP_FASTEST), finish: constants.Z_FINISH, isReset: true },
  gunzip: { create: () => createGunzip(), finish: constants.Z_FINISH, isReset: true },
  zstd: { create: () => createZstdCompress(ZSTD_FASTEST), finish: constants.ZSTD_e_end, isReset: false },
  unzstd: { create: () => createZstdDecompress(), finish: constants.ZSTD_e_end, isReset: false },
} as const satisfies Record<string, Kind>;

/**
 * The largest room after which a stream is kept. One of zstd may hold as much memory as what it inflated last; 8 MiB is
 * what every decoder should support (RFC 8878, 3.1.1.1.2).
 */
const KEPT_ROOM_BYTES_MAX = 8 * 1024 * 1024;

/**
 * Compresses or inflates one body after the other with the same stream of Node, in the calling thread. A stream for each
 * body is memory that has to be set up before its first byte, and of which V8 learns late that it is free: it costs more
 * than the work itself (docs/decisions/0010-compression.md). That a stream can be used again in this way is not
 * documented; where it cannot, `into` says so.
 */
export class Recoder {
  readonly #kind: Kind;
  #stream: Opened | undefined;

  constructor(kind: keyof typeof KINDS) {
    this.#kind = KINDS[kind];
  }

  /**
   * Makes of a body what leaves at least a byte of `room` free, and returns its length there. Undefined where that fails,
   * whatever the reason: the body is empty or wrong, the outcome is larger, or the stream is not what we think.
   */
  into(room: Uint8Array, body: Uint8Array): number | undefined {
    const stream = (this.#stream ??= opened(this.#kind));
    const length = this.#run(stream, room, body);
    // What ended in the middle of a body would take the next one for the rest of it.
    if (length === undefined || room.length > KEPT_ROOM_BYTES_MAX) {
      this.#stream = undefined;
      stream.destroy();
    }
    return length;
  }

  #run(stream: Opened, room: Uint8Array, body: Uint8Array): number | undefined {
    const { _handle: handle, _writeState: state } = stream;
    const { finish, isReset } = this.#kind;
    if (body.length === 0 || !handle?.reset || !handle.writeSync || state === undefined) return undefined;
    if (isReset) handle.reset();
    let outputLeft = room.length;
    let inputLeft = body.length;
    // Of what is inflated: a frame of zstd at a time; all members of gzip at once.
    while (inputLeft > 0) {
      handle.writeSync(finish, body, body.length - inputLeft, inputLeft, room, room.length - outputLeft, outputLeft);
      const [out = 0, rest = 0] = state;
      if (stream.destroyed || out === 0 || rest === inputLeft) return undefined;
      outputLeft = out;
      inputLeft = rest;
    }
    return room.length - outputLeft;
  }
}

function opened(kind: Kind): Opened {
  // A wrong body destroys it; whoever inflates the body again tells what is wrong.
  return kind.create().on('error', () => {}) as Opened;
}
