import { constants, createGunzip, createZstdDecompress, type Gunzip, type ZstdDecompress } from 'node:zlib';

/** A decoder of Node, with what it has inside. */
type Decoder = (Gunzip | ZstdDecompress) & {
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
  create(): Gunzip | ZstdDecompress;
  /** With it, a body that ends too early is an error. */
  readonly finish: number;
  /** Whether a decoder has to be told that another body begins; one of zstd knows, and would be made anew. */
  readonly isReset: boolean;
}

const KINDS = {
  gzip: { create: createGunzip, finish: constants.Z_FINISH, isReset: true },
  zstd: { create: createZstdDecompress, finish: constants.ZSTD_e_end, isReset: false },
} as const satisfies Record<string, Kind>;

/**
 * The largest room after which a decoder is kept. One of zstd may hold as much memory as what it inflated last; 8 MiB is
 * what every decoder should support (RFC 8878, 3.1.1.1.2).
 */
const KEPT_ROOM_BYTES_MAX = 8 * 1024 * 1024;

/**
 * Inflates one body after the other with the same decoder of Node. One for each body costs some 40 KiB (zstd: 300) outside
 * the heap, of which V8 learns late that they are free, and a good third of the time (zstd: most of it; bench/micro). That
 * a decoder can be used again is not documented; where it cannot, `into` says so.
 */
export class Inflater {
  readonly #kind: Kind;
  #decoder: Decoder | undefined;

  constructor(encoding: keyof typeof KINDS) {
    this.#kind = KINDS[encoding];
  }

  /**
   * Inflates a body that leaves at least a byte of `room` free, and returns its length there. Undefined where that
   * fails, whatever the reason: the body is wrong or larger, or the decoder is not what we think.
   */
  into(room: Uint8Array, body: Uint8Array): number | undefined {
    const decoder = (this.#decoder ??= fresh(this.#kind));
    const length = this.#inflate(decoder, room, body);
    // What ended in the middle of a body would take the next one for the rest of it.
    if (length === undefined || room.length > KEPT_ROOM_BYTES_MAX) {
      this.#decoder = undefined;
      decoder.destroy();
    }
    return length;
  }

  #inflate(decoder: Decoder, room: Uint8Array, body: Uint8Array): number | undefined {
    const { _handle: handle, _writeState: state } = decoder;
    const { finish, isReset } = this.#kind;
    if (!handle?.reset || !handle.writeSync || state === undefined) return undefined;
    if (isReset) handle.reset();
    let outputLeft = room.length;
    let inputLeft = body.length;
    // A frame of zstd at a time; all members of gzip at once.
    while (inputLeft > 0) {
      handle.writeSync(finish, body, body.length - inputLeft, inputLeft, room, room.length - outputLeft, outputLeft);
      const [out = 0, rest = 0] = state;
      if (decoder.destroyed || out === 0 || rest === inputLeft) return undefined;
      outputLeft = out;
      inputLeft = rest;
    }
    return body.length === 0 ? undefined : room.length - outputLeft;
  }
}

function fresh(kind: Kind): Decoder {
  // A wrong body destroys it; whoever inflates the body again tells what is wrong.
  return kind.create().on('error', () => {}) as Decoder;
}
