import type { Board } from './board.ts';
import type { Cohort } from './cohort.ts';
import type { VerdictConfig } from './config.ts';
import { HistoricalBets } from './history-bets.ts';
import { HISTORY_INDICATORS, MinuteSum } from './history-minute.ts';
import { type Comparison, History } from './history.ts';
import type { ServiceIdentity } from './identity.ts';
import type { Rollout } from './rollout.ts';
import { floorMsOf } from './terms.ts';
import type { Rollouts } from './rollouts.ts';
import type { JudgeCounts, Surroundings } from './service-judge.ts';
import type { Views } from './views.ts';

/** What a `Past` keeps. */
export interface PastState {
  readonly history: unknown;
  readonly sums: readonly (readonly [string, unknown])[];
}

/**
 * What a service's baselines did, minute by minute, and candidates that have no other baseline, judged by it: after a
 * recreate, or a switch from blue to green, nobody is left to be compared with.
 */
export class Past {
  readonly #identity: ServiceIdentity;
  readonly #config: VerdictConfig;
  readonly #board: Board;
  readonly #counts: JudgeCounts;
  #history: History;
  /** The present minute, by version. */
  readonly #sums = new Map<string, MinuteSum>();

  constructor(identity: ServiceIdentity, { config, board, counts }: Surroundings) {
    this.#identity = identity;
    this.#config = config;
    this.#board = board;
    this.#counts = counts;
    this.#history = new History(config.history.max_operations);
  }

  /** Takes in a block of a service in which rollouts can be. */
  add(views: Views, cohorts: ReadonlyMap<string, Cohort>): void {
    if (!this.#config.history.enabled) return;
    const { block, start } = views;
    let all = block.unknown;
    for (const [version, one] of block.versions) {
      const cohort = cohorts.get(version);
      const kind = cohort?.requestKind ?? 'span';
      all += one.total(kind).all;
      if (cohort === undefined) continue;
      let sum = this.#sums.get(version);
      if (sum === undefined) {
        sum = new MinuteSum(Math.floor(start / 60));
        this.#sums.set(version, sum);
      }
      sum.addCells(views.sum(version).cells(kind), views.warmSum(version).cells(kind));
      sum.addLogs(one.total('log'));
    }
    for (const sum of this.#sums.values()) sum.requests += all;
  }

  /** The minute that ended before slot `end` is over: learns from the baseline, and judges candidates without one. */
  closeMinute(rollouts: Rollouts, end: number): void {
    if (!this.#config.history.enabled || rollouts.baseline === undefined) {
      this.#sums.clear();
      return;
    }
    const minute = Math.floor((end - 1) / 60);
    const baseline = this.#sums.get(rollouts.baseline);
    if (baseline !== undefined || rollouts.underWay.size === 0) {
      const compared = this.#learn(baseline ?? new MinuteSum(minute));
      if (compared !== undefined) this.#post(compared, minute);
    } else {
      for (const rollout of rollouts.underWay.values()) this.#judge(rollout, minute);
    }
    this.#sums.clear();
  }

  save(): PastState {
    return {
      history: this.#history.save(),
      sums: [...this.#sums].map(([version, sum]) => [version, sum.save()] as const),
    };
  }

  restore({ history, sums }: PastState): void {
    this.#history = History.restore(history, this.#config.history.max_operations);
    for (const [version, saved] of sums) this.#sums.set(version, MinuteSum.restore(saved));
  }

  #learn(minute: MinuteSum): Comparison | undefined {
    const before = this.#history.overflowed;
    const compared = this.#history.learn(minute);
    const { overflowed } = this.#history;
    if (overflowed > before) this.#counts.overflow.add('operations', overflowed - before);
    return compared;
  }

  #judge(rollout: Rollout, minute: number): void {
    const sum = this.#sums.get(rollout.identity.candidate);
    if (sum === undefined) return;
    const comparison = this.#history.compare(sum);
    for (const name of HISTORY_INDICATORS) {
      let bets = rollout.historical.get(name);
      if (bets === undefined) {
        bets = HistoricalBets.against(this.#history, name, this.#config.history, floorMsOf(name, this.#config));
        if (bets === undefined) continue;
        rollout.historical.set(name, bets);
      }
      bets.play(minute, comparison.get(name), this.#board.elsewhere(this.#identity.key, minute, name));
    }
  }

  #post(comparison: Comparison, minute: number): void {
    const high = HISTORY_INDICATORS.filter((name) => comparison.get(name)?.high === true);
    this.#board.postMinute(this.#identity.key, minute, high);
  }
}
