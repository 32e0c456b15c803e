import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ScoredIndicator, score, scores } from '../../../processors/verdict/score.ts';

type Pairs = Map<string, { bad: number; all: number }>;
const pairs = (entries: Record<string, readonly [bad: number, all: number]>): Pairs =>
  new Map(Object.entries(entries).map(([name, [bad, all]]) => [name, { bad, all }]));
const indicator = (weight: number, objective: number, enabled = true): ScoredIndicator => ({
  enabled,
  weight,
  objective,
});
const CONFIG = {
  errors: indicator(0.3, 0.995),
  log_errors: indicator(0.1, 0.99),
  silence: indicator(0.25, 0.9),
  checkout_failed: indicator(0.2, 0),
};

describe('score', () => {
  it('is 100 where nothing went wrong, 50 where the budget is used as fast as allowed', () => {
    expect(score(pairs({ errors: [0, 1000] }), CONFIG)).toBe(100);
    expect(score(pairs({ errors: [5, 1000] }), CONFIG)).toBeCloseTo(50);
    expect(score(pairs({ errors: [15, 1000] }), CONFIG)).toBeCloseTo(25);
  });

  it('is 100 / (1 + R), R the mean of the burns by weight', () => {
    const custom = { errors: indicator(0.4, 0.99), log_errors: indicator(0.2, 0.9), silence: indicator(0.05, 0.9) };
    const burn = (0.4 * (0.03 / 0.01) + 0.2 * (0.05 / 0.1)) / 0.6;
    expect(score(pairs({ errors: [3, 100], log_errors: [5, 100] }), custom)).toBeCloseTo(100 / (1 + burn));
  });

  it('says of each indicator, and of itself, how many events it rests on', () => {
    const all = scores(pairs({ errors: [5, 1000], log_errors: [0, 40], silence: [0, 0], unknown: [9, 9] }), CONFIG);
    expect(all.events).toBe(1040);
    expect(Object.keys(all.indicators)).toEqual(['errors', 'log_errors']);
    expect(all.indicators['errors']).toMatchObject({ bad: 5, all: 1000 });
    expect(all.indicators['errors']?.score).toBeCloseTo(50);
    expect(all.indicators['log_errors']).toEqual({ score: 100, bad: 0, all: 40 });
  });

  it('is null where nothing was seen, and leaves out what saw nothing or is switched off', () => {
    expect(scores(pairs({}), CONFIG)).toEqual({ score: null, events: 0, indicators: {} });
    expect(score(pairs({ errors: [0, 0] }), CONFIG)).toBeNull();
    expect(score(pairs({ errors: [0, 10], log_errors: [0, 0] }), CONFIG)).toBe(100);
    expect(score(pairs({ errors: [10, 10] }), { errors: indicator(0.3, 0.995, false) })).toBeNull();
    expect(score(new Map([['constructor', { bad: 10, all: 10 }]]), CONFIG)).toBeNull();
  });

  const pair = fc.tuple(fc.nat(1000), fc.nat(1000)).map(([bad, good]) => ({ bad, all: bad + good }));
  const name = fc.constantFrom(...Object.keys(CONFIG), 'of_the_user');
  const settings = fc.record({
    enabled: fc.boolean(),
    weight: fc.double({ min: 0.01, max: 1, noNaN: true }),
    objective: fc.double({ min: 0, max: 0.999999, noNaN: true }),
  });
  const arbitrary = fc.tuple(
    fc.array(fc.tuple(name, pair), { minLength: 1 }).map((entries) => new Map(entries)),
    fc.dictionary(name, settings).map((more) => ({ ...CONFIG, ...more })),
  );

  it('never rises with more bad events, never falls with more good ones, as a whole and by indicator', () => {
    fc.assert(
      fc.property(arbitrary, fc.integer({ min: 1, max: 500 }), ([before, config], more) => {
        const value = scores(before, config);
        for (const [name, { score: own, bad, all }] of Object.entries(value.indicators)) {
          const worse = scores(new Map(before).set(name, { bad: bad + more, all: all + more }), config);
          const better = scores(new Map(before).set(name, { bad, all: all + more }), config);
          const swapped = scores(new Map(before).set(name, { bad: Math.min(all, bad + more), all }), config);
          for (const lower of [worse, swapped]) {
            expect(lower.score).toBeLessThanOrEqual((value.score as number) + 1e-9);
            expect(lower.indicators[name]?.score).toBeLessThanOrEqual(own + 1e-9);
          }
          expect(better.score).toBeGreaterThanOrEqual((value.score as number) - 1e-9);
          expect(better.indicators[name]?.score).toBeGreaterThanOrEqual(own - 1e-9);
          expect(worse.score).toBeGreaterThan(0);
          expect(better.score).toBeLessThanOrEqual(100);
          expect(worse.events).toBe(value.events + more);
        }
      }),
      { seed: 3, numRuns: 500 },
    );
  });

  it('lies between its indicators, and is the same in any order of them', () => {
    fc.assert(
      fc.property(arbitrary, ([entries, config]) => {
        const value = scores(entries, config);
        const own = Object.values(value.indicators).map(({ score }) => score);
        if (value.score === null) {
          expect(own).toEqual([]);
          return;
        }
        expect(value.score).toBeGreaterThanOrEqual(Math.min(...own) - 1e-9);
        expect(value.score).toBeLessThanOrEqual(Math.max(...own) + 1e-9);
        expect(scores(new Map([...entries].reverse()), config)).toEqual(value);
      }),
      { seed: 4, numRuns: 300 },
    );
  });
});
