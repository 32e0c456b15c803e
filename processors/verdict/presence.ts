/** A version is missed when it has paused for this many times as long as it usually does. */
const PAUSES = 6;
/** What the pause of a version that was hardly seen yet is taken for, slots. */
const FIRST_PAUSE = 60;

interface Seen {
  readonly first: number;
  last: number;
  count: number;
}

/** What `Presence` keeps. */
export interface PresenceState {
  readonly blocks: number;
  readonly versions: readonly (readonly [version: string, first: number, last: number, count: number])[];
}

/**
 * How regularly each version of a service is heard. Time is counted in blocks in which any version was: when nobody has
 * work, at night or between the runs of a batch, nobody is missed, and a canary that gets a request now and then is not
 * gone because it paused.
 */
export class Presence {
  readonly #firstPause: number;
  readonly #limit: number;
  readonly #versions = new Map<string, Seen>();
  #blocks = 0;

  /** `blockSlots`: length of a block. `limit`: versions that are remembered at least, if they are known. */
  constructor(blockSlots: number, limit: number) {
    this.#firstPause = Math.max(1, FIRST_PAUSE / blockSlots);
    this.#limit = limit;
  }

  /** The versions that were heard in a block. */
  see(versions: Iterable<string>, isKnown: (version: string) => boolean): void {
    const at = this.#blocks + 1;
    for (const version of versions) {
      this.#blocks = at;
      const seen = this.#versions.get(version);
      if (seen === undefined) this.#versions.set(version, { first: at, last: at, count: 1 });
      else {
        seen.last = at;
        seen.count++;
      }
    }
    if (this.#versions.size <= this.#limit) return;
    for (const version of this.#versions.keys()) if (!isKnown(version)) this.#versions.delete(version);
  }

  /** Whether others were heard for so long that this version should have been heard too. */
  isMissed(version: string): boolean {
    const seen = this.#versions.get(version);
    if (seen === undefined) return true;
    const usualPause = (seen.last - seen.first + this.#firstPause) / seen.count;
    return this.#blocks - seen.last >= PAUSES * usualPause;
  }

  save(): PresenceState {
    return {
      blocks: this.#blocks,
      versions: [...this.#versions].map(([version, { first, last, count }]) => [version, first, last, count] as const),
    };
  }

  restore({ blocks, versions }: PresenceState): void {
    this.#blocks = blocks;
    for (const [version, first, last, count] of versions) this.#versions.set(version, { first, last, count });
  }
}
