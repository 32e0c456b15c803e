import type { Entry } from './queue-entry.ts';

/** Telemetry that has been tried in vain, and whether it waits for its next attempt just now. The oldest first. */
export class Tried {
  readonly #isPausing = new Map<Entry, boolean>();

  /** Waits for `pause`, in which the entry may give way. False where it has: somebody else has dropped it. */
  async pause(entry: Entry, pause: Promise<void>): Promise<boolean> {
    this.#isPausing.set(entry, true);
    await pause;
    if (!this.#isPausing.has(entry)) return false;
    this.#isPausing.set(entry, false);
    return true;
  }

  /** Those that are not being tried just now, and may give way: `forget` has them do so. */
  *pausing(): Generator<Entry> {
    for (const [entry, isPausing] of this.#isPausing) if (isPausing) yield entry;
  }

  /** It has been delivered, or dropped. False where it is not one of these. */
  forget(entry: Entry): boolean {
    return this.#isPausing.delete(entry);
  }
}
