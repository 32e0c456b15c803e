import type { VerdictConfig } from './config.ts';
import { type BuiltInIndicator, customName, type IndicatorsConfig, termsOf } from './config-indicators.ts';
import { Comparison } from './evidence/comparison.ts';

/** The latency indicators and the quantile of the baseline that each one looks beyond. */
export const QUANTILES = { slow_p50: 0.5, slow_p90: 0.9, slow_p99: 0.99 } as const;
export type LatencyIndicator = keyof typeof QUANTILES;
export const LATENCY = Object.keys(QUANTILES) as LatencyIndicator[];

/** Length of the blocks of what is sampled or exported rarely, slots. */
export const MINUTE = 60;

/** How an indicator is compared, by the configuration. */
export function comparisonOf(name: string, config: VerdictConfig): Comparison {
  const isLatency = (LATENCY as readonly string[]).includes(name);
  const length = name === 'resource' ? MINUTE : config.block / 1000;
  return new Comparison({
    // For latency, what is tolerated lies in the margin of the threshold.
    risk: isLatency ? 1 : 1 + marginOf(name, config),
    promotionRisk: 1 + config.promotion.margin,
    budget: 1 - termsOf(config.indicators, name).objective,
    tail: isLatency ? 1 - QUANTILES[name as LatencyIndicator] : undefined,
    incident: config.incident / 1000,
    block: length,
  });
}

function marginOf(name: string, { indicators, tolerance }: VerdictConfig): number {
  if (name === 'calls' || name === 'resource') return tolerance;
  const own = customName(name);
  const terms: { margin?: number | undefined } | undefined =
    own === undefined
      ? indicators[name as Exclude<BuiltInIndicator, 'silence'>]
      : (indicators.custom as IndicatorsConfig['custom'])[own];
  return terms?.margin ?? tolerance;
}

/** Latency that is worse by less than this does not matter. */
export function floorMsOf(name: string, { indicators }: VerdictConfig): number {
  return (LATENCY as readonly string[]).includes(name) ? indicators[name as LatencyIndicator].floor : 0;
}
