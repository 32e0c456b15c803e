import { bodies, sizeClass } from '../../pipeline/buffer-pool.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import type { Budget } from './budget.ts';

/**
 * The first buffer of a body whose length was told may be this large, and later ones this many times what came: to
 * promise much and send little must not hold much.
 */
const PROMISED_BYTES_FIRST = 256 * 1024;
const PROMISED_GROWTH = 16;
/** The same where no length was told: what is not needed in the end stays with the batch, so it is little. */
const OPEN_BYTES_FIRST = 4 * 1024;
const OPEN_GROWTH = 2;

/**
 * One body on its way in. Each piece is copied into one buffer as it comes, so that the piece, which keeps a whole read
 * of the socket alive, dies young. The buffer is as large as the sender says the body will be, as soon as a part of it
 * has come; all of it counts against the budget.
 */
export class Body {
  readonly #budget: Budget;
  readonly #limitBytes: number;
  /** What is more would not fit into the whole budget either: told to wait, its sender would send it again for ever. */
  readonly #bytesMax: number;
  readonly #promisedBytes: number | undefined;
  #bytes: Buffer | undefined;
  #length = 0;
  #held = 0;

  /**
   * `promisedBytes` is the length that the sender told, if it did. Throws `too_large` where that can never fit, and what
   * the budget says where it does not fit now: nothing of it needs to be read then.
   */
  constructor(budget: Budget, limitBytes: number, promisedBytes: number | undefined) {
    this.#budget = budget;
    this.#limitBytes = limitBytes;
    this.#bytesMax = Math.min(limitBytes, budget.limitBytes);
    this.#promisedBytes = promisedBytes;
    if (promisedBytes === undefined) return;
    if (promisedBytes > this.#bytesMax) throw this.#tooLarge(`${promisedBytes} bytes`);
    budget.check(promisedBytes);
  }

  /** What it is taken from, and what is made of it should be too. */
  get budget(): Budget {
    return this.#budget;
  }

  /** What it counts against the budget. */
  get heldBytes(): number {
    return this.#held;
  }

  get length(): number {
    return this.#length;
  }

  /**
   * Throws `too_large`, or what the budget says where it is used up. A body longer than promised is for the caller to
   * refuse beforehand.
   */
  push(piece: Buffer, start = 0, end = piece.length): void {
    const needed = this.#length + end - start;
    // A buffer may be larger than that: of a size that fits others too.
    if (needed > this.#bytesMax) throw this.#tooLarge('the body');
    if (this.#bytes === undefined || needed > this.#bytes.length) this.#grow(needed);
    piece.copy(this.#bytes as Buffer, this.#length, start, end);
    this.#budget.came(end - start);
    this.#length = needed;
  }

  /** The bytes that came. They stay counted until `release`. */
  bytes(): Uint8Array {
    return this.#bytes === undefined ? Buffer.alloc(0) : this.#bytes.subarray(0, this.#length);
  }

  /** Gives the budget back, and the memory, of which nobody may read any more. Legal twice. */
  release(): void {
    // Where no memory could be had, there is the budget alone.
    if (this.#bytes !== undefined) bodies.give(this.#bytes);
    this.#forget();
  }

  /** Gives the budget back and leaves the memory to the caller. Legal once. */
  handOver(): Buffer | undefined {
    const bytes = this.#bytes;
    this.#forget();
    return bytes;
  }

  #forget(): void {
    this.#budget.give(this.#held);
    this.#held = 0;
    this.#bytes = undefined;
    this.#length = 0;
  }

  #grow(needed: number): void {
    const promised = this.#promisedBytes;
    const wanted =
      promised === undefined
        ? Math.min(Math.max(OPEN_BYTES_FIRST, needed * OPEN_GROWTH), this.#bytesMax)
        : Math.min(Math.max(PROMISED_BYTES_FIRST, needed * PROMISED_GROWTH), promised);
    const capacity = Math.max(needed, wanted);
    // The rest of the buffer does not count where the budget is as small as the request: it would never fit.
    const held = Math.max(needed, Math.min(sizeClass(capacity), this.#budget.limitBytes));
    // The two are there together only for the length of the copy below, in which nothing else happens.
    this.#budget.take(held - this.#held);
    this.#held = held;
    const grown = bodies.take(capacity);
    if (this.#bytes !== undefined) {
      this.#bytes.copy(grown, 0, 0, this.#length);
      bodies.give(this.#bytes);
    }
    this.#bytes = grown;
  }

  #tooLarge(what: string): PipelineError {
    const key = this.#bytesMax === this.#limitBytes ? 'max_request_size' : this.#budget.name;
    return new PipelineError('too_large', `${what}, where ${key} allows ${this.#bytesMax}`);
  }
}
