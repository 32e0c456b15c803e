import type { VerdictConfig } from './config.ts';
import { termsOf } from './config-indicators.ts';
import type { Comparison } from './evidence/comparison.ts';
import type { Rollout } from './rollout.ts';

/** What still stands against a promotion; undefined where nothing does. `needs` says how much more of what. */
export interface Obstacle {
  readonly indicator: string | null;
  readonly needs: string;
}

/**
 * Old enough, compared often enough, and no gating comparison that has not been shown to be fine. Requests that never
 * met the baseline's in a block were counted but not compared, and speak for nobody.
 */
export function obstacleToPromotion(rollout: Rollout, atSlot: number, config: VerdictConfig): Obstacle | undefined {
  const { after, min_requests } = config.promotion;
  const missingSeconds = after / 1000 - (atSlot - rollout.identity.startedAt);
  if (missingSeconds > 0) return { indicator: null, needs: `${Math.ceil(missingSeconds)} s more` };
  const { requests } = rollout.totals.candidate;
  if (requests < min_requests) return tooFew(null, min_requests - requests);
  for (const [name, comparison] of rollout.comparisons) {
    const { gating } = termsOf(config.indicators, name);
    const obstacle = gating ? obstacleOf(name, comparison, rollout, config) : undefined;
    if (obstacle !== undefined) return obstacle;
  }
  return undefined;
}

function obstacleOf(
  name: string,
  comparison: Comparison,
  rollout: Rollout,
  { promotion, indicators }: VerdictConfig,
): Obstacle | undefined {
  const { all } = comparison.candidate;
  if (name === 'errors' && all < promotion.min_requests) return tooFew(name, promotion.min_requests - all);
  // What has no bad event needs no proof of how rare they are, where any would be out of the ordinary.
  if (NOVELTIES.has(name) && comparison.candidate.bad === 0) return undefined;
  if (all === 0) {
    const isUnheard = name === 'log_errors' && rollout.totals.candidate.logRecords > 0;
    return isUnheard ? { indicator: name, needs: 'records of both versions at the same time' } : undefined;
  }
  const bar = Math.log(1 / promotion.error_rate);
  const best = Math.max(comparison.better.logE, comparison.objective.logE);
  if (best >= bar) return undefined;
  if (best <= 0) {
    const { objective } = termsOf(indicators, name);
    return {
      indicator: name,
      needs: `fewer bad events: ${comparison.candidate.bad} of ${all} is no better than ${objective * 100} %`,
    };
  }
  return tooFew(name, Math.ceil((bar / best - 1) * all));
}

/** Indicators of events that should not be at all. */
const NOVELTIES: ReadonlySet<string> = new Set(['new_signatures', 'calls']);

function tooFew(indicator: string | null, missing: number): Obstacle {
  return { indicator, needs: `about ${missing} more requests are needed` };
}
