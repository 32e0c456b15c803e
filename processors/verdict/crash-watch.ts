import type { Cohort, Lifetime } from './cohort.ts';

/** An instance that has lived this long did not die young, slots. */
const YOUNG = 300;
/** Silent for this long, and for `GAPS` times as long as it usually paused between slots, it is dead. */
const SILENT = 60;
const GAPS = 10;
/** Events that an instance like the others would have brought while it was silent: with fewer it may just be idle. */
const MISSED = 10;
/** Slots that the events of an instance are looked for in: those of the window `30m`. */
const RECENT = 1800;
/** Instances whose end is awaited at once. */
const MAX_AWAITED = 200;

/** What a `CrashWatch` keeps. */
export interface CrashWatchState {
  readonly told: readonly string[];
  readonly deaths: number;
}

/** Watches the instances that a version starts: did they live, or die young? Each is told once. */
export class CrashWatch {
  readonly #since: number;
  readonly #told = new Set<string>();
  #deaths = 0;

  /** `since`: the slot in which the rollout began; older instances are not its own. */
  constructor(since: number) {
    this.#since = since;
  }

  /** The fates that have become known by slot `end`, in the order of names: whether each died young. */
  look(cohort: Cohort, end: number): boolean[] {
    const { instances } = cohort;
    const awaited: string[] = [];
    if (this.#told.size >= MAX_AWAITED) return [];
    for (const [name, { first, last }] of instances) {
      if (first < this.#since || this.#told.has(name)) continue;
      if (last - first >= YOUNG || end - last >= SILENT) awaited.push(name);
    }
    if (awaited.length === 0) return [];
    const idle = MISSED / eventRate(cohort, end);
    const fates: boolean[] = [];
    for (const name of awaited.sort()) {
      const { first, last } = instances.get(name) as Lifetime;
      if (this.#told.size >= MAX_AWAITED) break;
      const hasDied = last - first < YOUNG && end - last >= Math.max(idle, SILENT + GAPS * usualPause(last - first));
      if (!hasDied && last - first < YOUNG) continue;
      this.#told.add(name);
      if (hasDied) this.#deaths++;
      fates.push(hasDied);
    }
    return fates;
  }

  /** The part of instances that died young, leaning to one half while they are few; 0 where none has. */
  get deathRate(): number {
    return this.#deaths === 0 ? 0 : (this.#deaths + 1) / (this.#told.size + 2);
  }

  save(): CrashWatchState {
    return { told: [...this.#told], deaths: this.#deaths };
  }

  restore({ told, deaths }: CrashWatchState): void {
    for (const name of told) this.#told.add(name);
    this.#deaths = deaths;
  }
}

/** How long an instance may well pause: one that was seen only for moments tells little, and gets the benefit. */
function usualPause(lived: number): number {
  return lived < SILENT ? SILENT / GAPS : 0;
}

/** Events of an instance in a slot, at least: as if all of the last half hour were still at work. */
function eventRate(cohort: Cohort, end: number): number {
  const events = Math.max(cohort.pair('errors', '30m').all, cohort.pair('log_errors', '30m').all);
  let slots = 0;
  for (const { first, last } of cohort.instances.values()) {
    if (last >= end - RECENT) slots += Math.min(RECENT, end - first);
  }
  return slots === 0 ? 0 : events / slots;
}
