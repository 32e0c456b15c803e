import type { MemoryLimiterConfig } from './config.ts';

const MIB = 1024 * 1024;

/** Bytes of resident memory: above `soft` telemetry is refused. */
export interface Limits {
  readonly soft: number;
  readonly hard: number;
}

/** The limits as the Collector's memory_limiter works them out; `totalBytes` is what percentages are of. */
export function limitsOf(config: MemoryLimiterConfig, totalBytes: number): Limits {
  const { limit_mib, spike_limit_mib, limit_percentage, spike_limit_percentage } = config;
  const hard = limit_mib > 0 ? limit_mib * MIB : (totalBytes * limit_percentage) / 100;
  const spike = limit_mib > 0 ? spike_limit_mib * MIB : (totalBytes * spike_limit_percentage) / 100;
  return { hard, soft: hard - (spike > 0 ? spike : hard / 5) };
}
