/**
 * The one latency layout: OpenTelemetry's exponential histogram at scale 5 over nanoseconds. Bin i holds durations in
 * (2^(i/32), 2^((i+1)/32)] ns, so neighbours differ by 2.2 % and a value is known to 1.1 %. Merging is addition, and
 * "longer than t" is exact where t is the upper bound of a bin.
 * Source: OpenTelemetry metrics data model, exponential histogram.
 */
export const BINS_PER_DOUBLING = 32;

/** Durations of 1 ns or less, and the highest that is told apart: 2^46 ns, about 19.5 hours. */
export const MAX_BIN = 46 * BINS_PER_DOUBLING - 1;

const VALUE = new Float64Array(1);
const WORDS = new Uint32Array(VALUE.buffer);

/** Upper bounds of the bins within one doubling, as factors in (1, 2]. */
const FACTORS = Float64Array.from({ length: BINS_PER_DOUBLING }, (_, i) => 2 ** ((i + 1) / BINS_PER_DOUBLING));

/** For each value of the mantissa's top 7 bits, the lowest bin its range reaches. */
const FIRST_BIN = Uint8Array.from({ length: 128 }, (_, top) => {
  const factor = 1 + top / 128;
  return FACTORS.findIndex((bound) => factor <= bound);
});

/**
 * The bin of a duration in ns. The exponent and the mantissa's top bits are read off the double, which costs a tenth
 * of a logarithm and, unlike one, puts bounds into their own bin.
 */
export function binOf(durationNs: number): number {
  if (durationNs <= 1) return 0;
  VALUE[0] = durationNs;
  const high = WORDS[1] as number;
  const exponent = (high >>> 20) - 1023;
  WORDS[1] = (high & 0xfffff) | 0x3ff00000;
  const factor = VALUE[0] as number;
  let bin = FIRST_BIN[(high >>> 13) & 0x7f] as number;
  while (factor > (FACTORS[bin] as number)) bin++;
  // A power of two is the upper bound of the doubling below it.
  const index = factor === 1 ? exponent * BINS_PER_DOUBLING - 1 : exponent * BINS_PER_DOUBLING + bin;
  return index > MAX_BIN ? MAX_BIN : index;
}

/** The upper bound of a bin, ns. */
export function upperBoundNs(bin: number): number {
  return 2 ** ((bin + 1) / BINS_PER_DOUBLING);
}
