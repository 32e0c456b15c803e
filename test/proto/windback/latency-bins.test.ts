import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BINS_PER_DOUBLING, binOf, MAX_BIN, upperBoundNs } from '../../../proto/windback/latency-bins.ts';

const duration = fc.oneof(fc.double({ min: 1, max: 2 ** 46, noNaN: true }), fc.integer({ min: 1, max: 2 ** 46 }));

/** Exponential histograms of the data model: bin i holds (base^i, base^(i+1)], base = 2^(1/32). */
function exactBin(durationNs: number): number {
  return Math.max(0, Math.ceil(Math.log2(durationNs) * BINS_PER_DOUBLING) - 1);
}

describe('binOf', () => {
  test('is the definition by logarithms, but for what rounding does to those at a bound', () => {
    fc.assert(
      fc.property(duration, (durationNs) => {
        const position = Math.log2(durationNs) * BINS_PER_DOUBLING;
        fc.pre(Math.abs(position - Math.round(position)) > 1e-9);
        expect(binOf(durationNs)).toBe(Math.min(exactBin(durationNs), MAX_BIN));
      }),
      { numRuns: 5000 },
    );
  });

  test('each bin holds its upper bound, and the next double is in the next bin', () => {
    for (let bin = 0; bin < MAX_BIN; bin++) {
      const bound = upperBoundNs(bin);
      expect([bin, binOf(bound)]).toEqual([bin, bin]);
      expect([bin, binOf(nextUp(bound))]).toEqual([bin, bin + 1]);
      expect([bin, binOf(nextDown(bound))]).toEqual([bin, bin]);
    }
  });

  test('powers of two are bounds', () => {
    for (let power = 1; power <= 46; power++) expect(binOf(2 ** power)).toBe(power * BINS_PER_DOUBLING - 1);
  });

  test('is monotone', () => {
    fc.assert(
      fc.property(duration, duration, (a, b) => {
        expect(binOf(Math.min(a, b))).toBeLessThanOrEqual(binOf(Math.max(a, b)));
      }),
    );
  });

  test('a duration is known to 1.1 % from the middle of its bin', () => {
    fc.assert(
      fc.property(duration, (durationNs) => {
        const upper = upperBoundNs(binOf(durationNs));
        const middle = upper / 2 ** (1 / 64);
        expect(Math.abs(durationNs / middle - 1)).toBeLessThan(0.011);
      }),
    );
  });

  test.each([
    [-1, 0],
    [0, 0],
    [1, 0],
    [Number.MIN_VALUE, 0],
    [2 ** 46, MAX_BIN],
    [2 ** 46 + 1, MAX_BIN],
    [Number.MAX_VALUE, MAX_BIN],
    [Number.POSITIVE_INFINITY, MAX_BIN],
  ])('%d ns is in bin %i', (durationNs, bin) => {
    expect(binOf(durationNs)).toBe(bin);
  });
});

const VALUE = new Float64Array(1);
const BITS = new BigInt64Array(VALUE.buffer);

function nextUp(value: number): number {
  VALUE[0] = value;
  BITS[0] = (BITS[0] as bigint) + 1n;
  return VALUE[0];
}

function nextDown(value: number): number {
  VALUE[0] = value;
  BITS[0] = (BITS[0] as bigint) - 1n;
  return VALUE[0];
}
