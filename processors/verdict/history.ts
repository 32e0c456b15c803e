import { Expectations, type SavedExpectations } from './history-expectations.ts';
import { HISTORY_INDICATORS, type HistoryIndicator, type Minute } from './history-minute.ts';
import { type Expectation, Operations } from './history-operations.ts';
import { Ratios, type SavedRatios } from './history-ratios.ts';

/** One indicator of one minute, against what the past lets expect of this mix of operations. */
export interface Compared extends Expectation {
  /** The usual high of this hour of the week (`traffic`: low) on earlier weeks or days; undefined where not known. */
  readonly usual: number | undefined;
  /** Among the worst tenth of the service's own recent minutes. For `elsewhere`, of other services. */
  readonly high: boolean;
}

export type Comparison = ReadonlyMap<HistoryIndicator, Compared>;

/** What a bet needs to know of the past, fixed when the candidate begins. */
export interface Yardstick {
  /** The `rank`-th worst ratio of `minutes` minutes: a further one is worse with probability rank / (minutes + 1). */
  readonly threshold: number;
  readonly rank: number;
  readonly minutes: number;
  /** Mean length, 1 or more, of the runs of minutes at the threshold or beyond: what comes in runs is less evidence. */
  readonly run: number;
}

/** How often a minute is `high` by chance. */
export const HIGH_SHARE = 0.1;
/** Fewer minutes than this do not tell what is high. */
const MIN_HIGH = 30;
/** Minutes after which a snapshot of what is expected is replaced. */
const SNAPSHOT = 30;

interface Saved {
  readonly newest: number | null;
  readonly learnt: number;
  readonly now: SavedExpectations;
  /** Null until the first snapshot. */
  readonly before: SavedExpectations | null;
  readonly ratios: Readonly<Record<HistoryIndicator, SavedRatios>>;
}

/**
 * A service's past, per service key: what its baselines did, minute by minute. `learn` it once per minute of event
 * time while a baseline is in charge, a minute without requests too.
 *
 * Every minute is compared with what an earlier past lets expect of its mix of operations, so a mix that shifts is no
 * change; the ratios of the last 120 minutes are kept, and from whole hours their usual highs, by hour of the week. So
 * the noise is learnt as it is, and no distribution is assumed. That earlier past is up to half an hour old, as it will be
 * for a candidate: what a service drifts within that time is part of its noise.
 *
 * Memory, measured over 100 services and more (heap and array buffers, Node 24 on x64): 15 KiB with 5 operations, 84 KiB
 * with 200, the most that the default allows; 6.8 KiB of it are the ratios, and every operation is there twice. Saved as
 * JSON: 11 and 61 KiB.
 */
export class History {
  readonly #maxOperations: number;
  readonly #ratios = new Map<HistoryIndicator, Ratios>(HISTORY_INDICATORS.map((name) => [name, new Ratios()]));
  #now: Expectations;
  /** As they were at the last snapshot; undefined before the first. */
  #before: Expectations | undefined;
  #learnt = 0;
  #newest: number | undefined;

  constructor(maxOperations = 200) {
    this.#maxOperations = maxOperations;
    this.#now = new Expectations(new Operations(maxOperations));
  }

  /** Minutes that `traffic` is known of, at most 120: every minute learnt but the first. */
  get minutes(): number {
    return this.#of('traffic').count;
  }

  /** The newest minute learnt; undefined before the first. */
  get newest(): number | undefined {
    return this.#newest;
  }

  /** How often an operation beyond `maxOperations` was put to the others, once a minute each. */
  get overflowed(): number {
    return this.#now.overflowed;
  }

  /** Compares with the earlier past, then learns. Minutes ascend: undefined, and nothing learnt, where one does not. */
  learn(minute: Minute): Comparison | undefined {
    if (this.#newest !== undefined && minute.minute <= this.#newest) return undefined;
    const comparison = this.#compare(minute, this.#before ?? this.#now);
    for (const [name, { ratio }] of comparison) this.#of(name).learn(minute.minute, badness(name, ratio));
    this.#newest = minute.minute;
    this.#now.learn(minute);
    this.#learnt++;
    if (this.#learnt % SNAPSHOT === 0) this.#before = Expectations.restore(this.#now.save(), this.#maxOperations);
    return comparison;
  }

  /** Compares with all of the past. An indicator of which the minute, or the past, says nothing is missing. */
  compare(minute: Minute): Comparison {
    return this.#compare(minute, this.#now);
  }

  /** Undefined where fewer than `minHistory` minutes are known of the indicator. */
  yardstick(name: HistoryIndicator, quantile: number, minHistory: number): Yardstick | undefined {
    const ratios = this.#of(name);
    const minutes = ratios.count;
    if (minutes === 0 || minutes < minHistory) return undefined;
    const rank = Math.max(1, Math.floor((1 - quantile) * (minutes + 1)));
    const threshold = ratios.largest(rank);
    const beyond = ratios.atLeast(threshold);
    // Independent minutes come in runs of 1 / (share of those that are not beyond) by chance.
    const run = (beyond / ratios.runs(threshold)) * (1 - beyond / minutes);
    return { threshold: badness(name, threshold), rank, minutes, run: Math.max(1, run) };
  }

  /** The state for JSON. */
  save(): unknown {
    return {
      newest: this.#newest ?? null,
      learnt: this.#learnt,
      now: this.#now.save(),
      before: this.#before?.save() ?? null,
      ratios: Object.fromEntries([...this.#ratios].map(([name, ratios]) => [name, ratios.save()])) as Saved['ratios'],
    } satisfies Saved;
  }

  static restore(saved: unknown, maxOperations = 200): History {
    const { newest, learnt, now, before, ratios } = saved as Saved;
    const history = new History(maxOperations);
    history.#newest = newest ?? undefined;
    history.#learnt = learnt;
    history.#now = Expectations.restore(now, maxOperations);
    if (before !== null) history.#before = Expectations.restore(before, maxOperations);
    for (const name of HISTORY_INDICATORS) history.#ratios.set(name, Ratios.restore(ratios[name]));
    return history;
  }

  #compare(minute: Minute, expectations: Expectations): Comparison {
    const comparison = new Map<HistoryIndicator, Compared>();
    for (const name of HISTORY_INDICATORS) {
      const expectation = expectations.of(name, minute);
      if (expectation === undefined) continue;
      const ratios = this.#of(name);
      const usual = ratios.usual(minute.minute);
      const isKnown = ratios.count >= MIN_HIGH;
      const beyond = ratios.atLeast(badness(name, expectation.ratio));
      comparison.set(name, {
        ...expectation,
        usual: usual === undefined ? undefined : badness(name, usual),
        high: isKnown && beyond < Math.floor(HIGH_SHARE * (ratios.count + 1)),
      });
    }
    return comparison;
  }

  #of(name: HistoryIndicator): Ratios {
    return this.#ratios.get(name) as Ratios;
  }
}

/** Why there is no baseline, or undefined where the past is one. */
export function noHistory({ minutes }: History, minHistory: number): string | undefined {
  if (minutes >= minHistory) return undefined;
  return `no baseline: history of only ${minutes} ${minutes === 1 ? 'minute' : 'minutes'}`;
}

/** As stored, where more is worse: of requests, less is. Its own inverse. */
function badness(name: HistoryIndicator, ratio: number): number {
  return name === 'traffic' ? -ratio : ratio;
}
