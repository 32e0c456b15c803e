import type { Cohort } from './cohort.ts';

/** An instance that has lived this long did not die young, slots. */
const YOUNG = 300;
/** Silent for this long, and for `GAPS` times as long as it usually paused between slots, it is dead. */
const SILENT = 60;
const GAPS = 10;
/** Instances whose end is awaited at once. */
const MAX_AWAITED = 200;

/** Watches the instances that a candidate starts: did they live, or die young? Each is told once. */
export class CrashWatch {
  readonly #since: number;
  readonly #told = new Set<string>();

  /** `since`: the slot in which the rollout began; older instances are not its own. */
  constructor(since: number) {
    this.#since = since;
  }

  /** The fates that have become known by slot `end`, in the order of names: whether each died young. */
  look({ instances }: Cohort, end: number): boolean[] {
    const fates: boolean[] = [];
    const awaited: string[] = [];
    for (const [name, { first }] of instances) if (first >= this.#since && !this.#told.has(name)) awaited.push(name);
    for (const name of awaited.sort()) {
      const { first, last } = instances.get(name) as { first: number; last: number };
      if (this.#told.size >= MAX_AWAITED) break;
      const silent = end - last;
      const hasDied = last - first < YOUNG && silent >= SILENT + GAPS * usualPause(last - first);
      if (!hasDied && last - first < YOUNG) continue;
      this.#told.add(name);
      fates.push(hasDied);
    }
    return fates;
  }

  save(): readonly string[] {
    return [...this.#told];
  }

  restore(told: readonly string[]): void {
    for (const name of told) this.#told.add(name);
  }
}

/** How long an instance may well pause: one that was seen only for moments tells little, and gets the benefit. */
function usualPause(lived: number): number {
  return lived < SILENT ? SILENT / GAPS : 0;
}
