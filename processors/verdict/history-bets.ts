import { logSumExp } from './evidence/bets.ts';
import { type Compared, HIGH_SHARE, type History, type Yardstick } from './history.ts';
import { type HistoryConfig, type HistoryIndicator, LATENCY_QUANTILES, SECONDS_PER_MINUTE } from './history-minute.ts';

/** Stakes, as shares of the capital. */
const STAKES = [0.25, 0.5, 0.9];
/** Traffic is missing below the lowest fiftieth of the past minutes, and by this factor on top. */
const TRAFFIC_QUANTILE = 0.98;
const TRAFFIC_SHARE = 0.3;

interface Saved extends Yardstick {
  readonly indicator: HistoryIndicator;
  readonly newest: number;
  readonly logCapitals: readonly number[];
  readonly played: number;
  readonly bad: number;
  readonly beyond: number;
  readonly seen: number;
  readonly expected: number;
}

/**
 * Evidence against "the candidate's minutes are like the past ones", of one candidate and one indicator. A minute is
 * bad (x = 1) where it is worse than the past's quantile and its hour's usual high, by the margin.
 *
 * If the minutes are exchangeable with the n past ones, a further minute is worse than the rank-th worst of them with
 * probability rank / (n + 1), and, after t more of which j were, (rank + j) / (n + 1 + t): Pólya's urn, exactly, for
 * every distribution. The gambler puts a share κ of the capital on x at these odds: factor 1 - κ + κ x / p. Margin and
 * usual high only make x smaller, so the capital is a non-negative supermartingale (j counts without them, which makes
 * p larger). What comes in runs in the past is less evidence: E^(1 / run), still one by Jensen's inequality. It does
 * not hold against what neither past nor other services have ever shown: hence the stricter bar.
 */
export class HistoricalBets {
  readonly #indicator: HistoryIndicator;
  readonly #yardstick: Yardstick;
  readonly #newest: number;
  readonly #config: HistoryConfig;
  readonly #floorMs: number;
  readonly #logCapitals = new Float64Array(STAKES.length);
  #played = 0;
  #bad = 0;
  /** Minutes beyond the past's quantile, margin or not. */
  #beyond = 0;
  #seen = 0;
  #expected = 0;

  private constructor(
    indicator: HistoryIndicator,
    yardstick: Yardstick,
    newest: number,
    config: HistoryConfig,
    floorMs: number,
  ) {
    this.#indicator = indicator;
    this.#yardstick = yardstick;
    this.#newest = newest;
    this.#config = config;
    this.#floorMs = floorMs;
  }

  /** Undefined where the past is too short. `floorMs`: a latency that is worse by less does not matter. */
  static against(
    history: History,
    indicator: HistoryIndicator,
    config: HistoryConfig,
    floorMs = 0,
  ): HistoricalBets | undefined {
    const quantile = indicator === 'traffic' ? TRAFFIC_QUANTILE : config.quantile;
    const yardstick = history.yardstick(indicator, quantile, config.min_history);
    if (!config.enabled || yardstick === undefined) return undefined;
    return new HistoricalBets(indicator, yardstick, history.newest as number, config, floorMs);
  }

  /**
   * Plays one minute of the candidate, as `History.compare` gives it. `elsewhere` is the share of other services whose
   * minute was `high` in the same indicator: at more than twice what chance gives, the minute says nothing of this
   * one. False where no bet was made; the past being stale is another reason.
   */
  play(minute: number, compared: Compared | undefined, elsewhere = 0): boolean {
    const isStale = (minute - this.#newest) * SECONDS_PER_MINUTE * 1000 > this.#config.stale_after;
    if (compared === undefined || isStale || elsewhere > 2 * HIGH_SHARE) return false;
    const { rank, minutes } = this.#yardstick;
    const probability = Math.min(1, (rank + this.#beyond) / (minutes + 1 + this.#played));
    const isBad = this.#isBad(compared);
    STAKES.forEach((stake, i) => {
      const factor = 1 - stake + (isBad ? stake / probability : 0);
      this.#logCapitals[i] = (this.#logCapitals[i] as number) + Math.log(factor);
    });
    this.#played++;
    if (isBad) this.#bad++;
    if (this.#isBeyond(Math.fround(compared.ratio), this.#yardstick.threshold)) this.#beyond++;
    this.#seen += compared.seen;
    this.#expected += compared.expected;
    return true;
  }

  /** Natural logarithm of the e-value, tempered by the past's runs. */
  get logE(): number {
    return (logSumExp(this.#logCapitals) - Math.log(STAKES.length)) / this.#yardstick.run;
  }

  /** Whether it decides: `bar` is that of evidence against a concurrent baseline, 1 / (α weight). */
  fires(bar: number): boolean {
    return this.#played >= this.#config.min_minutes && this.logE >= Math.log(bar * this.#config.factor);
  }

  /** Minutes bet on. */
  get minutes(): number {
    return this.#played;
  }

  /** Minutes of them that were bad. */
  get bad(): number {
    return this.#bad;
  }

  /** Minutes of the past that it rests on. */
  get historyMinutes(): number {
    return this.#yardstick.minutes;
  }

  /** Sums over the minutes bet on: events, or milliseconds of the quantile (then only their ratio means something). */
  get seen(): number {
    return this.#seen;
  }

  get expected(): number {
    return this.#expected;
  }

  /** The state for JSON. */
  save(): unknown {
    return {
      ...this.#yardstick,
      indicator: this.#indicator,
      newest: this.#newest,
      logCapitals: [...this.#logCapitals],
      played: this.#played,
      bad: this.#bad,
      beyond: this.#beyond,
      seen: this.#seen,
      expected: this.#expected,
    } satisfies Saved;
  }

  static restore(saved: unknown, config: HistoryConfig, floorMs = 0): HistoricalBets {
    const state = saved as Saved;
    const { threshold, rank, minutes, run } = state;
    const bets = new HistoricalBets(state.indicator, { threshold, rank, minutes, run }, state.newest, config, floorMs);
    bets.#logCapitals.set(state.logCapitals);
    bets.#played = state.played;
    bets.#bad = state.bad;
    bets.#beyond = state.beyond;
    bets.#seen = state.seen;
    bets.#expected = state.expected;
    return bets;
  }

  #isBad({ ratio, usual, seen, expected }: Compared): boolean {
    const { threshold } = this.#yardstick;
    const value = Math.fround(ratio);
    if (this.#indicator === 'traffic') return value < TRAFFIC_SHARE * Math.min(threshold, usual ?? threshold);
    if (this.#indicator in LATENCY_QUANTILES && seen - expected <= this.#floorMs) return false;
    return value > (1 + this.#config.margin) * Math.max(threshold, usual ?? threshold);
  }

  #isBeyond(value: number, threshold: number): boolean {
    return this.#indicator === 'traffic' ? value < threshold : value > threshold;
  }
}
