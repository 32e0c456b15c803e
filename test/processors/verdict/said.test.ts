/** What people say of versions, what hides a silence, and what the limits leave out. */
import { describe, expect, it } from 'vitest';
import type { DeltaSeries } from '../../../proto/windback/health.ts';
import type { OverrideKind } from '../../../proto/windback/status.ts';
import { Bench, deployment, KEY, series, START } from '../../support/judging.ts';

const served = (version: string, all: number, bad = 0, instance = `${version}-1`) =>
  series({ version, instance, all, bad, ms: { 20: all } });
const usual = (version: string, i: number, all = 10) => served(version, all, i % 40 === 0 ? 1 : 0);
const settled = (overrides: Record<string, unknown> = {}) => new Bench(overrides).run(120, (i) => [usual('1', i)]);
const failing = (i: number) => [usual('1', i), served('2', 5, 4)];

describe('a person', () => {
  const say = (bench: Bench, kind: OverrideKind, version: string | null, until: string | null = null) =>
    bench.overrides.set({ kind, service: KEY, version, until, by: 'anna', reason: 'test' }, bench.slot * 1000);

  it.each(['pin', 'ignore'] as const)('who says %s keeps a version from every decision', (kind) => {
    const bench = settled();
    say(bench, kind, '2');
    bench.run(400, failing);
    expect(bench.decisions).toEqual([]);
    expect(bench.judge.referee.weighedOf('2')[0]?.progress, 'evidence is gathered all the same').toBeGreaterThan(1);
  });

  it('may say it of all versions of a service, and for a time', () => {
    const bench = settled();
    say(bench, 'ignore', null, new Date((bench.slot + 200) * 1000).toISOString());
    bench.run(195, failing);
    expect(bench.decisions).toEqual([]);
    bench.run(60, failing);
    expect(bench.kinds).toContain('rollback');
  });

  it('who approves has a version promoted at once, without holds, and it may still be rolled back', () => {
    const bench = settled();
    bench.run(20, (i) => [usual('1', i), usual('2', i)]);
    say(bench, 'approve', '2');
    bench.run(60, (i) => [usual('1', i), usual('2', i)]);
    expect(bench.kinds).toEqual(['promote']);
    expect(bench.decisions[0]?.data.reason).toMatch(/^2: a person approved it; \d+ requests in \d+ s$/);
    bench.run(600, failing);
    expect(bench.kinds).toEqual(['promote', 'rollback']);
  });

  it('changes nothing about other versions', () => {
    const bench = settled();
    say(bench, 'pin', '3');
    bench.run(300, failing);
    expect(bench.kinds).toContain('rollback');
  });
});

describe('silence', () => {
  const announced = (overrides: Record<string, unknown> = {}) => {
    const bench = settled(overrides);
    bench.second([usual('1', 1)], [deployment({ version: '2', previousVersion: '1', weight: 0.3 })]);
    return bench;
  };

  it('is explained by requests that name no version', () => {
    const unnamed = announced().run(500, (i) => [usual('1', i), served('unknown', 5)]);
    expect(unnamed.kinds).not.toContain('rollback');
    expect(unnamed.rollout('2')?.unknown).toBeGreaterThan(2000);
    const few = announced().run(500, (i) => [usual('1', i), ...(i % 60 === 0 ? [served('unknown', 1)] : [])]);
    expect(few.kinds).toContain('rollback');
  });

  it('is not judged where nobody told how much the version should get', () => {
    const bench = settled();
    bench.second([usual('1', 1)], [deployment({ version: '2', previousVersion: '1' })]);
    bench.run(500, (i) => [usual('1', i)]);
    expect(bench.decisions).toEqual([]);
  });

  /** Every `every` seconds a new instance starts and answers for ten seconds, without an error. */
  const restarting = (every: number, lives: number) => {
    const at = (i: number): DeltaSeries[] => {
      const n = Math.floor(i / every);
      return i % every < lives ? [served('2', 3, 0, `2-${n}`)] : [];
    };
    return settled({ promotion: { enabled: false } }).run(1500, (i) => [usual('1', i), ...at(i)]);
  };

  it('is also told by instances that start over and over', () => {
    const bench = restarting(60, 10);
    expect(bench.kinds).toEqual(['hold', 'rollback']);
    expect(bench.decisions.at(-1)?.data).toMatchObject({ indicator: 'silence' });
    expect(bench.decisions.at(-1)?.data.reason).toMatch(
      /^2 keeps dying: (\d+) of \1 instances that it started in \d+ min( \d+ s)? were gone within 5 min$/,
    );
  });

  it('but not by instances that live, nor by one that pauses', () => {
    expect(restarting(400, 390).kinds).toEqual([]);
    const bench = settled({ promotion: { enabled: false } });
    bench.run(1500, (i) => [usual('1', i), ...(i % 100 < 50 ? [served('2', 3)] : [])]);
    expect(bench.kinds).toEqual([]);
  });
});

describe('limits', () => {
  it('of instances: what is beyond them shares a group, and is judged', () => {
    const bench = new Bench({ max_instances: 4 });
    const hosts = (version: string, bad: number, i: number) =>
      Array.from({ length: 12 }, (_, n) =>
        served(version, 2, bad === 0 && (i + n) % 60 === 0 ? 1 : bad, `${version}-${n}`),
      );
    bench.run(120, (i) => hosts('1', 0, i));
    bench.run(300, (i) => [...hosts('1', 0, i), ...hosts('2', 1, i)]);
    expect(bench.judge.cohorts.get('2')?.instances.size).toBe(4);
    expect(bench.kinds).toContain('rollback');
  });

  it('of versions: ten thousand in a minute are counted, and what goes on is judged again', () => {
    const bench = settled();
    let fresh = 0;
    bench.run(60, (i) => [...failing(i), ...Array.from({ length: 170 }, () => served(`flood-${fresh++}`, 1))]);
    bench.run(240, failing);
    expect(bench.judge.cohorts.size).toBeLessThanOrEqual(32);
    expect(bench.counts.overflow.of('versions')).toBeGreaterThan(9000);
    expect(bench.candidates.length).toBeLessThanOrEqual(4);
    bench.run(1500, (i) => [usual('1', i)]);
    bench.run(300, (i) => [usual('1', i), served('3', 5, 4)]);
    const rollbacks = bench.decisions.filter(({ data }) => data.decision === 'rollback');
    expect(rollbacks.map(({ data }) => data.candidate.version)).toContain('3');
  });

  it('of time: telemetry of 1970 and of 2200 is no fault of anybody, and ends nothing', () => {
    const bench = settled();
    for (const slot of [0, 7_258_118_400]) bench.judge.merge(served('2', 5, 5), slot, bench.slot * 1000);
    bench.run(300, failing);
    expect(bench.kinds).toContain('rollback');
    expect(bench.decisions.every(({ time }) => time.startsWith('2023-'))).toBe(true);
  });
});

it('begins with what comes, were the first thing of a time long past', () => {
  const bench = new Bench();
  bench.judge.merge(served('1', 1), 5, START * 1000);
  bench.run(180, (i) => [usual('1', i)]);
  bench.run(300, failing);
  expect(bench.kinds).toContain('rollback');
});
