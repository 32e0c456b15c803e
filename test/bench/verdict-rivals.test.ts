/** The rivals in bench/verdict on cases small enough to follow by hand. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Judge } from '../../bench/verdict/judge.ts';
import { normalQuantile, normalTail } from '../../bench/verdict/normal.ts';
import { argo } from '../../bench/verdict/rivals/argo.ts';
import { CountedErrors, eProcess } from '../../bench/verdict/rivals/e-process.ts';
import { flagger } from '../../bench/verdict/rivals/flagger.ts';
import { isHigh, kayenta, kayentaForewarned } from '../../bench/verdict/rivals/kayenta.ts';
import { pValue, shiftOf, standardScore } from '../../bench/verdict/rivals/mann-whitney.ts';
import { BASELINE, BINS, CANDIDATE, Frame, type Layout } from '../../bench/verdict/world.ts';

interface Vectors {
  readonly cases: readonly {
    readonly x: number[];
    readonly y: number[];
    readonly p: number;
    readonly lower: number;
    readonly upper: number;
  }[];
  readonly normal: readonly { readonly p: number; readonly z: number }[];
}

/** By scipy, with the script beside the file. */
const VECTORS = JSON.parse(readFileSync(join(import.meta.dirname, 'vectors/mannwhitney.json'), 'utf8')) as Vectors;

const STEP = 5;

interface Minute {
  readonly all: number;
  readonly bad: number;
  /** Bin of all durations; 300 is 700 ms. */
  readonly bin?: number;
}

/** A judge's rollback, where each minute of the candidate's is given and the baseline serves 600 without a fault. */
function judge(one: Judge, minutes: readonly Minute[], baseline: Minute = { all: 600, bad: 0 }) {
  const layout: Layout = {
    services: ['checkout'],
    cells: ([BASELINE, CANDIDATE] as const).map((cohort) => ({
      service: 0,
      cohort,
      instance: `${cohort}`,
      operation: 'GET /',
    })),
    bad: [true],
    step: STEP,
  };
  const watch = one.watch(layout, 'errors');
  const frame = new Frame(layout);
  for (let second = 0; second < 60 * minutes.length; second += STEP) {
    const minute = minutes[Math.floor(second / 60)] as Minute;
    frame.clear(second);
    for (const [cell, { all, bad, bin = 200 }] of [baseline, minute].entries()) {
      // All of a minute's requests in its last step.
      if ((second + STEP) % 60 !== 0) continue;
      frame.all[cell] = all;
      frame.bad[cell] = bad;
      frame.bins[cell * BINS + bin] = all;
    }
    watch.observe(frame);
  }
  return watch.verdicts[0];
}

const good: Minute = { all: 600, bad: 0 };
const bad: Minute = { all: 600, bad: 60 };
const none: Minute = { all: 0, bad: 0 };
const repeat = (minute: Minute, times: number) => Array.from({ length: times }, () => minute);

describe('Flagger', () => {
  it('rolls back at the fifth failed check, and forgets none in between', () => {
    expect(judge(flagger(5), repeat(bad, 10))?.second).toBe(300);
    expect(judge(flagger(5), [...repeat(bad, 4), ...repeat(good, 30), bad])?.second).toBe(35 * 60);
    expect(judge(flagger(5), [...repeat(bad, 4), ...repeat(good, 30)])).toBeUndefined();
  });

  it('fails above one error in a hundred, not at it', () => {
    expect(judge(flagger(3), repeat({ all: 600, bad: 6 }, 10))).toBeUndefined();
    expect(judge(flagger(3), repeat({ all: 600, bad: 7 }, 10))?.second).toBe(180);
  });

  it('fails on slow requests and on none at all', () => {
    expect(judge(flagger(3), repeat({ ...good, bin: 300 }, 5))?.reason).toBe('p99 duration');
    expect(judge(flagger(3), repeat(none, 5))?.reason).toBe('no value');
  });
});

describe('Argo', () => {
  it('ends at the fourth failed measurement', () => {
    expect(judge(argo(), repeat(bad, 10))?.second).toBe(240);
    expect(judge(argo(), [...repeat(bad, 3), ...repeat(good, 20)])).toBeUndefined();
  });

  it('takes one error in twenty', () => {
    expect(judge(argo(), repeat({ all: 600, bad: 30 }, 10))).toBeUndefined();
  });

  it('ends at the fifth error in a row, the first of which comes before any data', () => {
    expect(judge(argo(), repeat(none, 10))).toMatchObject({ second: 240, reason: 'no value' });
    expect(judge(argo(), [...repeat(none, 3), good, ...repeat(none, 4), good])).toBeUndefined();
  });
});

describe('Kayenta', () => {
  it('needs five minutes of a clear difference', () => {
    expect(judge(kayentaForewarned(), repeat(bad, 20))?.second).toBe(300);
    expect(judge(kayentaForewarned(), repeat(good, 20))).toBeUndefined();
  });

  it('passes a candidate without data', () => {
    expect(judge(kayenta(), repeat(none, 60))).toBeUndefined();
  });

  it('has no margin: a difference of a hundredth is High where there is little noise', () => {
    const baseline = Array.from({ length: 30 }, (_, i) => 100 + (i % 7) * 0.1);
    expect(
      isHigh(
        baseline.map((value) => value * 1.01),
        baseline,
      ),
    ).toBe(true);
    expect(isHigh(baseline, baseline)).toBe(false);
    expect(
      isHigh(
        baseline.map((value) => value * 0.5),
        baseline,
      ),
    ).toBe(false);
  });

  it('takes the least difference for the bound where there are too few values to be sure of any', () => {
    expect(isHigh([2, 3, 4], [1, 1.8, 0.5])).toBe(false);
    expect(isHigh([2, 3, 4], [1, 0, 0.5])).toBe(true);
  });

  it('compares constant values too', () => {
    expect(
      isHigh(
        Array.from({ length: 6 }, () => 2),
        Array.from({ length: 6 }, () => 1),
      ),
    ).toBe(true);
    expect(isHigh([1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1])).toBe(false);
  });
});

describe('the Mann-Whitney test', () => {
  it('agrees with the example in the documents of scipy.stats.mannwhitneyu', () => {
    const males = [19, 22, 16, 29, 24];
    const females = [20, 11, 17, 12];
    expect(pValue(males, females)).toBeCloseTo(0.111_346_886_533_140_41, 6);
  });

  it('agrees with ranks and ties counted one by one', () => {
    const values = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 2, maxLength: 30 });
    fc.assert(
      fc.property(values, values, (x, y) => {
        expect(standardScore(x, y)).toBeCloseTo(bruteForce(x, y), 9);
      }),
    );
  });

  it('finds a shift that was put in, between its bounds', () => {
    const y = Array.from({ length: 40 }, (_, i) => Math.sin(i * 1.7) * 3);
    const { lower, estimate, upper } = shiftOf(y.map((value) => value + 5).toReversed(), y, 0.98);
    expect(estimate).toBeCloseTo(5, 1);
    expect(lower).toBeLessThan(5);
    expect(upper).toBeGreaterThan(5);
    // At the bounds the test is just on the edge.
    const x = y.map((value) => value + 5);
    expect(standardScore(x, y, lower - 1e-6)).toBeGreaterThan(2.326);
    expect(standardScore(x, y, upper + 1e-6)).toBeLessThan(-2.326);
  });

  it.each(VECTORS.cases.map((one, i) => [i, one] as const))(
    'agrees with scipy in p-value and bounds, case %i',
    (_, one) => {
      const { x, y, p, lower, upper } = one;
      expect(pValue(x, y)).toBeCloseTo(p, 6);
      const shift = shiftOf(x, y, 0.98);
      expect(shift.lower).toBeCloseTo(lower, 6);
      expect(shift.upper).toBeCloseTo(upper, 6);
    },
  );

  it('has the quantiles and the tail of the normal distribution', () => {
    for (const { p, z } of VECTORS.normal) {
      expect(normalQuantile(p)).toBeCloseTo(z, 7);
      if (z > 0) expect(normalTail(z) / (1 - p)).toBeCloseTo(1, 5);
    }
  });
});

/** U by pairs, its variance by counting ties. */
function bruteForce(x: readonly number[], y: readonly number[]): number {
  let u = 0;
  for (const a of x) for (const b of y) u += a > b ? 1 : a === b ? 0.5 : 0;
  const all = [...x, ...y];
  const n = all.length;
  const tied = [...new Set(all)].map((value) => all.filter((other) => other === value).length);
  const ties = tied.reduce((sum, count) => sum + count ** 3 - count, 0);
  const deviation = Math.sqrt(((x.length * y.length) / 12) * (n + 1 - ties / (n * (n - 1))));
  const difference = u - (x.length * y.length) / 2;
  return deviation === 0 ? 0 : (difference - Math.sign(difference) * 0.5) / deviation;
}

describe('the event e-process', () => {
  it('holds the ratio of a Dirichlet-multinomial likelihood to a multinomial one, in whatever order', () => {
    const evidence = new CountedErrors();
    evidence.add(3, 2, 0.2);
    evidence.add(1, 4, 0.2);
    // Rising factorials of the prior (2, 8), by hand: 2·3·4·5 and 8·…·13 over 10·…·19.
    const product = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => from + i).reduce((a, b) => a * b, 1);
    const likelihood = (product(2, 4) * product(8, 6)) / product(10, 10);
    expect(evidence.logE).toBeCloseTo(Math.log(likelihood / (0.2 ** 4 * 0.8 ** 6)), 12);
  });

  it('finds a candidate that fails, and not one that is better', () => {
    expect(judge(eProcess(), repeat(bad, 5))?.second).toBe(60);
    expect(judge(eProcess(), repeat(good, 30), bad)).toBeUndefined();
  });
});
