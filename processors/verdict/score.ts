import type { Pair } from '../../proto/windback/decision.ts';

/** What the score needs to know of an indicator, whatever else its configuration says. */
export interface ScoredIndicator {
  readonly enabled: boolean;
  /** Its share of the whole, relative to the others that saw events. */
  readonly weight: number;
  /** The share of good events that is wanted, below 1. */
  readonly objective: number;
}

export interface IndicatorScore {
  /** 0 to 100; 50 burns its budget exactly as fast as allowed. */
  readonly score: number;
  readonly bad: number;
  /** The events it rests on. */
  readonly all: number;
}

export interface Scores {
  /** 0 to 100; null where no indicator saw an event. */
  readonly score: number | null;
  /** The events that the score rests on: the sum over its indicators, so one request may count in several. */
  readonly events: number;
  /** By name, those that saw events. */
  readonly indicators: Readonly<Record<string, IndicatorScore>>;
}

/**
 * One number for people and gates: burn r = (bad / all) / (1 - objective) per indicator, R the mean of the burns by
 * weight over those that saw events, score 100 / (1 + R). 100 is perfect; 50 burns the budget exactly as fast as
 * allowed. A name that the configuration does not have counts for nothing.
 */
export function scores(
  pairs: ReadonlyMap<string, Pair>,
  config: Readonly<Record<string, ScoredIndicator | undefined>>,
): Scores {
  const indicators: Record<string, IndicatorScore> = {};
  let burns = 0;
  let weights = 0;
  let events = 0;
  // By name, since a sum of fractions depends on its order in the last digit.
  for (const [name, { all, bad }] of [...pairs].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const indicator = Object.hasOwn(config, name) ? config[name] : undefined;
    if (indicator === undefined || !indicator.enabled || all <= 0) continue;
    const burn = bad / all / (1 - indicator.objective);
    indicators[name] = { score: 100 / (1 + burn), bad, all };
    burns += indicator.weight * burn;
    weights += indicator.weight;
    events += all;
  }
  return { score: weights > 0 ? 100 / (1 + burns / weights) : null, events, indicators };
}

/** The score alone. */
export function score(
  pairs: ReadonlyMap<string, Pair>,
  config: Readonly<Record<string, ScoredIndicator | undefined>>,
): number | null {
  return scores(pairs, config).score;
}
