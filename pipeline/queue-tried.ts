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

  /** The oldest that is not being tried just now, which gives way; undefined where there is none. */
  giveWay(): Entry | undefined {
    for (const [entry, isPausing] of this.#isPausing) {
      if (!isPausing) continue;
      this.#isPausing.delete(entry);
      return entry;
    }
    return undefined;
  }

  /** It has been delivered, or dropped. */
  forget(entry: Entry): void {
    this.#isPausing.delete(entry);
  }
}
