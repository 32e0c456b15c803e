import type { Pair } from '../../proto/windback/decision.ts';
import type { SeriesKind } from '../../proto/windback/health.ts';
import type { InstanceBlock, VersionBlock } from './block.ts';
import { customName, type IndicatorsConfig, termsOf } from './config-indicators.ts';
import { Groups } from './groups.ts';
import { score } from './score.ts';
import { SlidingPair, WINDOW_NAMES, type WindowName } from './windows.ts';

/** When an instance was seen. */
export interface Lifetime {
  first: number;
  last: number;
}

/** What a `Cohort` keeps. */
export interface CohortState {
  readonly version: string;
  readonly slots: readonly [first: number, last: number, at: number];
  readonly requests: number;
  readonly sendsSpans: boolean;
  readonly instances: readonly (readonly [string, number, number])[];
  readonly groups: ReturnType<Groups['save']>;
  readonly windows: readonly (readonly [string, unknown])[];
}

/** One version of one service: when and where it was seen, and its windows. */
export class Cohort {
  readonly version: string;
  firstSlot: number;
  lastSlot: number;
  requests = 0;
  /** Where a cohort sends spans, its request metrics say the same again and are left out. */
  sendsSpans = false;
  readonly instances = new Map<string, Lifetime>();
  readonly groups: Groups;
  readonly #windows = new Map<string, SlidingPair>();
  readonly #maxInstances: number;
  /** The newest slot inside the windows: before the first block is judged, none. */
  #at = 0;

  constructor(version: string, slot: number, maxInstances: number) {
    this.version = version;
    this.firstSlot = slot;
    this.lastSlot = slot;
    this.#maxInstances = maxInstances;
    this.groups = new Groups(maxInstances);
  }

  /**
   * Takes in a block that is about to be judged, and moves the windows on to its last slot. Returns how many of its
   * instances there is no room for.
   */
  absorb(block: VersionBlock, lastSlot: number): number {
    if (block.has('span')) this.sendsSpans = true;
    this.requests += block.total(this.requestKind).all;
    const homeless = this.#seeAll(block);
    this.groups.join(block.instances.keys());
    this.advance(lastSlot);
    for (const [slot, { all, bad }] of block.slots.get(this.requestKind) ?? []) this.count('errors', slot, all, bad);
    for (const [slot, { all, bad }] of block.slots.get('log') ?? []) this.count('log_errors', slot, all, bad);
    return homeless;
  }

  get requestKind(): Extract<SeriesKind, 'span' | 'metric'> {
    return this.sendsSpans ? 'span' : 'metric';
  }

  see(instance: string, first: number, last: number): void {
    this.firstSlot = Math.min(this.firstSlot, first);
    this.lastSlot = Math.max(this.lastSlot, last);
    const known = this.instances.get(instance);
    if (known === undefined) {
      if (this.instances.size < this.#maxInstances) this.instances.set(instance, { first, last });
      return;
    }
    known.first = Math.min(known.first, first);
    known.last = Math.max(known.last, last);
  }

  /** New ones in the order of names: who finds room must not depend on who came first. */
  #seeAll({ instances }: VersionBlock): number {
    const fresh: string[] = [];
    for (const [instance, { first, last }] of instances) {
      if (this.instances.has(instance)) this.see(instance, first, last);
      else fresh.push(instance);
    }
    for (const instance of fresh.sort()) {
      const { first, last } = instances.get(instance) as InstanceBlock;
      this.see(instance, first, last);
    }
    return fresh.filter((instance) => !this.instances.has(instance)).length;
  }

  /** Forgets instances that have been silent since before `slot`, so that new ones have room. */
  forgetInstances(slot: number): void {
    for (const [instance, { last }] of this.instances) {
      if (last >= slot) continue;
      this.instances.delete(instance);
      this.groups.leave(instance);
    }
  }

  /** Whether an instance has been at work for `warmUpSlots` when `slot` begins. One beyond the limit counts as warm. */
  isWarm(instance: string, slot: number, warmUpSlots: number): boolean {
    return slot >= (this.instances.get(instance)?.first ?? Number.NEGATIVE_INFINITY) + warmUpSlots;
  }

  /** Adds to an indicator's windows; false where the slot is out of their reach. */
  count(indicator: string, slot: number, all: number, bad: number): boolean {
    if (all === 0) return true;
    let window = this.#windows.get(indicator);
    if (window === undefined) {
      window = new SlidingPair(this.#at, indicator === 'errors');
      this.#windows.set(indicator, window);
    }
    return window.add(slot, all, bad);
  }

  /** Moves all windows on to end with slot `to`. */
  advance(to: number): void {
    this.#at = Math.max(this.#at, to);
    for (const window of this.#windows.values()) window.advance(to);
  }

  windows(indicator: string): SlidingPair | undefined {
    return this.#windows.get(indicator);
  }

  pair(indicator: string, window: WindowName): Pair {
    return this.#windows.get(indicator)?.get(window) ?? { all: 0, bad: 0 };
  }

  /** The score by window name, rounded to a tenth; null where the window saw nothing. */
  scores(config: IndicatorsConfig): Record<WindowName, number | null> {
    const scores = {} as Record<WindowName, number | null>;
    for (const window of WINDOW_NAMES) scores[window] = this.score(window, config);
    return scores;
  }

  /** The score of one window. */
  score(window: WindowName, config: IndicatorsConfig): number | null {
    const terms = termsByName([...this.#windows.keys()], config);
    const pairs = new Map([...this.#windows].map(([indicator, pair]) => [indicator, pair.get(window)] as const));
    const value = score(pairs, terms);
    return value === null ? null : Math.round(value * 10) / 10;
  }

  save(): CohortState {
    return {
      version: this.version,
      slots: [this.firstSlot, this.lastSlot, this.#at],
      requests: this.requests,
      sendsSpans: this.sendsSpans,
      instances: [...this.instances].map(([name, { first, last }]) => [name, first, last] as const),
      groups: this.groups.save(),
      windows: [...this.#windows].map(([indicator, pair]) => [indicator, pair.save()] as const),
    };
  }

  static restore(state: CohortState, maxInstances: number): Cohort {
    const [first, last, at] = state.slots;
    const cohort = new Cohort(state.version, first, maxInstances);
    cohort.lastSlot = last;
    cohort.#at = at;
    cohort.requests = state.requests;
    cohort.sendsSpans = state.sendsSpans;
    for (const [name, from, to] of state.instances) cohort.instances.set(name, { first: from, last: to });
    cohort.groups.restore(state.groups);
    for (const [indicator, saved] of state.windows) cohort.#windows.set(indicator, SlidingPair.restore(saved));
    return cohort;
  }
}

function termsByName(
  indicators: readonly string[],
  config: IndicatorsConfig,
): Record<string, ReturnType<typeof termsOf>> {
  const known = indicators.filter(
    (name) => customName(name) === undefined || config.custom[customName(name) as string],
  );
  return Object.fromEntries(known.map((name) => [name, termsOf(config, name)]));
}
