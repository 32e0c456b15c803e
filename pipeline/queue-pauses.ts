import type { RetryConfig } from './queue-config.ts';

/** The pauses between attempts: each longer than the one before, up to a limit, and by chance a half shorter or longer. */
export class Pauses {
  readonly #retry: RetryConfig;
  readonly #random: () => number;
  #ms: number;

  /** `random`: from 0 to 1. */
  constructor(retry: RetryConfig, random: () => number) {
    this.#retry = retry;
    this.#random = random;
    this.#ms = retry.initial_interval;
  }

  /** The next one, ms; at least what the destination asked for. */
  next(retryAfterMs = 0): number {
    const jittered = this.#ms * (0.5 + this.#random());
    this.#ms = Math.min(this.#ms * this.#retry.multiplier, this.#retry.max_interval);
    return Math.max(jittered, retryAfterMs);
  }
}
