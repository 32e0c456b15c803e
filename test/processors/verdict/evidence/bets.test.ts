import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bets, logSumExp, shareAt, WORSE } from '../../../../processors/verdict/evidence/bets.ts';
import { RiskInterval } from '../../../../processors/verdict/evidence/interval.ts';
import { block, factors, type Stratum, simulate } from '../../../support/evidence.ts';
import { Random } from '../../../support/random.ts';

const stratum = (...counts: Stratum): Stratum => counts;

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

const SIZE = { runs: RUNS, blocks: BLOCKS, alpha: ALPHA };

describe.each(Object.entries(NULLS))('a candidate exactly as bad as tolerated: %s', (_name, world) => {
  it('brings no evidence on average, and rarely much at any time', () => {
    const found = simulate(
      new Random(42),
      SIZE,
      () => new Bets(TOLERATED),
      (bets, random) => bets.play(block(...world(random))),
    );
    expect(found.mean).toBeLessThanOrEqual(1 + 4 * found.standardError);
    expect(found.fired).toBeLessThanOrEqual(found.firedMost);
  });

  it('is not shown to be better either', () => {
    // As `Comparison` asks it: the baseline as the candidate, against "at least 1 / risk times as bad".
    const mirrored = ([c, k, b, l]: Stratum): Stratum => [b, l, c, k];
    const found = simulate(
      new Random(43),
      SIZE,
      () => new Bets(1 / TOLERATED),
      (bets, random) => bets.play(block(...world(random).map(mirrored))),
    );
    expect(found.mean).toBeLessThanOrEqual(1 + 4 * found.standardError);
    expect(found.fired).toBeLessThanOrEqual(found.firedMost);
  });

  it('lies within the interval at every moment, in at least 95 % of the runs', () => {
    const random = new Random(44);
    let outside = 0;
    const runs = 150;
    for (let run = 0; run < runs; run++) {
      const interval = new RiskInterval();
      let wasOutside = false;
      for (let at = 0; at < 30; at++) {
        interval.play(block(...world(random)));
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
    expect(shareAt(block([100, 3, 300, 7]), 1)).toBe(0.25);
    expect(shareAt(block([100, 3, 300, 7]), 3)).toBe(0.5);
    expect(shareAt(block([10, 1, 30, 0], [30, 0, 10, 3]), 1)).toBeCloseTo((0.25 + 3 * 0.75) / 4);
  });

  it('multiply by 1 + stake times the surprise, one factor a gambler, and add up what they have', () => {
    const bets = new Bets(1);
    const before = bets.save();
    bets.play(block([100, 4, 100, 0]));
    const shares = WORSE.map((theta) => {
      const believed = theta / (theta + 1);
      return 1 + ((believed - 0.5) / (0.5 * 0.5)) * (1 - 0.5);
    });
    const rates = [0.2, 0.5, 0.9].map((stake) => 1 + stake * 0.04);
    const after = bets.save();
    factors(before, after).forEach((factor, i) => expect(factor).toBeCloseTo([...shares, ...rates][i] as number, 12));
    const capital = after.logs.reduce((sum, log) => sum + Math.exp(log), after.kept);
    expect(Math.exp(bets.logE)).toBeCloseTo(capital, 12);
    expect(bets.blocks).toBe(1);
  });

  it('begin with 1 together, and have as much after a block that says nothing', () => {
    for (const bets of [new Bets(1.25), new Bets(1, 0.1)]) {
      const capital = () => bets.save().logs.reduce((sum, log) => sum + Math.exp(log), bets.save().kept);
      expect(capital()).toBeCloseTo(1, 12);
      bets.play(block([100, 0, 100, 0]));
      expect(capital()).toBeCloseTo(1, 12);
      expect(bets.logE).toBe(0);
    }
  });

  it('have not lost all when a fault begins late: an hour of health costs less than it takes again', () => {
    const untilFound = (healthyBlocks: number) => {
      const random = new Random(9);
      const bets = new Bets(1.25);
      for (let at = 0; at < healthyBlocks; at++)
        bets.play(block([50, random.binomial(50, 0.005), 450, random.binomial(450, 0.005)]));
      for (let at = 1; at < 2000; at++) {
        bets.play(block([50, random.binomial(50, 0.05), 450, random.binomial(450, 0.005)]));
        if (bets.logE >= Math.log(2500)) return at;
      }
      return Number.POSITIVE_INFINITY;
    };
    expect(untilFound(720)).toBeLessThan(3 * untilFound(0));
  });

  it('of latency bet on the order too, at even odds, also where nothing was slow', () => {
    const order = (over: number) => {
      const bets = new Bets(1, 0.5);
      const before = bets.save();
      expect(bets.play({ ...block([100, 0, 100, 0]), candidateOver: [over] })).toBe(true);
      return factors(before, bets.save(), 0.5).slice(-3);
    };
    order(51).forEach((factor, i) => expect(factor).toBeCloseTo(1 + ([0.3, 0.6, 0.9][i] as number), 12));
    // Half of the requests over the bound is as usual.
    order(50).forEach((factor, i) => expect(factor).toBeCloseTo(1 - ([0.3, 0.6, 0.9][i] as number), 12));
  });

  it('do not bet on the order of a handful: eight requests are the least for a median', () => {
    const bets = new Bets(1, 0.5);
    expect(bets.play({ ...block([7, 0, 100, 0]), candidateOver: [7] })).toBe(false);
    expect(bets.play({ ...block([100, 0, 7, 0]), candidateOver: [100] })).toBe(false);
    expect([bets.logE, bets.blocks]).toEqual([0, 0]);
    expect(bets.play({ ...block([8, 0, 8, 0]), candidateOver: [8] })).toBe(true);
  });

  it('say nothing of blocks without bad events or without one of the two', () => {
    const bets = new Bets(1.25);
    expect(bets.play(block([100, 0, 100, 0]))).toBe(false);
    expect(bets.play(block())).toBe(false);
    expect([bets.logE, bets.blocks]).toEqual([0, 0]);
  });

  it('on shares look at shares alone: a common level changes nothing', () => {
    const play = (factor: number) => {
      const bets = new Bets(1.25);
      for (const [c, b] of [
        [3, 1],
        [1, 4],
        [2, 2],
      ] as const) {
        bets.play(block([100, c * factor, 400, b * factor]));
      }
      return bets.save().logs.slice(0, WORSE.length);
    };
    play(7).forEach((log, i) => expect(log).toBeCloseTo(play(1)[i] as number, 12));
  });

  it('on rates grow where the candidate has nearly all of the traffic and shares tell little', () => {
    const bets = new Bets(1.25);
    for (let at = 0; at < 60; at++) bets.play(block([980, 500, 20, 1]));
    const { logs } = bets.save();
    expect(Math.max(...logs.slice(WORSE.length))).toBeGreaterThan(Math.log(1000));
    expect(Math.max(...logs.slice(0, WORSE.length))).toBeLessThan(Math.log(1000));
  });

  it('stay finite whatever is played, and are the same again from what they saved', () => {
    const count = fc.nat(1_000_000);
    const arbitrary = fc.tuple(count, count, count, count, fc.boolean()).map(([a, b, c, d, isOver]) => ({
      counts: stratum(Math.max(a, b, 1), Math.min(a, b), Math.max(c, d, 1), Math.min(c, d)),
      over: isOver ? Math.max(a, b, 1) : 0,
    }));
    fc.assert(
      fc.property(fc.array(fc.array(arbitrary, { maxLength: 4 }), { maxLength: 40 }), (blocks) => {
        for (let bets of [new Bets(1.25), new Bets(1 / 1.5), new Bets(1, 0.1), new Bets(11)]) {
          for (const [at, strata] of blocks.entries()) {
            const played = {
              ...block(...strata.map(({ counts }) => counts)),
              candidateOver: strata.map(({ over }) => over),
            };
            bets.play(played);
            if (at % 3 === 0) bets.fade(0.1);
            if (at % 5 !== 0) continue;
            const again = bets.clone();
            again.restore(JSON.parse(JSON.stringify(bets.save())));
            expect(again.save()).toEqual(bets.save());
            bets = again;
          }
          expect(Number.isFinite(bets.logE)).toBe(true);
        }
      }),
      { seed: 2, numRuns: 200 },
    );
  });

  it('do not overflow when they win for a day', () => {
    const bets = new Bets(1.25);
    for (let at = 0; at < 17_280; at++) bets.play(block([100, 100, 100, 0]));
    expect(bets.logE).toBeGreaterThan(4000);
    expect(Number.isFinite(bets.logE)).toBe(true);
  });

  it('add exponentials without overflow', () => {
    expect(logSumExp(Float64Array.of(1000, 1000))).toBeCloseTo(1000 + Math.LN2, 12);
    expect(logSumExp(Float64Array.of(0, Math.log(3)))).toBeCloseTo(Math.log(4), 12);
    expect(logSumExp(Float64Array.of(-2000, -2000))).toBeCloseTo(-2000 + Math.LN2, 12);
    expect(logSumExp(Float64Array.of())).toBe(Number.NEGATIVE_INFINITY);
  });

  it('fade by a part of what was gained, and never where nothing was', () => {
    const bets = new Bets(1.25);
    bets.play(block([100, 9, 100, 0]));
    const { logE } = bets;
    bets.fade(0.25);
    expect(bets.logE).toBeCloseTo(0.75 * logE, 12);
    const poor = new Bets(1.25);
    poor.play(block([100, 0, 100, 9]));
    const { logE: lost } = poor;
    poor.fade(0.25);
    expect(poor.logE).toBe(lost);
    expect(lost).toBeLessThan(0);
  });
});
