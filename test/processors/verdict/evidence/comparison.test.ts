import { describe, expect, it } from 'vitest';
import { Bets } from '../../../../processors/verdict/evidence/bets.ts';
import { Comparison, type ComparisonTerms } from '../../../../processors/verdict/evidence/comparison.ts';
import { against, type Counts, type Readings, sumOf, without } from '../../../../processors/verdict/evidence/strata.ts';
import { block, type Stratum } from '../../../support/evidence.ts';

const TERMS: ComparisonTerms = {
  risk: 1.25,
  promotionRisk: 1.5,
  budget: 0.01,
  tail: undefined,
  incident: 60,
  block: 5,
};

type Pairs = readonly (readonly [bad: number, all: number])[];

function counts(pairs: Pairs): Counts {
  return { all: pairs.map(([, all]) => all), bad: pairs.map(([bad]) => bad), over: [] };
}

/** Readings of a block by group of instances; each group has a pair per stratum. */
function readings(
  strata: readonly string[],
  candidate: readonly (Pairs | undefined)[],
  baseline: readonly (Pairs | undefined)[],
): Readings {
  const of = (groups: readonly (Pairs | undefined)[]) =>
    groups.map((pairs) => pairs && counts(pairs.slice(0, strata.length)));
  const both = of(baseline);
  return { strata, candidate: of(candidate), baseline: both, suspects: both };
}

function played(blocks: number, at: (i: number) => Readings): Comparison {
  const comparison = new Comparison(TERMS);
  for (let i = 0; i < blocks; i++) comparison.play(at(i), 5 * i);
  return comparison;
}

describe('operations', () => {
  /** Both versions do the same on each operation; the candidate serves the bad one more (Simpson's paradox). */
  const fast: Stratum = [100, 1, 900, 9];
  const slow: Stratum = [900, 90, 100, 10];
  const mixed = readings(
    ['fast', 'slow'],
    [
      [
        [1, 100],
        [90, 900],
      ],
    ],
    [
      [
        [9, 900],
        [10, 100],
      ],
    ],
  );

  it('are compared each by itself', () => {
    const apart = new Bets(1.25);
    const together = new Bets(1.25);
    for (let at = 0; at < 60; at++) {
      apart.play(block(fast, slow));
      together.play(block([1000, 91, 1000, 19]));
    }
    expect(together.logE).toBeGreaterThan(Math.log(1e6));
    expect(apart.logE).toBeLessThan(0);
  });

  it('give a relative risk of 1 and no excess where each has none', () => {
    const comparison = played(1, () => mixed);
    expect(comparison.relativeRisk).toBeCloseTo(1, 12);
    expect(comparison.excess).toBeCloseTo(0, 12);
    expect(comparison.candidate).toEqual({ all: 1000, bad: 91 });
    expect(comparison.operations.get('slow')).toEqual({
      candidate: { bad: 90, all: 900 },
      baseline: { bad: 10, all: 100 },
    });
  });

  it('give no risk where the baseline has nothing to compare with', () => {
    const comparison = played(1, () => readings(['fast'], [[[5, 100]]], [[[0, 900]]]));
    expect(comparison.relativeRisk).toBeNull();
    expect(comparison.excess).toBeCloseTo(0.05, 12);
  });

  it('that only one version serves are counted, and compared with nothing', () => {
    const only = readings(
      ['new', 'old'],
      [
        [
          [50, 100],
          [0, 0],
        ],
      ],
      [
        [
          [0, 0],
          [0, 100],
        ],
      ],
    );
    const comparison = played(20, () => only);
    expect([comparison.worse.logE, comparison.worse.blocks]).toEqual([0, 0]);
    expect(comparison.candidate).toEqual({ all: 2000, bad: 1000 });
    expect(comparison.relativeRisk).toBeNull();
  });
});

describe('breadth', () => {
  const host = (bad: number): Pairs => [[bad, 100]];

  it('is not known of one instance, nor of one after another in the same place', () => {
    expect(played(30, () => readings(['a'], [host(9)], [host(0)])).logWithoutWorst).toBeUndefined();
  });

  it('leaves the evidence where all hosts are bad, and takes all of it where one is', () => {
    const all = played(60, () => readings(['a'], [host(5), host(5), host(5), host(5)], [host(1), host(1)]));
    expect(all.logWithoutWorst).toBeGreaterThan(0.7 * all.worse.logE);
    const one = played(60, () => readings(['a'], [host(1), host(20), host(1), host(1)], [host(1), host(1)]));
    expect(one.worse.logE).toBeGreaterThan(10);
    expect(one.logWithoutWorst).toBeLessThan(0);
  });

  it('begins for a host that comes later with the evidence so far, in which it had no part', () => {
    const comparison = played(60, (i) => readings(['a'], i < 30 ? [host(9)] : [host(9), host(0)], [host(0), host(0)]));
    const alone = played(60, () => readings(['a'], [host(0)], [host(0), host(0)]));
    expect(comparison.logWithoutWorst, 'without the first host nothing is left').toBeLessThanOrEqual(alone.worse.logE);
  });
});

describe('placebos', () => {
  const host = (bad: number): Pairs => [[bad, 100]];

  it('are as many as the baseline has hosts, and none where it has one', () => {
    expect(played(3, () => readings(['a'], [host(1)], [host(1)])).placebos).toBe(0);
    expect(played(3, () => readings(['a'], [host(1)], [host(1), host(0), host(1)])).placebos).toBe(3);
  });

  it('remember the most that any host of the baseline ever differed from the rest', () => {
    const quiet = played(60, (i) => readings(['a'], [host(1)], [host(i % 2), host((i + 1) % 2)]));
    expect(quiet.logPlacebo).toBeLessThan(3);
    const comparison = played(60, (i) => readings(['a'], [host(1)], [host(i < 20 ? 9 : 0), host(1), host(1)]));
    const noisy = comparison.logPlacebo;
    expect(noisy).toBeGreaterThan(8);
    for (let i = 0; i < 60; i++) comparison.play(readings(['a'], [host(1)], [host(0), host(1), host(1)]), 5 * (60 + i));
    expect(comparison.logPlacebo).toBeGreaterThanOrEqual(noisy);
  });
});

it('goes on as before from what it saved, whatever it held', () => {
  const at = (i: number) =>
    readings(
      i % 3 === 0 ? ['a'] : ['a', 'b'],
      [
        [
          [i % 4, 50],
          [i % 2, 20],
        ],
        i % 5 === 0
          ? undefined
          : [
              [0, 10],
              [1, 5],
            ],
      ],
      [
        [
          [1, 90],
          [0, 40],
        ],
        [
          [i % 7 === 0 ? 5 : 0, 90],
          [0, 40],
        ],
      ],
    );
  let comparison = played(20, at);
  const whole = played(50, at);
  for (let i = 20; i < 50; i++) {
    const again = new Comparison(TERMS);
    again.restore(JSON.parse(JSON.stringify(comparison.save())));
    comparison = again;
    comparison.play(at(i), 5 * i);
  }
  expect(JSON.stringify(comparison.save())).toBe(JSON.stringify(whole.save()));
});

describe('counts', () => {
  it('of groups add up, and taking one of them away gives the sum of the others', () => {
    const groups = [counts([[1, 10]]), undefined, counts([[2, 20]]), counts([[0, 5]])];
    expect(sumOf(groups, 1)).toEqual({ all: [35], bad: [3], over: [] });
    expect(without(sumOf(groups, 1), groups[2])).toEqual({ all: [15], bad: [1], over: [] });
    expect(without(sumOf(groups, 1), undefined)).toEqual(sumOf(groups, 1));
  });

  it('meet only in strata where both versions had something to do', () => {
    const candidate = counts([
      [1, 10],
      [2, 0],
      [3, 30],
    ]);
    const baseline = counts([
      [0, 5],
      [1, 50],
      [0, 0],
    ]);
    expect(against(candidate, baseline)).toEqual(block([10, 1, 5, 0]));
  });
});
