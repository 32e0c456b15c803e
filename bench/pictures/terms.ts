/** What the pictures share with the judge: its defaults, and blocks of counts. */
import type { Strata } from '../../processors/verdict/evidence/strata.ts';
import { type VerdictConfig, verdictConfig } from '../../processors/verdict/config.ts';
import { partOf } from '../../processors/verdict/config-indicators.ts';
import type { Random } from '../verdict/random.ts';

export const CONFIG: VerdictConfig = verdictConfig.parse({});
/** Seconds of a block, and how many times as bad a candidate may be. */
export const BLOCK = CONFIG.block / 1000;
export const RISK = 1 + CONFIG.tolerance;
/** The e-value at which an indicator decides: past and present share what it may spend. */
export function barOf(indicator: string): number {
  const both = CONFIG.history.enabled ? 1 + 1 / CONFIG.history.factor : 1;
  return both / (CONFIG.false_rollback_rate * partOf(CONFIG.indicators, indicator));
}

export const BAR = barOf('errors');

/** One operation in one block. */
export function block(all: number, bad: number, baselineAll: number, baselineBad: number): Strata {
  return {
    candidateAll: [all],
    candidateBad: [bad],
    baselineAll: [baselineAll],
    baselineBad: [baselineBad],
    candidateOver: [],
  };
}

/** 100 requests a second of which a tenth go to the candidate; `rate` of the baseline's fail, `ratio` times as many of its. */
export function canaryBlock(random: Random, rate: number, ratio: number): Strata {
  const [all, baselineAll] = [10 * BLOCK, 90 * BLOCK];
  return block(all, random.binomial(all, rate * ratio), baselineAll, random.binomial(baselineAll, rate));
}
