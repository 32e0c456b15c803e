/** What must hold beside the evidence before a version is rolled back. */
import { describe, expect, it } from 'vitest';
import { Bench, series, type SeriesSpec } from '../../support/judging.ts';

/** A host's second: requests in 20 ms, of which `bad` failed. */
const host = (version: string, name: string, all: number, bad = 0, more: Partial<SeriesSpec> = {}) =>
  series({ version, instance: `${version}-${name}`, all, bad, ms: { 20: all }, ...more });

const NAMES = ['a', 'b', 'c', 'd'];
/** Each host fails a request now and then, by turns. */
const usual = (version: string, i: number, all = 10) =>
  NAMES.map((name, n) => host(version, name, all, (i + 5 * n) % 20 === 0 ? 1 : 0));

const started = (overrides: Record<string, unknown> = {}) => new Bench(overrides).run(120, (i) => usual('1', i));
const guardsOf = (bench: Bench, candidate = '2') => {
  const errors = bench.judge.referee.weighedOf(candidate).find(({ indicator }) => indicator === 'errors');
  return Object.fromEntries((errors?.guards() ?? []).map(({ guard, passed, detail }) => [guard, { passed, detail }]));
};
const evidenceOf = (bench: Bench, indicator = 'errors') =>
  bench.judge.referee.weighedOf('2').find((one) => one.indicator === indicator);

describe('breadth', () => {
  const canary = (badHosts: number) => {
    const bench = started();
    bench.run(900, (i) => [
      ...usual('1', i),
      ...NAMES.map((name, n) => host('2', name, 5, n < badHosts ? 3 : i % 20 === 0 ? 1 : 0)),
    ]);
    return bench;
  };

  it('holds a version of which one host of four is bad, and does not roll it back', () => {
    const bench = canary(1);
    expect(evidenceOf(bench)?.progress).toBeGreaterThan(1);
    expect(bench.kinds).toContain('hold');
    expect(bench.kinds).not.toContain('rollback');
    expect(guardsOf(bench).breadth).toEqual({
      passed: false,
      detail: 'the evidence rests on one instance alone: a bad host is not a bad version',
    });
  });

  it('rolls back one of which all hosts are bad, or half of them', () => {
    for (const badHosts of [4, 2]) {
      const bench = canary(badHosts);
      expect(bench.kinds).toContain('rollback');
      const { data } = bench.decisions.at(-1)!;
      expect(data.guards.find(({ guard }) => guard === 'breadth')).toMatchObject({ passed: true });
      expect(data.guards.every(({ passed }) => passed)).toBe(true);
    }
  });

  it('says that a lone host cannot be told from its version, and lets it be rolled back', () => {
    const bench = started();
    bench.run(300, (i) => [...usual('1', i), host('2', 'a', 5, 3)]);
    const { data } = bench.decisions.at(-1)!;
    expect(data.decision).toBe('rollback');
    expect(data.guards.find(({ guard }) => guard === 'breadth')?.detail).toContain('has one instance');
  });
});

describe('placebo', () => {
  /** The candidate fails three times as often; the baseline's hosts differ from one another by `spread`. */
  const noisy = (spread: number) =>
    started().run(900, (i) => [
      ...NAMES.map((name, n) => host('1', name, 20, n === 0 ? spread : i % 4 === n ? 1 : 0)),
      ...['a', 'b'].map((name) => host('2', name, 10, i % 2)),
    ]);

  it('tempers the evidence where hosts of the baseline differ as much', () => {
    const calm = noisy(0);
    const wild = noisy(4);
    expect(calm.kinds).toContain('rollback');
    expect(wild.kinds).not.toContain('rollback');
    expect(guardsOf(wild).placebo?.detail).toMatch(
      /^instances of the baseline differ from one another too: the evidence counts \d+ %/,
    );
  });

  it('has nothing to say where the baseline has one host', () => {
    const bench = new Bench().run(120, (i) => [host('1', 'a', 20, i % 20 === 0 ? 1 : 0)]);
    bench.run(300, (i) => [host('1', 'a', 20, i % 20 === 0 ? 1 : 0), host('2', 'a', 5, 3)]);
    expect(bench.decisions.at(-1)?.data.guards.map(({ guard }) => guard)).not.toContain('placebo');
  });
});

describe('an incident', () => {
  /** The only host of the canary fails all of its requests for some seconds, soon after it began. */
  const incident = (seconds: number, overrides: Record<string, unknown> = {}) =>
    started(overrides).run(900, (i) => {
      const isDown = i >= 30 && i < 30 + seconds;
      return [...usual('1', i), host('2', 'a', 5, isDown ? 5 : i % 40 === 0 ? 1 : 0)];
    });

  it('of a minute holds a canary of one host, and does not roll it back', () => {
    const bench = incident(60);
    expect(bench.kinds[0]).toBe('hold');
    expect(bench.kinds).not.toContain('rollback');
  });

  it('that lasts is none', () => {
    const bench = incident(600);
    const { data } = bench.decisions.find(({ data: one }) => one.decision === 'rollback')!;
    expect(data.rollout.elapsed_seconds).toBeGreaterThan(30 + 60);
    expect(data.guards.find(({ guard }) => guard === 'longer_than_an_incident')).toMatchObject({ passed: true });
  });

  it('is as long as the configuration says', () => {
    expect(incident(60, { incident: '10s' }).kinds).toContain('rollback');
  });
});

describe('the floor', () => {
  /** 3 of 2000 requests of the candidate fail and hardly one of the baseline: ten times as bad, and 0.15 % of all. */
  const rare = (floor: number) => {
    const bench = new Bench({ indicators: { errors: { floor } } });
    bench.run(60, () => [host('1', 'a', 400), host('1', 'b', 400)]);
    return bench.run(1500, (i) => [
      host('1', 'a', 400, i % 60 === 0 ? 1 : 0),
      host('1', 'b', 400, i % 60 === 30 ? 1 : 0),
      ...['a', 'b'].map((name) => host('2', name, 200, i % 5 === 0 ? 1 : 0)),
    ]);
  };

  it('leaves a version alone whose excess is too small to matter', () => {
    const bench = rare(0.01);
    expect(evidenceOf(bench)?.progress).toBeGreaterThan(1);
    expect(bench.kinds).not.toContain('rollback');
    expect(guardsOf(bench).large_enough_to_matter).toMatchObject({ passed: false });
    expect(guardsOf(bench).large_enough_to_matter?.detail).toContain('1 percentage points would matter');
  });

  it('does not keep one from being rolled back whose excess is larger', () => {
    expect(rare(0.0005).kinds).toContain('rollback');
    expect(rare(0).kinds).toContain('rollback');
  });
});

describe('an indicator that does not gate', () => {
  it('holds at most', () => {
    const bench = started({ indicators: { errors: { gating: false } } });
    bench.run(400, (i) => [...usual('1', i), ...NAMES.map((name) => host('2', name, 5, 3))]);
    expect(bench.kinds).toEqual(['hold']);
    expect(bench.decisions[0]?.data).toMatchObject({ verdict: 'suspect', indicator: 'errors' });
    expect(evidenceOf(bench)?.progress).toBeGreaterThan(1);
    expect(evidenceOf(bench)?.fired).toBe(false);
  });
});
