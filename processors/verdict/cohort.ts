import type { Pair } from '../../proto/windback/decision.ts';
import type { VersionBlock } from './block.ts';
import type { IndicatorName, VerdictConfig } from './config.ts';
import { score } from './score.ts';
import { SlidingPair, WINDOW_NAMES, type WindowName } from './windows.ts';

/** One version of one service: when and where it was seen, and its windows. */
export class Cohort {
  readonly version: string;
  firstSlot: number;
  lastSlot: number;
  requests = 0;
  /** Where a cohort sends spans, its request metrics say the same again and are left out. */
  sendsSpans = false;
  /** First slot of each instance. */
  readonly instances = new Map<string, number>();
  readonly #windows = new Map<IndicatorName, SlidingPair>();
  /** The newest slot inside the windows: before the first block is judged, none. */
  #at = 0;

  constructor(version: string, slot: number) {
    this.version = version;
    this.firstSlot = slot;
    this.lastSlot = slot;
  }

  /** Takes in a block that is about to be judged, and moves the windows on to its last slot. */
  absorb(block: VersionBlock, lastSlot: number, maxInstances: number): void {
    if (block.hasSpans) this.sendsSpans = true;
    block.countsMetrics = !this.sendsSpans;
    this.requests += block.requestCount;
    for (const [instance, slot] of block.instances) this.see(slot, instance, maxInstances);
    this.lastSlot = Math.max(this.lastSlot, block.lastSlot);
    this.advance(lastSlot);
    for (const [slot, { all, bad }] of block.requestSlots) this.count('errors', slot, all, bad);
    for (const [slot, { all, bad }] of block.logSlots) this.count('log_errors', slot, all, bad);
  }

  see(slot: number, instance: string, maxInstances: number): void {
    this.firstSlot = Math.min(this.firstSlot, slot);
    this.lastSlot = Math.max(this.lastSlot, slot);
    const first = this.instances.get(instance);
    if (first === undefined ? this.instances.size < maxInstances : slot < first) this.instances.set(instance, slot);
  }

  /** Whether an instance has been at work for `warmUpSlots` when `slot` begins. One beyond the limit counts as warm. */
  isWarm(instance: string, slot: number, warmUpSlots: number): boolean {
    return slot >= (this.instances.get(instance) ?? Number.NEGATIVE_INFINITY) + warmUpSlots;
  }

  /** Adds to an indicator's windows; false where the slot is out of their reach. */
  count(indicator: IndicatorName, slot: number, all: number, bad: number): boolean {
    let window = this.#windows.get(indicator);
    if (window === undefined) {
      window = new SlidingPair(this.#at);
      this.#windows.set(indicator, window);
    }
    return window.add(slot, all, bad);
  }

  /** Moves all windows on to end with slot `to`. */
  advance(to: number): void {
    this.#at = Math.max(this.#at, to);
    for (const window of this.#windows.values()) window.advance(to);
  }

  pair(indicator: IndicatorName, window: WindowName): Pair {
    return this.#windows.get(indicator)?.get(window) ?? { all: 0, bad: 0 };
  }

  /** The score by window name, rounded to a tenth; null where the window saw nothing. */
  scores(config: VerdictConfig['indicators']): Record<WindowName, number | null> {
    const scores = {} as Record<WindowName, number | null>;
    for (const window of WINDOW_NAMES) {
      const pairs = new Map([...this.#windows].map(([indicator, pair]) => [indicator, pair.get(window)] as const));
      const value = score(pairs, config);
      scores[window] = value === null ? null : Math.round(value * 10) / 10;
    }
    return scores;
  }
}
