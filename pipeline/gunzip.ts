import { constants, createGunzip, type Gunzip as NodeGunzip } from 'node:zlib';

/** A decoder of Node, with what it has inside. */
interface Decoder extends NodeGunzip {
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
}

/**
 * Inflates one body after the other with the same decoder of Node. One for each body costs some 40 KiB outside the
 * heap, of which V8 learns late that they are free, and a good third of the time (bench/micro). That a decoder can be
 * used again is not documented; where it cannot, `into` says so.
 */
export class Gunzip {
  #decoder: Decoder | undefined;

  /**
   * Inflates a body that leaves at least a byte of `room` free, and returns its length there. Undefined where that
   * fails, whatever the reason: the body is wrong or larger, or the decoder is not what we think.
   */
  into(room: Uint8Array, body: Uint8Array): number | undefined {
    this.#decoder ??= fresh();
    const { _handle: handle, _writeState: left } = this.#decoder;
    if (!handle?.reset || !handle.writeSync || left === undefined) return undefined;
    handle.reset();
    // With Z_FINISH a body that ends too early is an error.
    handle.writeSync(constants.Z_FINISH, body, 0, body.length, room, 0, room.length);
    const [outputLeft = 0, inputLeft = 0] = left;
    if (this.#decoder.destroyed) this.#decoder = undefined;
    else if (outputLeft > 0 && inputLeft === 0) return room.length - outputLeft;
    return undefined;
  }
}

function fresh(): Decoder {
  // A wrong body destroys it; whoever inflates the body again tells what is wrong.
  return createGunzip().on('error', () => {});
}
