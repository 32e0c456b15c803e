import { PipelineError } from '../../pipeline/errors.ts';

/** Bytes that requests may hold together. What does not fit is refused, never waited for. */
export class Budget {
  readonly limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get freeBytes(): number {
    return this.limitBytes - this.#usedBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Throws `memory_limit` where `bytes` more do not fit. */
  check(bytes: number): void {
    if (bytes <= this.freeBytes) return;
    throw new PipelineError(
      'memory_limit',
      `${this.#usedBytes} of ${this.limitBytes} bytes of max_in_flight are in use`,
    );
  }

  /** Takes `bytes`, or throws `memory_limit`. */
  take(bytes: number): void {
    this.check(bytes);
    this.#usedBytes += bytes;
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}
