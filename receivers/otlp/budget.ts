import { PipelineError } from '../../pipeline/errors.ts';
import { memoryLimitBytes } from '../../pipeline/machine-memory.ts';
import type { Held } from '../../pipeline/workers/siblings.ts';

/** Of the memory limit, what requests may take by themselves; more than a fast machine has under way is of no use. */
const AUTO_SHARE = 1 / 16;
const AUTO_BYTES_MAX = 256 * 1024 * 1024;

/** The bytes that `max_in_flight` means. */
export function limitBytesOf(maxInFlight: number | 'auto'): number {
  return maxInFlight === 'auto' ? Math.min(Math.floor(memoryLimitBytes() * AUTO_SHARE), AUTO_BYTES_MAX) : maxInFlight;
}

/** Of a budget that is a part of another. */
export interface Share {
  readonly all: Budget;
  /** The key that sets its limit, and whose it is: `tenants.max_in_flight of tenant acme`. */
  readonly name: string;
  /** Makes the error where the share is used up; `held` bytes are in use. */
  refusal(held: number): PipelineError;
  /** So many bytes of bodies came. */
  charge(bytes: number): void;
}

/**
 * Bytes that requests may hold together. What does not fit is refused, never waited for. Where several threads share a
 * limit, two that take at the same moment may pass it, by what they take then.
 */
export class Budget {
  readonly limitBytes: number;
  readonly #held: Held;
  readonly #share: Share | undefined;

  /** `held`: what the receiver holds over all threads. `share`: the budget of which it is a part. */
  constructor(limitBytes: number, held: Held = new Alone(), share?: Share) {
    this.limitBytes = limitBytes;
    this.#held = held;
    this.#share = share;
  }

  /** What to call the limit in an error. */
  get name(): string {
    return this.#share?.name ?? 'max_in_flight';
  }

  get freeBytes(): number {
    const own = this.limitBytes - this.#held.all;
    return this.#share === undefined ? own : Math.min(own, this.#share.all.freeBytes);
  }

  get usedBytes(): number {
    return this.#held.all;
  }

  /** Throws `memory_limit`, or what the share says, where `bytes` more do not fit. */
  check(bytes: number): void {
    this.#share?.all.check(bytes);
    const held = this.#held.all;
    if (held + bytes <= this.limitBytes) return;
    throw (
      this.#share?.refusal(held) ??
      new PipelineError('memory_limit', `${held} of ${this.limitBytes} bytes of ${this.name} are in use`)
    );
  }

  /** Takes `bytes`, or throws as `check` does. */
  take(bytes: number): void {
    this.check(bytes);
    this.#add(bytes);
  }

  give(bytes: number): void {
    this.#add(-bytes);
  }

  /** Without a second look: other threads change what it would see, and then only a part would be taken. */
  #add(bytes: number): void {
    this.#held.own += bytes;
    if (this.#share !== undefined) this.#share.all.#add(bytes);
  }

  /** Bytes of a body came. */
  came(bytes: number): void {
    this.#share?.charge(bytes);
  }
}

/** What one thread holds where there is no other. */
class Alone implements Held {
  own = 0;

  get all(): number {
    return this.own;
  }
}
