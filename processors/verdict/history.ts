import { type HistoryIndicator, type Minute } from './history-minute.ts';

/** One indicator of one minute, against what the past lets expect of this mix of operations. */
export interface Compared {
  /** Seen over expected: bad events, or latency, or requests. 1 is as ever. */
  readonly ratio: number;
  /** Bad events, milliseconds by which the quantile was missed (latency: see `expected`), or requests. */
  readonly seen: number;
  readonly expected: number;
  /** The usual high of this hour of the week on earlier weeks (`traffic`: low); undefined where it is not known. */
  readonly usual: number | undefined;
  /** Worse than the service's own recent 0.9-quantile. For `elsewhere`, of other services. */
  readonly high: boolean;
}

export type Comparison = ReadonlyMap<HistoryIndicator, Compared>;

/** What a bet needs to know of the past, fixed when the candidate begins. */
export interface Yardstick {
  /** The `rank`-th worst ratio of `minutes` minutes: a further one is worse with probability rank / (minutes + 1). */
  readonly threshold: number;
  readonly rank: number;
  readonly minutes: number;
  /** Mean length, 1 or more, of the runs of minutes beyond the threshold: what comes in runs is less evidence. */
  readonly run: number;
}

/** A service's past, per service key. Feed it once per minute of event time while a baseline is in charge. */
export interface HistoryApi {
  /** Minutes known, at most 120. */
  readonly minutes: number;
  /** The newest minute learnt; undefined before the first. */
  readonly newest: number | undefined;
  /** Operations that were put together since `max_operations` was reached. */
  readonly overflowed: number;
  /** Compares with the past, then learns. Minutes must ascend: undefined, and nothing learnt, where one does not. */
  learn(minute: Minute): Comparison | undefined;
  /** Compares only. An indicator of which the minute, or the past, says nothing is missing. */
  compare(minute: Minute): Comparison;
  /** Undefined where fewer than `minHistory` minutes are known. */
  yardstick(indicator: HistoryIndicator, quantile: number, minHistory: number): Yardstick | undefined;
  save(): unknown;
}

/** Bets on one candidate, one indicator: `HistoricalBets.against(history, indicator, config)` or undefined. */
export interface HistoricalBetsApi {
  /**
   * Plays one minute of the candidate. `elsewhere` is the share of other services whose minute was `high` in the same
   * indicator: at more than twice what chance gives, the minute does not count. False where no bet was made.
   */
  play(minute: number, compared: Compared | undefined, elsewhere?: number): boolean;
  readonly logE: number;
  /** Minutes bet on, and how many of them were bad. */
  readonly minutes: number;
  readonly bad: number;
  /** Sums over the minutes bet on. */
  readonly seen: number;
  readonly expected: number;
  save(): unknown;
}
