/** Latencies: lognormal, drawn from a table of quantiles in units of bins. */
import { BINS_PER_DOUBLING } from '../../proto/windback/latency-bins.ts';
import { normalQuantile } from './normal.ts';
import type { Random } from './random.ts';
import { BINS, type Frame, LOWEST_BIN } from './world.ts';

/** Standard deviation of the logarithm of a request's duration. */
export const SIGMA = 0.5;

/** Quantiles of the lognormal distribution around median 1, in bins. */
const QUANTILES = Float32Array.from(
  { length: 65_536 },
  (_, i) => (normalQuantile((i + 0.5) / 65_536) * SIGMA * BINS_PER_DOUBLING) / Math.LN2,
);

/** The share `share` of the requests takes `factor` times as long. */
export interface Tail {
  readonly share: number;
  readonly factor: number;
}

/** Draws the durations of all requests of a cell around a median in ms. */
export function drawLatencies(random: Random, frame: Frame, cell: number, medianMs: number, tail?: Tail): void {
  const all = frame.all[cell] as number;
  const slow = tail === undefined ? 0 : random.binomial(all, tail.share);
  const shift = inBins(medianMs * 1e6) - LOWEST_BIN;
  random.tally(all - slow, QUANTILES, shift, frame.bins, cell * BINS, BINS);
  if (slow > 0) random.tally(slow, QUANTILES, shift + inBins(tail?.factor ?? 1), frame.bins, cell * BINS, BINS);
}

function inBins(factor: number): number {
  return Math.log2(factor) * BINS_PER_DOUBLING;
}
