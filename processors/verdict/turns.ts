import { setImmediate } from 'node:timers/promises';

/** How long others may be kept waiting. */
const TURN_MS = 20;

/** Shares the event loop: long work asks now and then, and gives others a turn when its own has become too long. */
export class Turns {
  #since = performance.now();

  /** Whether others should have a turn. */
  get isOver(): boolean {
    return performance.now() - this.#since >= TURN_MS;
  }

  /** Resolves when everybody who waited has had a turn. */
  async pass(): Promise<void> {
    await setImmediate();
    this.#since = performance.now();
  }
}
