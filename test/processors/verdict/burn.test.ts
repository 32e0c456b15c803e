import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BURN_RATES, burnConfig, burning, burnSentence, lowerBound } from '../../../processors/verdict/burn.ts';
import { type BurnWindowName, SlidingPair } from '../../../processors/verdict/windows.ts';

const CONFIG = burnConfig.parse({});
const OBJECTIVE = 0.999;
/** The last second of a 5 min slot, so that no window ends with a partial one. */
const START = 1_700_000_099;

/** A day of one pair of counts a second, from `from` seconds before the end. */
function history(...spans: readonly { from: number; until?: number; all: number; bad: number }[]): SlidingPair {
  const pair = new SlidingPair(START, true);
  for (const { from, until = 0, all, bad } of spans) {
    for (let age = from - 1; age >= until; age--) pair.add(START - age, all, bad);
  }
  return pair;
}

const of = (pair: SlidingPair, objective = OBJECTIVE, config = CONFIG) =>
  burning((window) => pair.get(window), objective, config);

describe('burn rates', () => {
  it('fire for the fastest rate that both windows exceed', () => {
    const fast = of(history({ from: 3600, all: 50, bad: 1 }));
    expect(fast).toMatchObject({ rate: 14.4, long: { window: '1h', bad: 3600 }, short: { window: '5m', bad: 300 } });
    expect(fast?.long.burn).toBeCloseTo(20);
    expect(of(history({ from: 21_600, all: 125, bad: 1 }))?.rate).toBe(6);
    expect(of(history({ from: 86_400, all: 250, bad: 1 }))?.rate).toBe(3);
    expect(of(history({ from: 86_400, all: 500, bad: 1 }))).toBeUndefined();
  });

  it('are silent once it is over, and while it has only begun', () => {
    const over = history(
      { from: 86_400, until: 3600, all: 50, bad: 0 },
      { from: 3600, until: 400, all: 50, bad: 1 },
      { from: 400, all: 50, bad: 0 },
    );
    expect(over.get('1h').bad / over.get('1h').all / (1 - OBJECTIVE)).toBeGreaterThan(14.4);
    expect(of(over)).toBeUndefined();
    const begun = history({ from: 86_400, until: 60, all: 50, bad: 0 }, { from: 60, all: 50, bad: 5 });
    expect(of(begun)).toBeUndefined();
  });

  it('never fire below the minimum of events in either window', () => {
    const few = history({ from: 99, all: 1, bad: 1 });
    expect(of(few)).toBeUndefined();
    expect(of(history({ from: 100, all: 1, bad: 1 }))?.rate).toBe(14.4);
    expect(of(few, OBJECTIVE, burnConfig.parse({ min_events: 50 }))?.rate).toBe(14.4);
    expect(of(history({ from: 3600, all: 1, bad: 1 }), OBJECTIVE, burnConfig.parse({ min_events: 301 }))?.rate).toBe(6);
  });

  it('take no single bad event of few for a fire', () => {
    const one = history({ from: 100, all: 1, bad: 0 }, { from: 1, all: 0, bad: 1 });
    expect(of(one, 0.9999)).toBeUndefined();
    expect(one.get('5m').bad / one.get('5m').all / 0.0001).toBeGreaterThan(14.4);
  });

  it('can be switched off', () => {
    expect(
      of(history({ from: 3600, all: 1, bad: 1 }), OBJECTIVE, burnConfig.parse({ enabled: false })),
    ).toBeUndefined();
  });

  it('are said as a person would', () => {
    const fast = of(history({ from: 3600, all: 50, bad: 1 }));
    expect(burnSentence(fast!)).toBe(
      'burns its error budget 20 times as fast as allowed over 1h (3 600 of 180 000) and 20 times over 5m (300 of 15 000)',
    );
  });

  it('fire only above the rate, beyond doubt, with enough events: and then for the first such rate', () => {
    const pair = fc
      .tuple(fc.oneof(fc.nat(200), fc.nat(1_000_000)), fc.double({ min: 0, max: 0.2, noNaN: true }))
      .map(([all, share]) => ({ all, bad: Math.floor(all * share) }));
    const names: BurnWindowName[] = ['5m', '30m', '1h', '2h', '6h', '1d'];
    fc.assert(
      fc.property(
        fc.tuple(pair, pair, pair, pair, pair, pair),
        fc.double({ min: 0.9, max: 0.9999, noNaN: true }),
        (pairs, objective) => {
          const get = (window: BurnWindowName) => pairs[names.indexOf(window)]!;
          const burns = ({ rate, long, short }: (typeof BURN_RATES)[number]) =>
            [get(long), get(short)].every(
              ({ all, bad }) => all >= 100 && lowerBound(bad, all) / (1 - objective) > rate,
            );
          expect(burning(get, objective, CONFIG)?.rate).toBe(BURN_RATES.find(burns)?.rate);
        },
      ),
      { seed: 2, numRuns: 500 },
    );
  });
});

describe('the lower bound of a rate', () => {
  it('is where so many bad events have a probability of 2.5 %', () => {
    expect(lowerBound(0, 100)).toBe(0);
    expect(lowerBound(0, 0)).toBe(0);
    // All bad: p^n = 0.025. One bad: 1 - (1 - p)^n = 0.025.
    expect(lowerBound(50, 50)).toBeCloseTo(0.025 ** (1 / 50), 12);
    expect(lowerBound(1, 100)).toBeCloseTo(1 - 0.975 ** (1 / 100), 12);
  });

  it('lies below the rate, rises with bad events and, at the same rate, with the number of events', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), fc.nat(100_000), (bad, good) => {
        const bound = lowerBound(bad, bad + good);
        expect(bound).toBeLessThanOrEqual(bad / (bad + good));
        expect(lowerBound(bad + 1, bad + good + 1)).toBeGreaterThan(bound);
        expect(lowerBound(bad * 2, (bad + good) * 2)).toBeGreaterThan(bound);
      }),
      { seed: 5, numRuns: 300 },
    );
  });
});
