import { setImmediate } from 'node:timers/promises';

/**
 * How long others may be kept waiting. What is between two looks at the clock, and a pause of the garbage collector,
 * comes on top.
 */
const TURN_MS = 10;

/** Long work that can pause at each `yield`. */
export type Steps<T> = Generator<void, T, void>;

/** Does work when whatever was begun before it is done. */
export type InTurn = <T>(work: () => Promise<T>) => Promise<T>;

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

  /** Goes through the steps, and gives others a turn in between and at the end. */
  async through<T>(steps: Steps<T>): Promise<T> {
    for (;;) {
      const { done, value } = steps.next();
      if (this.isOver) await this.pass();
      if (done) return value;
    }
  }
}

/** Goes through the steps without a pause. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
