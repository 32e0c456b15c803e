import type { Pair } from '../../proto/windback/decision.ts';
import type { IndicatorName, VerdictConfig } from './config.ts';

/**
 * One number for people and gates: burn r = (bad / all) / (1 - objective) per indicator, R the mean of the burns by
 * weight over those that saw events, score 100 / (1 + R). 100 is perfect; 50 burns the budget exactly as fast as
 * allowed. Null where no indicator saw an event.
 */
export function score(pairs: ReadonlyMap<IndicatorName, Pair>, config: VerdictConfig['indicators']): number | null {
  let burn = 0;
  let weights = 0;
  for (const [name, { all, bad }] of pairs) {
    const { enabled, weight, objective } = config[name];
    if (!enabled || all === 0) continue;
    burn += weight * (bad / all / (1 - objective));
    weights += weight;
  }
  return weights === 0 ? null : 100 / (1 + burn / weights);
}
