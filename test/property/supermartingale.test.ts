/**
 * The e-processes are supermartingales where the candidate is just as bad as tolerated: by enumeration of a block's
 * outcomes, each gambler by himself, and on simulated streams of adversaries who know the capital.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bets } from '../../processors/verdict/evidence/bets.ts';
import { ObjectiveBets } from '../../processors/verdict/evidence/objective.ts';
import { SilenceBets } from '../../processors/verdict/evidence/silence.ts';
import { binomial, block, factors, type Stratum, simulate } from '../support/evidence.ts';
import { Random } from '../support/random.ts';

/** Requests of a block by one operation: how many, in bursts of what size they fail, and the baseline's rate. */
interface Null {
  readonly c: number;
  readonly b: number;
  readonly rate: number;
  readonly burst: number;
}

/** How much each gambler has on average after one block, of 1 that he staked; the candidate is `risk` times as bad. */
function expectedFactors(risk: number, strata: readonly Null[]): number[] {
  const before = new Bets(risk).save();
  const expected = before.logs.map(() => 0);
  const visit = (at: number, probability: number, counts: readonly Stratum[]): void => {
    const stratum = strata[at];
    if (stratum === undefined) {
      const bets = new Bets(risk);
      // A block in which nothing is said is none: all have what they had.
      const after = bets.play(block(...counts)) ? factors(before, bets.save()) : expected.map(() => 1);
      after.forEach((factor, i) => {
        expected[i] = (expected[i] as number) + probability * factor;
      });
      return;
    }
    const { c, b, rate, burst } = stratum;
    binomial(c / burst, Math.min(1, rate * risk)).forEach((p, k) => {
      binomial(b / burst, rate).forEach((q, l) => {
        if (p * q > 0) visit(at + 1, probability * p * q, [...counts, [c, k * burst, b, l * burst]]);
      });
    });
  };
  visit(0, 1, []);
  return expected;
}

const most = (values: readonly number[]) => Math.max(...values);
const size = fc.integer({ min: 1, max: 40 });
const risk = fc.constantFrom(0.2, 1 / 1.5, 0.9, 1, 1.05, 1.25, 1.5, 2, 3, 5, 11);
/** A part of the highest rate that there can be: where the candidate always fails. */
const part = fc.double({ min: 0.001, max: 1, noNaN: true });

describe('every gambler of the bets has no more on average after a block', () => {
  it('of independent events, at whatever level, size and risk', () => {
    fc.assert(
      fc.property(risk, size, size, part, (r, c, b, level) => {
        const rate = level * Math.min(1, 1 / r);
        expect(most(expectedFactors(r, [{ c, b, rate, burst: 1 }]))).toBeLessThanOrEqual(1 + 1e-9);
      }),
      { seed: 21, numRuns: 400 },
    );
  });

  it('of several operations, each at a level of its own, to half of a per mille', () => {
    const few = fc.integer({ min: 1, max: 7 });
    const operation = fc.record({ c: few, b: few, level: part });
    fc.assert(
      fc.property(fc.constantFrom(1, 1.25, 2), operation, operation, (r, one, other) => {
        const strata = [one, other].map(({ c, b, level }) => ({ c, b, rate: level / r, burst: 1 }));
        expect(most(expectedFactors(r, strata))).toBeLessThanOrEqual(1.0005);
      }),
      { seed: 22, numRuns: 100 },
    );
  });

  it('of bursts, where each version fails in bursts of the same size: exactly if they are equally bad', () => {
    const bursts = fc.integer({ min: 2, max: 20 });
    fc.assert(
      fc.property(size, size, bursts, part, (c, b, burst, level) => {
        const factors = expectedFactors(1, [{ c: c * burst, b: b * burst, rate: level, burst }]);
        expect(most(factors)).toBeLessThanOrEqual(1 + 1e-9);
      }),
      { seed: 23, numRuns: 150 },
    );
  });

  it('of bursts, with a candidate at the tolerance: to three per mille where at most one in 20 fails', () => {
    const bursts = fc.integer({ min: 2, max: 20 });
    fc.assert(
      fc.property(size, size, bursts, fc.double({ min: 0.0001, max: 0.05, noNaN: true }), (c, b, burst, rate) => {
        const factors = expectedFactors(1.25, [{ c: c * burst, b: b * burst, rate, burst }]);
        expect(most(factors)).toBeLessThanOrEqual(1.003);
      }),
      { seed: 24, numRuns: 150 },
    );
  });

  it('and less where the candidate is better than tolerated', () => {
    fc.assert(
      fc.property(size, size, fc.double({ min: 0.01, max: 0.4, noNaN: true }), (c, b, rate) => {
        const before = new Bets(2).save();
        const expected = before.logs.map(() => 0);
        binomial(c, rate).forEach((p, k) => {
          binomial(b, rate).forEach((q, l) => {
            const bets = new Bets(2);
            const after = bets.play(block([c, k, b, l])) ? factors(before, bets.save()) : expected.map(() => 1);
            after.forEach((factor, i) => {
              expected[i] = (expected[i] as number) + p * q * factor;
            });
          });
        });
        expect(most(expected)).toBeLessThan(1);
      }),
      { seed: 25, numRuns: 60 },
    );
  });
});

describe('bets on the objective and on silence have no more on average', () => {
  it('after so many events at the budget or beyond', () => {
    fc.assert(
      fc.property(size, fc.double({ min: 0.0001, max: 0.5, noNaN: true }), part, (n, budget, beyond) => {
        const dealt = new ObjectiveBets(budget).save().logs;
        for (const rate of [budget, budget + beyond * (1 - budget)]) {
          const expected = dealt.map(() => 0);
          binomial(n, rate).forEach((p, bad) => {
            const bets = new ObjectiveBets(budget);
            bets.play(bad, n);
            bets.save().logs.forEach((log, i) => {
              expected[i] = (expected[i] as number) + p * Math.exp(log - (dealt[i] as number));
            });
          });
          expect(most(expected)).toBeLessThanOrEqual(1 + 1e-9);
        }
      }),
      { seed: 26, numRuns: 300 },
    );
  });

  it('after a block in which the candidate gets its share on average, however that is spread', () => {
    const outcome = fc.tuple(fc.nat(200), fc.integer({ min: 1, max: 100 }));
    fc.assert(
      fc.property(
        fc.array(outcome, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 10, max: 100 }),
        (spread, fair) => {
          const weights = spread.reduce((sum, [, weight]) => sum + weight, 0);
          const mean = spread.reduce((sum, [got, weight]) => sum + Math.min(1, got / fair) * (weight / weights), 0);
          fc.pre(mean >= 0.01 && mean <= 0.9);
          const dealt = new SilenceBets(mean).save().logs;
          const expected = dealt.map(() => 0);
          for (const [got, weight] of spread) {
            const bets = new SilenceBets(mean);
            bets.play(0.1, got, 10 * fair);
            bets.save().logs.forEach((log, i) => {
              expected[i] = (expected[i] as number) + (weight / weights) * Math.exp(log - (dealt[i] as number));
            });
          }
          expect(most(expected)).toBeLessThanOrEqual(1 + 1e-9);
        },
      ),
      { seed: 27, numRuns: 300 },
    );
  });
});

/** What an adversary chooses for the next block, knowing all that came before. */
interface Choice {
  readonly c: number;
  readonly b: number;
  readonly rate: number;
  readonly burst: number;
}

/** Adversaries: by the logarithm of the capital, and the block. */
const ADVERSARIES: Record<string, (logE: number, at: number, random: Random) => Choice> = {
  'stops when it is ahead, and goes on when it is behind': (logE) => ({
    c: 20,
    b: 80,
    rate: logE > 2 ? 0 : 0.02,
    burst: 1,
  }),
  'sends more traffic to the candidate the better it stands': (logE) => ({
    c: Math.min(400, Math.max(5, Math.round(20 * Math.exp(logE)))),
    b: 100,
    rate: 0.01,
    burst: 1,
  }),
  'has incidents that hit both when it is ahead': (logE, at) => ({
    c: 30,
    b: 120,
    rate: logE > 1 || at % 17 === 0 ? 0.3 : 0.005,
    burst: 1,
  }),
  'fails in bursts that grow with the capital': (logE) => ({
    c: 200,
    b: 800,
    rate: 0.01,
    burst: logE < 0 ? 1 : logE < 1.5 ? 5 : 20,
  }),
  'lets the canary grow from one request in a hundred to half of them': (_logE, at) => ({
    c: 2 + at,
    b: 200 - at,
    rate: 0.02,
    burst: 1,
  }),
  'changes all of it at random, also to a handful of requests of which most fail': (_logE, _at, random) => ({
    c: 1 + random.below(40),
    b: 1 + random.below(80),
    rate: random.next() * 0.7,
    burst: 1,
  }),
};

const SIZE = { runs: 2000, blocks: 150, alpha: 0.05 };

describe.each(Object.entries(ADVERSARIES))('an adversary who %s', (_name, choose) => {
  it.each([
    [1.25, undefined],
    [1, 0.1],
    [1 / 1.5, undefined],
  ] as const)('wins 20 times the capital no more often than once in 20: risk %f, tail %s', (r, tail) => {
    const found = simulate(
      new Random(31),
      SIZE,
      () => new Bets(r, tail),
      (bets, random, at) => {
        const { c, b, rate, burst } = choose(bets.logE, at, random);
        const fails = (all: number, probability: number) =>
          burst * random.binomial(Math.floor(all / burst), Math.min(1, probability));
        const strata = block([c, fails(c, rate * r), b, fails(b, rate)]);
        // A quantile is above the other one every other time.
        bets.play(tail === undefined ? strata : { ...strata, candidateOver: [random.chance(0.5) ? c : 0] });
      },
    );
    expect(found.mean).toBeLessThanOrEqual(1 + 4 * found.standardError);
    expect(found.fired).toBeLessThanOrEqual(found.firedMost);
  });
});

describe('an adversary of the other bets wins no more often', () => {
  it('by silence: all and nothing by turns, or just enough when it is ahead; and with young deaths', () => {
    const found = simulate(
      new Random(32),
      SIZE,
      () => new SilenceBets(0.3),
      (bets, random, at) => {
        const fair = 10;
        const got = bets.logE > 1.5 ? 0.3 * fair : random.chance(0.3) ? fair : 0;
        bets.play(0.1, got, 100);
        if (at % 7 === 0) bets.playBirth(random.chance(0.2));
      },
    );
    expect(found.mean).toBeLessThanOrEqual(1 + 4 * found.standardError);
    expect(found.fired).toBeLessThanOrEqual(found.firedMost);
  });

  it('by the objective: few events when it is ahead, many when it is behind', () => {
    const found = simulate(
      new Random(33),
      SIZE,
      () => new ObjectiveBets(0.01),
      (bets, random) => {
        const all = bets.logE > 1 ? 2 : 60;
        bets.play(random.binomial(all, 0.01), all);
      },
    );
    expect(found.mean).toBeLessThanOrEqual(1 + 4 * found.standardError);
    expect(found.fired).toBeLessThanOrEqual(found.firedMost);
  });
});
