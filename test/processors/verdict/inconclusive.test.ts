/** Where nothing can be said, that is said, with its reason. */
import { describe, expect, it } from 'vitest';
import { Bench, deployment, series } from '../../support/judging.ts';

const served = (version: string, all: number, bad = 0, instance = `${version}-1`) =>
  series({ version, instance, all, bad, ms: { 20: all } });
const usual = (version: string, i: number, all = 10) => served(version, all, i % 40 === 0 ? 1 : 0);
const settled = (overrides: Record<string, unknown> = {}) =>
  new Bench({ inconclusive_after: '10m', promotion: { after: '5m' }, ...overrides }).run(120, (i) => [usual('1', i)]);
const open = (bench: Bench) =>
  bench.decisions.filter(({ data }) => data.verdict === 'inconclusive').map(({ data }) => data);

describe('a rollout is inconclusive', () => {
  it('with too little traffic, and how much more is needed', () => {
    const bench = settled().run(900, (i) => [usual('1', i), ...(i % 10 === 0 ? [served('2', 1)] : [])]);
    expect(open(bench)).toMatchObject([
      {
        decision: 'hold',
        indicator: null,
        inconclusive: expect.stringMatching(/^too little is known: about \d+ more requests are needed$/),
      },
    ]);
    expect(open(bench)[0]?.reason).toMatch(/^no verdict on 2: too little is known/);
    expect(open(bench)[0]?.rollout.elapsed_seconds).toBe(600);
  });

  it('and goes on as soon as enough is known', () => {
    const bench = settled().run(700, (i) => [usual('1', i), ...(i % 10 === 0 ? [served('2', 1)] : [])]);
    bench.run(2000, (i) => [usual('1', i), usual('2', i)]);
    expect(bench.kinds).toEqual(['hold', 'promote']);
  });

  it('where both burn their budget as fast as can be', () => {
    const bench = settled().run(300, (i) => [served('1', 10, i % 2), served('2', 10, i % 2)]);
    bench.run(600, () => [served('1', 10, 4), served('2', 10, 4)]);
    expect(open(bench)).toMatchObject([{ inconclusive: expect.stringMatching(/^both bad: 2 .*; 1 .*/) }]);
    expect(bench.kinds).not.toContain('rollback');
    bench.run(3600, (i) => [usual('1', i), usual('2', i)]);
    expect(bench.kinds).toEqual(['promote', 'hold', 'resume']);
  });

  it('where most of its events come too late', () => {
    const bench = settled({ lateness: '5s' });
    bench.run(700, (i) => {
      if (i > 60) bench.judge.merge(served('2', 8), bench.slot - 120, bench.slot * 1000);
      return [usual('1', i), served('2', 2)];
    });
    expect(open(bench)).toMatchObject([
      { inconclusive: expect.stringMatching(/^clock skew: \d+ events of 2 came after their time had been judged/) },
    ]);
  });

  it('where the baseline sends nothing', () => {
    const bench = settled({ history: { enabled: false } });
    bench.second([], [deployment({ version: '2', previousVersion: '1', weight: 1 })]);
    bench.run(900, (i) => [usual('2', i)]);
    expect(bench.kinds).not.toContain('promote');
    const [first] = open(bench);
    expect(first === undefined || first.inconclusive?.startsWith('no baseline')).toBe(true);
  });

  it('not while it is waiting, nor once it was promoted', () => {
    const bench = settled().run(500, (i) => [usual('1', i), ...(i % 10 === 0 ? [served('2', 1)] : [])]);
    expect(bench.decisions).toEqual([]);
    const promoted = settled({ promotion: { after: '2m' } }).run(500, (i) => [usual('1', i, 40), usual('2', i, 40)]);
    expect(promoted.kinds).toEqual(['promote']);
    promoted.run(900, (i) => [usual('1', i), ...(i % 10 === 0 ? [served('2', 1)] : [])]);
    expect(promoted.kinds).toEqual(['promote']);
  });
});

describe('a rollback', () => {
  const rolledBack = (overrides: Record<string, unknown> = {}) => {
    const bench = settled({ end_after: '2m', ...overrides });
    bench.run(
      600,
      (i) => [usual('1', i), served('2', 5, 4)],
      () => bench.kinds.includes('rollback'),
    );
    expect(bench.kinds.at(-1)).toBe('rollback');
    return bench;
  };

  it('has worked when the candidate is gone and the rest is well', () => {
    const bench = rolledBack();
    const { id } = bench.decisions.at(-1)!;
    bench.run(50, (i) => [usual('1', i)]);
    expect(bench.outcomes).toEqual([]);
    bench.run(60, (i) => [usual('1', i)]);
    expect(bench.outcomes).toEqual([[id, 'recovered']]);
    bench.run(900, (i) => [usual('1', i)]);
    expect(bench.outcomes).toHaveLength(1);
  });

  it('has not when the candidate is still there after the time for it', () => {
    const bench = rolledBack({ recovery: { within: '5m' } });
    bench.run(280, (i) => [usual('1', i), served('2', 5, 4)]);
    expect(bench.outcomes).toEqual([]);
    bench.run(40, (i) => [usual('1', i), served('2', 5, 4)]);
    expect(bench.outcomes.map(([, outcome]) => outcome)).toEqual(['not_recovered']);
  });

  it('has not when the baseline is ill without the candidate too', () => {
    const bench = rolledBack({ recovery: { within: '5m' } });
    bench.run(320, () => [served('1', 10, 3)]);
    expect(bench.outcomes.map(([, outcome]) => outcome)).toEqual(['not_recovered']);
  });

  it('is followed by a time in which the same version is held, and not judged anew', () => {
    const bench = rolledBack({ recovery: { cool_down: '15m' } });
    bench.run(400, (i) => [usual('1', i)]);
    expect(bench.candidates).toEqual([]);
    const back = bench.decisions.length;
    bench.run(300, (i) => [usual('1', i), served('2', 5, 4)]);
    const later = bench.decisions.slice(back);
    expect(later.map(({ data }) => data.decision)).toEqual(['hold']);
    expect(later[0]?.data).toMatchObject({ verdict: 'suspect', indicator: null, inconclusive: null });
    expect(later[0]?.data.reason).toMatch(
      /^2: 2 was rolled back \d+ min( \d+ s)? ago and is back; \d+ requests in \d+ s$/,
    );
    expect(later[0]?.id).not.toBe(bench.decisions[0]?.id);
    bench.run(600, (i) => [usual('1', i), served('2', 5, 4)]);
    expect(bench.kinds.filter((kind) => kind === 'rollback')).toHaveLength(2);
  });

  it('does not make another version wait', () => {
    const bench = rolledBack();
    bench.run(200, (i) => [usual('1', i)]);
    const before = bench.decisions.length;
    bench.run(300, (i) => [usual('1', i), served('3', 5, 4)]);
    expect(bench.decisions.slice(before).map(({ data }) => data.decision)).toEqual(['hold', 'rollback']);
  });
});
