/**
 * The one layout for values of gauges and sums: 32 bins per doubling, as for latencies, from 2^-40 to 2^60, so that a
 * share of CPU, seconds and bytes all fit. Bin 0 holds zero, negative values and what is smaller still.
 */
import { BINS_PER_DOUBLING } from './latency-bins.ts';

const LOWEST_EXPONENT = -40;
const HIGHEST_EXPONENT = 60;

export const MAX_VALUE_BIN = (HIGHEST_EXPONENT - LOWEST_EXPONENT) * BINS_PER_DOUBLING;

/** The bin of a finite value; bin i > 0 holds (2^((i-1)/32 - 40), 2^(i/32 - 40)]. */
export function valueBinOf(value: number): number {
  if (!(value > 0)) return 0;
  const index = Math.ceil((Math.log2(value) - LOWEST_EXPONENT) * BINS_PER_DOUBLING - TOLERANCE);
  return Math.min(MAX_VALUE_BIN, Math.max(0, index));
}

/** Powers of two are upper bounds and belong into their own bin, whatever the last digit of the logarithm says. */
const TOLERANCE = 1e-9;

/** The upper bound of a bin; 0 for bin 0. */
export function upperBoundOf(bin: number): number {
  return bin === 0 ? 0 : 2 ** (bin / BINS_PER_DOUBLING + LOWEST_EXPONENT);
}
