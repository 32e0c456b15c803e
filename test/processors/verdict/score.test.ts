import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IndicatorName } from '../../../processors/verdict/config.ts';
import { INDICATORS } from '../../../processors/verdict/config.ts';
import { score } from '../../../processors/verdict/score.ts';
import { config } from '../../support/judging.ts';

const { indicators } = config();
type Pairs = Map<IndicatorName, { bad: number; all: number }>;
const pairs = (entries: Partial<Record<IndicatorName, [bad: number, all: number]>>): Pairs =>
  new Map(Object.entries(entries).map(([name, [bad, all]]) => [name as IndicatorName, { bad, all }]));

describe('score', () => {
  it('is 100 where nothing went wrong, 50 where the budget is used as fast as allowed', () => {
    expect(score(pairs({ errors: [0, 1000] }), indicators)).toBe(100);
    expect(score(pairs({ errors: [5, 1000] }), indicators)).toBeCloseTo(50);
    expect(score(pairs({ errors: [15, 1000] }), indicators)).toBeCloseTo(25);
  });

  it('is 100 / (1 + R), R the mean of the burns by weight', () => {
    const custom = config({
      indicators: {
        errors: { weight: 0.4, objective: 0.99 },
        log_errors: { weight: 0.2, objective: 0.9 },
        silence: { weight: 0.05 },
      },
    }).indicators;
    const burn = (0.4 * (0.03 / 0.01) + 0.2 * (0.05 / 0.1)) / 0.6;
    expect(score(pairs({ errors: [3, 100], log_errors: [5, 100] }), custom)).toBeCloseTo(100 / (1 + burn));
  });

  it('is null where nothing was seen, and leaves out what saw nothing or is switched off', () => {
    expect(score(pairs({}), indicators)).toBeNull();
    expect(score(pairs({ errors: [0, 0] }), indicators)).toBeNull();
    expect(score(pairs({ errors: [0, 10], log_errors: [0, 0] }), indicators)).toBe(100);
    const without = config({ indicators: { errors: { enabled: false } } }).indicators;
    expect(score(pairs({ errors: [10, 10] }), without)).toBeNull();
  });

  it('never rises with a bad event more, never falls with a good one more, and stays within 0 and 100', () => {
    const pair = fc.tuple(fc.nat(1000), fc.nat(1000)).map(([bad, good]) => ({ bad, all: bad + good }));
    const arbitrary = fc.array(fc.tuple(fc.constantFrom(...INDICATORS), pair), { minLength: 1 });
    fc.assert(
      fc.property(arbitrary, (entries) => {
        const before = new Map(entries);
        const value = score(before, indicators);
        for (const [name, { bad, all }] of before) {
          if (all === 0 || value === null) continue;
          const worse = score(new Map(before).set(name, { bad: bad + 1, all: all + 1 }), indicators) as number;
          const better = score(new Map(before).set(name, { bad, all: all + 1 }), indicators) as number;
          expect(worse).toBeLessThanOrEqual(value + 1e-9);
          expect(better).toBeGreaterThanOrEqual(value - 1e-9);
          expect(worse).toBeGreaterThanOrEqual(0);
          expect(better).toBeLessThanOrEqual(100);
        }
      }),
      { seed: 3, numRuns: 500 },
    );
  });
});
