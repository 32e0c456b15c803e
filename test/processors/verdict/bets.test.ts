import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bets, logMeanExp, RiskInterval, shareAt, speaking, type Stratum } from '../../../processors/verdict/bets.ts';
import { Comparison } from '../../../processors/verdict/comparison.ts';
import { SilenceBets } from '../../../processors/verdict/silence.ts';
import { Random } from '../../support/random.ts';

const stratum = (candidateAll: number, candidateBad: number, baselineAll: number, baselineBad: number): Stratum => ({
  candidateAll,
  candidateBad,
  baselineAll,
  baselineBad,
});

/** Worlds in which the candidate is exactly as bad as tolerated: the hardest null. One call is one block. */
const TOLERATED = 1.25;
const NULLS: Record<string, (random: Random) => Stratum[]> = {
  'single errors': (random) => {
    const [c, b] = [100, 900];
    return [stratum(c, random.poisson(c * 0.005 * TOLERATED), b, random.poisson(b * 0.005))];
  },
  'single errors, little traffic': (random) => [
    stratum(3, Math.min(3, random.poisson(3 * 0.01 * TOLERATED)), 12, Math.min(12, random.poisson(12 * 0.01))),
  ],
  'bursts of five, incidents common to both': (random) => {
    const level = random.chance(0.1) ? 20 : 1;
    const [c, b] = [100, 900];
    return [
      stratum(
        c,
        5 * random.poisson((c * 0.001 * level * TOLERATED) / 5),
        b,
        5 * random.poisson((b * 0.001 * level) / 5),
      ),
    ];
  },
  'bursts of twenty': (random) => {
    const [c, b] = [500, 9500];
    return [stratum(c, 20 * random.poisson((c * 0.002 * TOLERATED) / 20), b, 20 * random.poisson((b * 0.002) / 20))];
  },
  'a share that drifts from 1 % to 50 %': (random) => {
    const share = 0.01 + random.next() * 0.49;
    const [c, b] = [1000 * share, 1000 * (1 - share)];
    return [stratum(c, random.poisson(c * 0.01 * TOLERATED), b, random.poisson(b * 0.01))];
  },
  'operations of very different rates, in a mix that shifts': (random) => {
    const mix = random.next();
    return [
      stratum(200 * mix, random.poisson(200 * mix * 0.001 * TOLERATED), 500, random.poisson(500 * 0.001)),
      stratum(200 * (1 - mix), random.poisson(200 * (1 - mix) * 0.05 * TOLERATED), 50, random.poisson(50 * 0.05)),
    ];
  },
};

const RUNS = 4000;
const BLOCKS = 60;
const ALPHA = 0.01;

/** The e-value at the end of each run, and whether it ever reached 1/ALPHA. */
function simulate(seed: number, world: (random: Random) => Stratum[], make: () => Bets) {
  const random = new Random(seed);
  const ends: number[] = [];
  let fired = 0;
  for (let run = 0; run < RUNS; run++) {
    const bets = make();
    let top = 0;
    for (let block = 0; block < BLOCKS; block++) {
      bets.play(speaking(world(random)));
      top = Math.max(top, bets.logE);
    }
    ends.push(Math.exp(bets.logE));
    if (top >= Math.log(1 / ALPHA)) fired++;
  }
  return { mean: meanOf(ends), standardError: deviation(ends) / Math.sqrt(RUNS), fired: fired / RUNS };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviation(values: readonly number[]): number {
  const mean = meanOf(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

/** Three standard deviations of a share of RUNS above ALPHA. */
const FIRED_MAX = ALPHA + 3 * Math.sqrt((ALPHA * (1 - ALPHA)) / RUNS);

describe.each(Object.entries(NULLS))('a candidate exactly as bad as tolerated: %s', (_name, world) => {
  it('brings no evidence on average, and rarely much at any time', () => {
    const { mean, standardError, fired } = simulate(42, world, () => Bets.thatWorseThan(TOLERATED));
    expect(mean).toBeLessThanOrEqual(1 + 4 * standardError);
    expect(fired).toBeLessThanOrEqual(FIRED_MAX);
  });

  it('is not shown to be better either', () => {
    const { mean, standardError, fired } = simulate(43, world, () => Bets.thatBetterThan(TOLERATED));
    expect(mean).toBeLessThanOrEqual(1 + 4 * standardError);
    expect(fired).toBeLessThanOrEqual(FIRED_MAX);
  });

  it('lies within the interval at every moment, in at least 95 % of the runs', () => {
    const random = new Random(44);
    let outside = 0;
    const runs = 150;
    for (let run = 0; run < runs; run++) {
      const interval = new RiskInterval();
      let wasOutside = false;
      for (let block = 0; block < 30; block++) {
        interval.play(speaking(world(random)));
        const [lower, upper] = interval.bounds;
        wasOutside ||= lower > TOLERATED || (upper !== null && upper < TOLERATED);
      }
      if (wasOutside) outside++;
    }
    expect(outside / runs).toBeLessThanOrEqual(0.05);
  });
});

describe('bets', () => {
  it('expect the share that the counts and the risk give', () => {
    expect(shareAt([stratum(100, 3, 300, 7)], 1)).toBe(0.25);
    expect(shareAt([stratum(100, 3, 300, 7)], 3)).toBe(0.5);
    expect(shareAt([stratum(10, 1, 30, 0), stratum(30, 0, 10, 3)], 1)).toBeCloseTo((0.25 + 3 * 0.75) / 4);
  });

  it('multiply by 1 + stake times the surprise, one factor a gambler, and take the mean', () => {
    const bets = Bets.thatWorseThan(1);
    bets.play([stratum(100, 4, 100, 0)]);
    const factors = [1.25, 1.5, 2, 3, 4, 6, 10, 20].map((theta) => {
      const believed = theta / (theta + 1);
      return 1 + ((believed - 0.5) / (0.5 * 0.5)) * (1 - 0.5);
    });
    expect(Math.exp(bets.logE)).toBeCloseTo(meanOf(factors), 12);
    expect(bets.blocks).toBe(1);
  });

  it('are fair in every single block at the hypothesis itself', () => {
    for (const make of [() => Bets.thatWorseThan(1.25), () => Bets.thatBetterThan(1.25)]) {
      const after = (bad: [number, number]) => {
        const bets = make();
        bets.play([stratum(100, bad[0], 300, bad[1])]);
        return Math.exp(bets.logE);
      };
      const expected = 125 / 425;
      expect(expected * after([1, 0]) + (1 - expected) * after([0, 1])).toBeCloseTo(1, 12);
    }
  });

  it('say nothing of blocks without bad events or without one of the two', () => {
    const bets = Bets.thatWorseThan(1.25);
    bets.play(speaking([stratum(100, 0, 100, 0), stratum(0, 0, 50, 9), stratum(50, 9, 0, 0)]));
    expect([bets.logE, bets.blocks]).toEqual([0, 0]);
  });

  it('look at shares alone: a common level changes nothing', () => {
    const play = (factor: number) => {
      const bets = Bets.thatWorseThan(1.25);
      for (const [c, b] of [
        [3, 1],
        [1, 4],
        [2, 2],
      ] as const) {
        bets.play([stratum(100, c * factor, 400, b * factor)]);
      }
      return bets.logE;
    };
    expect(play(7)).toBeCloseTo(play(1), 12);
  });

  it('stay finite whatever is played', () => {
    const count = fc.nat(1_000_000);
    const arbitrary = fc
      .tuple(count, count, count, count)
      .map(([a, b, c, d]) => stratum(Math.max(a, b), Math.min(a, b), Math.max(c, d), Math.min(c, d)));
    fc.assert(
      fc.property(fc.array(fc.array(arbitrary, { maxLength: 4 }), { maxLength: 60 }), (blocks) => {
        for (const bets of [Bets.thatWorseThan(1.25), Bets.thatBetterThan(1.5)]) {
          for (const block of blocks) bets.play(speaking(block));
          expect(Number.isFinite(bets.logE)).toBe(true);
        }
      }),
      { seed: 2, numRuns: 200 },
    );
  });

  it('do not overflow when they win for a day', () => {
    const bets = Bets.thatWorseThan(1.25);
    for (let block = 0; block < 8640; block++) bets.play([stratum(100, 100, 100, 0)]);
    expect(bets.logE).toBeGreaterThan(4000);
    expect(Number.isFinite(bets.logE)).toBe(true);
  });

  it('take the mean of exponentials without overflow', () => {
    expect(logMeanExp(Float64Array.of(1000, 1000))).toBeCloseTo(1000, 12);
    expect(logMeanExp(Float64Array.of(0, Math.log(3)))).toBeCloseTo(Math.log(2), 12);
    expect(logMeanExp(Float64Array.of(-2000, -2000))).toBeCloseTo(-2000, 12);
  });
});

describe('operations', () => {
  /** Both versions do the same on each operation; the candidate serves the bad one more (Simpson's paradox). */
  const mixed = { fast: stratum(100, 1, 900, 9), slow: stratum(900, 90, 100, 10) };

  it('are compared each by itself', () => {
    const apart = Bets.thatWorseThan(1.25);
    const together = Bets.thatWorseThan(1.25);
    for (let block = 0; block < 60; block++) {
      apart.play([mixed.fast, mixed.slow]);
      together.play([stratum(1000, 91, 1000, 19)]);
    }
    expect(together.logE).toBeGreaterThan(Math.log(1e6));
    expect(apart.logE).toBeLessThan(0);
  });

  it('give a relative risk of 1 where each has one', () => {
    const comparison = new Comparison(0.25, 0.5);
    comparison.play(
      new Map([
        ['fast', mixed.fast],
        ['slow', mixed.slow],
      ]),
    );
    expect(comparison.relativeRisk).toBeCloseTo(1, 12);
    expect(comparison.candidate).toEqual({ all: 1000, bad: 91 });
    expect(comparison.operations.get('slow')).toEqual({
      candidate: { bad: 90, all: 900 },
      baseline: { bad: 10, all: 100 },
    });
  });

  it('give none where the baseline has nothing to compare with', () => {
    const comparison = new Comparison(0.25, 0.5);
    comparison.play(new Map([['fast', stratum(100, 5, 900, 0)]]));
    expect(comparison.relativeRisk).toBeNull();
  });
});

describe('the interval', () => {
  it('closes in on the true risk, and is open where nothing limits it', () => {
    const random = new Random(3);
    const interval = new RiskInterval();
    for (let block = 0; block < 400; block++) {
      interval.play([stratum(1000, random.poisson(40), 1000, random.poisson(10))]);
    }
    const [lower, upper] = interval.bounds;
    expect(lower).toBeGreaterThan(2.5);
    expect(lower).toBeLessThanOrEqual(4);
    expect(upper).toBeGreaterThanOrEqual(4);
    expect(upper).toBeLessThan(6.8);
  });

  it('begins with everything possible', () => {
    expect(new RiskInterval().bounds).toEqual([0, null]);
  });

  it('has no upper end while only the candidate fails', () => {
    const interval = new RiskInterval();
    for (let block = 0; block < 100; block++) interval.play([stratum(100, 10, 100, 0)]);
    const [lower, upper] = interval.bounds;
    expect(lower).toBeGreaterThan(10);
    expect(upper).toBeNull();
  });
});

describe('silence', () => {
  const simulateSilence = (draw: (random: Random) => readonly [weight: number, candidate: number, total: number]) => {
    const random = new Random(5);
    const ends: number[] = [];
    let fired = 0;
    for (let run = 0; run < RUNS; run++) {
      const bets = new SilenceBets(0.3);
      let top = 0;
      for (let block = 0; block < BLOCKS; block++) {
        bets.play(...draw(random));
        top = Math.max(top, bets.logE);
      }
      ends.push(Math.exp(bets.logE));
      if (top >= Math.log(1 / ALPHA)) fired++;
    }
    return { mean: meanOf(ends), error: deviation(ends) / Math.sqrt(RUNS), fired: fired / RUNS };
  };

  it('is no evidence where the candidate gets just the share allowed, by turns all and nothing', () => {
    const { mean, error, fired } = simulateSilence((random) => [0.1, random.chance(0.3) ? 10 : 0, 100]);
    expect(mean).toBeLessThanOrEqual(1 + 4 * error);
    expect(fired).toBeLessThanOrEqual(FIRED_MAX);
  });

  it('is no evidence where traffic is thin and the share a full one', () => {
    const { mean, fired } = simulateSilence((random) => {
      const [candidate, rest] = [random.poisson(0.2), random.poisson(1.8)];
      return [0.1, candidate, candidate + rest];
    });
    expect(mean).toBeLessThan(1);
    expect(fired).toBeLessThanOrEqual(FIRED_MAX);
  });

  it('is fair in every single block at the share allowed', () => {
    const after = (got: number) => {
      const bets = new SilenceBets(0.3);
      bets.play(0.1, got, 100);
      return Math.exp(bets.logE);
    };
    expect(0.3 * after(10) + 0.7 * after(0)).toBeCloseTo(1, 12);
    expect(after(3)).toBeCloseTo(1, 12);
  });

  it('grows when nothing comes, and waits until at least one request was due', () => {
    const bets = new SilenceBets(0.3);
    for (let block = 0; block < 10; block++) bets.play(0.05, 0, 4);
    expect([bets.blocks, bets.expected, bets.missing]).toEqual([2, 2, 2]);
    for (let block = 0; block < 30; block++) bets.play(0.5, 0, 100);
    expect(bets.logE).toBeGreaterThan(Math.log(4000));
  });

  it('counts one block no more than once, however much traffic there is', () => {
    const much = new SilenceBets(0.3);
    const little = new SilenceBets(0.3);
    much.play(0.5, 0, 1_000_000);
    little.play(0.5, 0, 2);
    expect(much.logE).toBe(little.logE);
  });
});
