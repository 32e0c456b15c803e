import type { Pair } from '../../proto/windback/decision.ts';
import { Bets, RiskInterval, type Stratum, speaking } from './bets.ts';

/** One indicator of one rollout: its evidence both ways, its counts, and how large the difference is. */
export class Comparison {
  readonly worse: Bets;
  readonly better: Bets;
  readonly interval = new RiskInterval();
  readonly candidate = { bad: 0, all: 0 };
  readonly baseline = { bad: 0, all: 0 };
  /** By operation, since the rollout began. */
  readonly operations = new Map<string, { candidate: Pair; baseline: Pair }>();

  constructor(tolerance: number, promotionMargin: number) {
    this.worse = Bets.thatWorseThan(1 + tolerance);
    this.better = Bets.thatBetterThan(1 + promotionMargin);
  }

  /** Plays one block, given by operation in a fixed order. */
  play(strata: ReadonlyMap<string, Stratum>): void {
    for (const [operation, stratum] of strata) this.#count(operation, stratum);
    const telling = speaking([...strata.values()]);
    this.worse.play(telling);
    this.better.play(telling);
    this.interval.play(telling);
  }

  /**
   * The candidate's rate over the baseline's, stratified by operation (Mantel-Haenszel); null where the baseline had no
   * bad event to compare with. Blocks are pooled first: in a stratum as small as a block a lone event weighs by chance.
   */
  get relativeRisk(): number | null {
    let candidateWeighted = 0;
    let baselineWeighted = 0;
    for (const { candidate, baseline } of this.operations.values()) {
      const all = candidate.all + baseline.all;
      if (all === 0) continue;
      candidateWeighted += (candidate.bad * baseline.all) / all;
      baselineWeighted += (baseline.bad * candidate.all) / all;
    }
    return baselineWeighted === 0 ? null : candidateWeighted / baselineWeighted;
  }

  #count(operation: string, stratum: Stratum): void {
    const { candidateAll, candidateBad, baselineAll, baselineBad } = stratum;
    this.candidate.all += candidateAll;
    this.candidate.bad += candidateBad;
    this.baseline.all += baselineAll;
    this.baseline.bad += baselineBad;
    const known = this.operations.get(operation);
    this.operations.set(operation, {
      candidate: sum(known?.candidate, candidateBad, candidateAll),
      baseline: sum(known?.baseline, baselineBad, baselineAll),
    });
  }
}

function sum(pair: Pair | undefined, bad: number, all: number): Pair {
  return { bad: (pair?.bad ?? 0) + bad, all: (pair?.all ?? 0) + all };
}
