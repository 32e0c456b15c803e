import { PipelineError } from '../../pipeline/errors.ts';
import type { Held } from '../../pipeline/workers/siblings.ts';

/**
 * Bytes that requests may hold together. What does not fit is refused, never waited for. Where several threads share a
 * limit, two that take at the same moment may pass it, by what they take then.
 */
export class Budget {
  readonly limitBytes: number;
  readonly #held: Held;

  /** `held`: what the receiver holds over all threads. */
  constructor(limitBytes: number, held: Held = new Alone()) {
    this.limitBytes = limitBytes;
    this.#held = held;
  }

  get freeBytes(): number {
    return this.limitBytes - this.#held.all;
  }

  get usedBytes(): number {
    return this.#held.all;
  }

  /** Throws `memory_limit` where `bytes` more do not fit. */
  check(bytes: number): void {
    if (bytes <= this.freeBytes) return;
    throw new PipelineError(
      'memory_limit',
      `${this.#held.all} of ${this.limitBytes} bytes of max_in_flight are in use`,
    );
  }

  /** Takes `bytes`, or throws `memory_limit`. */
  take(bytes: number): void {
    this.check(bytes);
    this.#held.own += bytes;
  }

  give(bytes: number): void {
    this.#held.own -= bytes;
  }
}

/** What one thread holds where there is no other. */
class Alone implements Held {
  own = 0;

  get all(): number {
    return this.own;
  }
}
