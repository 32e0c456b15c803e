/** Blocks of counts for tests of the evidence, and what a simulation of many runs shows. */
import { Bets, type BetsState } from '../../processors/verdict/evidence/bets.ts';
import type { Strata } from '../../processors/verdict/evidence/strata.ts';
import type { Random } from './random.ts';

export type Stratum = readonly [candidateAll: number, candidateBad: number, baselineAll: number, baselineBad: number];

/** A block of these strata. */
export function block(...strata: readonly Stratum[]): Strata {
  return {
    candidateAll: strata.map(([all]) => all),
    candidateBad: strata.map(([, bad]) => bad),
    baselineAll: strata.map(([, , all]) => all),
    baselineBad: strata.map(([, , , bad]) => bad),
    candidateOver: [],
  };
}

/**
 * How many times what each gambler staked in a block he then has. Beside his own he stakes his part of what was kept
 * and put in before the block.
 */
export function factors(before: BetsState, after: BetsState, tail?: number): number[] {
  const dealt = new Bets(1, tail).save().logs.map((log) => Math.exp(log));
  const all = dealt.reduce((sum, part) => sum + part, 0);
  return after.logs.map((log, i) => {
    const own = Math.exp(before.logs[i] as number);
    const putIn = (before.kept - after.kept) * ((dealt[i] as number) / all);
    return Math.exp(log) / (own + putIn);
  });
}

/** Something that is bet with. */
export interface Evidence {
  readonly logE: number;
}

export interface Runs {
  /** Of the e-values at the ends of the runs. */
  readonly mean: number;
  readonly standardError: number;
  /** The share of the runs in which the e-value ever reached 1 / `alpha`. */
  readonly fired: number;
  /** Three standard deviations of such a share above `alpha`. */
  readonly firedMost: number;
}

/** Many runs of many blocks: `play` plays one of them. What it may know of the capital is in the evidence. */
export function simulate<E extends Evidence>(
  random: Random,
  { runs, blocks, alpha }: { readonly runs: number; readonly blocks: number; readonly alpha: number },
  make: () => E,
  play: (evidence: E, random: Random, block: number) => void,
): Runs {
  const ends: number[] = [];
  let fired = 0;
  for (let run = 0; run < runs; run++) {
    const evidence = make();
    let top = 0;
    for (let at = 0; at < blocks; at++) {
      play(evidence, random, at);
      top = Math.max(top, evidence.logE);
    }
    ends.push(Math.exp(evidence.logE));
    if (top >= Math.log(1 / alpha)) fired++;
  }
  return {
    mean: meanOf(ends),
    standardError: deviation(ends) / Math.sqrt(runs),
    fired: fired / runs,
    firedMost: alpha + 3 * Math.sqrt((alpha * (1 - alpha)) / runs),
  };
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviation(values: readonly number[]): number {
  const mean = meanOf(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

/** The probability of each count of a binomial, 0 to `trials`. */
export function binomial(trials: number, probability: number): number[] {
  if (probability >= 1) return Array.from({ length: trials + 1 }, (_, count) => Number(count === trials));
  const probabilities: number[] = [];
  let logWays = 0;
  for (let count = 0; count <= trials; count++) {
    const log = count === 0 ? 0 : count * Math.log(probability);
    probabilities.push(Math.exp(logWays + log + (trials - count) * Math.log1p(-probability)));
    logWays += Math.log((trials - count) / (count + 1));
  }
  return probabilities;
}
