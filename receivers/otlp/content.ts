import type { TelemetrySignal } from '../../pipeline/batch.ts';
import { bodies } from '../../pipeline/buffer-pool.ts';
import { type Encoding, inflate, type Rooms, toldBytes } from '../../pipeline/compression.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import type { Lease } from '../../pipeline/lease.ts';
import type { Body } from './body.ts';

/**
 * Makes the protobuf form of an inflated body, in memory from `rooms` or in some of its own. Throws a `PipelineError`
 * where the body is malformed, and what `rooms` throw.
 */
export type Decode = (
  signal: TelemetrySignal,
  text: Uint8Array,
  rooms: Rooms,
) => {
  readonly bytes: Uint8Array;
  /** What was taken from `rooms`, where the bytes lie there. */
  readonly room?: Buffer;
};

/**
 * The content of one request: its body as it came, then inflated, then as protobuf. It counts against the budget, and
 * what it was before is given back as soon as it has become something else.
 */
export class Content {
  readonly #body: Body;
  #bytes: Uint8Array;
  /** The memory of the bytes, where that is pooled and not the body's. */
  #room: Buffer | undefined;
  /** What it counts against the budget beside the body. */
  #held = 0;

  constructor(body: Body) {
    this.#body = body;
    this.#bytes = body.bytes();
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** What does not fit into the budget is not inflated either, only as far as it takes to see that. */
  inflate(encoding: Encoding, limitBytes: number): void {
    const { budget, heldBytes } = this.#body;
    const free = budget.freeBytes;
    // What is more than this can never be taken; what is less can be once others are done.
    const most = Math.min(limitBytes, budget.limitBytes - heldBytes);
    const told = toldBytes(encoding, this.#bytes);
    if (told <= most) budget.check(told);
    const rooms: Rooms = {
      take: (bytes) => (this.#room = bodies.take(bytes)),
      give: (unused) => {
        this.#room = undefined;
        bodies.give(unused);
      },
    };
    try {
      this.#bytes = inflate(encoding, this.#bytes, Math.min(limitBytes, free), rooms);
    } catch (error) {
      if (!(error instanceof PipelineError && error.code === 'too_large')) throw error;
      if (free < most) {
        budget.check(free + 1);
        // Another thread has given some back meanwhile: it was no larger than what can be taken.
        throw new PipelineError('memory_limit', `${free} bytes of ${budget.name} were free`, { cause: error });
      }
      const key = limitBytes <= free ? 'max_request_size' : budget.name;
      throw new PipelineError('too_large', `${error.detail}: the limit is ${key}`, { cause: error });
    }
    budget.take(this.#bytes.length);
    this.#held = this.#bytes.length;
    this.#body.release();
  }

  /** Makes protobuf of it. */
  decode(decode: Decode, signal: TelemetrySignal): void {
    const { budget } = this.#body;
    const text = this.#bytes;
    const rooms: Rooms = {
      take: (bytes) => {
        // As much again as there is may be there for the moment, in which nothing else happens; more than that must fit.
        budget.check(Math.max(0, bytes - 2 * text.length));
        return bodies.take(bytes);
      },
      give: (unused) => bodies.give(unused),
    };
    const { bytes, room } = decode(signal, text, rooms);
    this.#letGo();
    this.#bytes = room === undefined ? bytes : this.#fitted(bytes, room);
    budget.take(bytes.length);
    this.#held = bytes.length;
  }

  /** Now that it is read, it takes `memoryBytes`: what of that is beyond its bytes counts against the budget as well. */
  charge(memoryBytes: number): void {
    const more = memoryBytes - this.#bytes.length;
    if (more <= 0) return;
    this.#body.budget.take(more);
    this.#held += more;
  }

  /** A copy that takes no more memory than it needs: it may wait in a queue, and text is twice as long as protobuf. */
  #fitted(bytes: Uint8Array, room: Buffer): Uint8Array {
    const own = bodies.take(bytes.length);
    own.set(bytes);
    bodies.give(room);
    this.#room = own;
    return own.subarray(0, bytes.length);
  }

  /** Gives back all that it is. */
  #letGo(): void {
    this.#body.release();
    this.#body.budget.give(this.#held);
    this.#held = 0;
    if (this.#room !== undefined) bodies.give(this.#room);
    this.#room = undefined;
  }

  /** Gives the budget back, and leaves the memory to whoever still holds the lease. Legal once. */
  handOver(lease: Lease): void {
    const own = this.#body.handOver() ?? this.#room;
    if (own !== undefined) lease.onEnd(() => bodies.give(own));
    this.#room = undefined;
    this.#body.budget.give(this.#held);
    this.#held = 0;
  }
}
