/** Several versions at once, and which one they are compared with. */
import { describe, expect, it } from 'vitest';
import { Bench, deployment, series } from '../../support/judging.ts';

const served = (version: string, all: number, bad = 0) =>
  series({ version, instance: `${version}-1`, all, bad, ms: { 20: all } });
/** A version of which one request in 200 fails. */
const usual = (version: string, i: number, all = 10) => served(version, all, i % Math.round(200 / all) === 0 ? 1 : 0);
const settled = (overrides: Record<string, unknown> = {}) =>
  new Bench({ promotion: { enabled: false }, ...overrides }).run(60, (i) => [usual('1', i, 20)]);

describe('several candidates at once', () => {
  it('are judged each by itself: the bad one is rolled back, the good one is not touched', () => {
    const bench = settled();
    bench.run(400, (i) => [usual('1', i, 20), usual('good', i, 5), served('bad', 5, 3)]);
    const about = (version: string) =>
      bench.decisions.filter(({ data }) => data.candidate.version === version).map(({ data }) => data.decision);
    expect(about('bad')).toEqual(['hold', 'rollback']);
    expect(about('good')).toEqual([]);
    expect(bench.candidates.sort()).toEqual(['bad', 'good']);
    expect(new Set(bench.decisions.map(({ id }) => id)).size).toBe(bench.decisions.length);
  });

  it('may both be bad, and have rollouts of their own', () => {
    const bench = settled();
    bench.run(400, (i) => [usual('1', i, 20), served('a', 5, 3), served('b', 5, 4)]);
    const rollbacks = bench.decisions.filter(({ data }) => data.decision === 'rollback');
    expect(rollbacks.map(({ data }) => data.candidate.version).sort()).toEqual(['a', 'b']);
    expect(new Set(rollbacks.map(({ data }) => data.rollout.id)).size).toBe(2);
  });

  it('are no more than max_candidates: the one with the fewest requests gives way', () => {
    const bench = settled({ max_candidates: 2 });
    for (const versions of [['a'], ['a', 'b'], ['a', 'b', 'c']]) {
      bench.run(60, (i) => [usual('1', i, 20), ...versions.map((version) => usual(version, i, 4))]);
    }
    expect(bench.candidates).toEqual(['a', 'c']);
    expect(bench.roles.of('shop/checkout/prod', 'b')).toBeUndefined();
    expect(bench.roles.of('shop/checkout/prod', 'a')).toBe('candidate');
  });

  it('share one baseline: when it is gone, the one with most requests takes its place', () => {
    const bench = settled({ end_after: '2m' });
    bench.run(60, (i) => [usual('1', i, 20), usual('a', i, 5), usual('b', i, 15)]);
    bench.run(240, (i) => [usual('a', i, 5), usual('b', i, 15)]);
    expect(bench.baseline).toBe('b');
    expect(bench.candidates).not.toContain('b');
  });
});

describe('the chosen baseline', () => {
  it('is compared with, though another version has more requests, and the decision says so', () => {
    const bench = new Bench({ baseline: { version: 'gold' } });
    bench.run(60, (i) => [usual('1', i, 30), usual('gold', i, 10)]);
    expect(bench.baseline).toBe('gold');
    bench.run(400, (i) => [usual('1', i, 30), usual('gold', i, 10), served('2', 5, 3)]);
    const rollback = bench.decisions.find(({ data }) => data.decision === 'rollback');
    expect(rollback?.data).toMatchObject({
      candidate: { version: '2' },
      baseline: { version: 'gold' },
      baseline_kind: 'chosen',
    });
    expect(bench.candidates).toContain('1');
  });

  it('may be named for one service, by its key or its name, and goes before what an event says', () => {
    for (const name of ['shop/checkout/prod', 'checkout']) {
      const bench = new Bench({ baseline: { version: 'other', services: { [name]: 'gold' } } });
      bench.run(60, (i) => [usual('1', i, 30), usual('gold', i, 10)]);
      bench.second([], [deployment({ version: '2', previousVersion: '1' })]);
      bench.run(60, (i) => [usual('1', i, 30), usual('gold', i, 10), usual('2', i, 5)]);
      expect(bench.rollout('2')?.identity).toMatchObject({ baseline: 'gold', baselineKind: 'chosen' });
    }
  });

  it('is not waited for: while it has sent nothing another one is found', () => {
    const bench = new Bench({ baseline: { version: 'gold' } }).run(60, (i) => [usual('1', i, 30), usual('2', i, 5)]);
    expect(bench.baseline).toBe('1');
    expect(bench.rollout('2')?.identity.baselineKind).toBe('concurrent');
  });
});
