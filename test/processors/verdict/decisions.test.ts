/** What is decided, and when, with exact counts instead of chance. */
import { describe, expect, it } from 'vitest';
import { BUILT_IN, INDICATOR_DEFAULTS } from '../../../processors/verdict/config-indicators.ts';
import { Bench, series, traffic } from '../../support/judging.ts';
import { Random } from '../../support/random.ts';

/** A version's second: `all` requests, `bad` of them failed, all in 20 ms. */
const served = (version: string, all: number, bad = 0, instance = `${version}-1`) =>
  series({ version, instance, all, bad, ms: { 20: all } });

/** One error in ten seconds of each version, so that comparisons have something to go by. */
const healthy =
  (version: string, all = 10) =>
  (i: number) =>
    served(version, all, i % 10 === 0 ? 1 : 0);
const both = (i: number) => [healthy('1')(i), healthy('2')(i)];
/** A tenth of the requests go to a candidate that fails most of them. */
const failing = (i: number) => [healthy('1', 18)(i), served('2', 2, 2)];

function alone(bench = new Bench(), seconds = 60): Bench {
  return bench.run(seconds, (i) => [healthy('1')(i)]);
}

const ids = (bench: Bench) => bench.decisions.map(({ id }) => id);

describe('decisions', () => {
  it('roll back once, however long it goes on', () => {
    const bench = alone().run(1200, (i) => [healthy('1')(i), served('2', 10, 6)]);
    expect(bench.kinds.filter((kind) => kind === 'rollback')).toHaveLength(1);
    expect(bench.kinds.at(-1)).toBe('rollback');
    const { data } = bench.decisions.at(-1) as (typeof bench.decisions)[number];
    expect(data).toMatchObject({ verdict: 'failing', indicator: 'errors' });
    expect(data.evidence.find(({ indicator }) => indicator === 'errors')).toMatchObject({ fired: true });
  });

  it('hold, resume, and hold again, each under an id of its own', () => {
    const bench = alone(new Bench({ promotion: { enabled: false } }));
    // By turns only the candidate fails, and only the baseline: then the gamblers lose what they won.
    for (const kind of ['hold', 'resume', 'hold', 'resume']) {
      const before = bench.decisions.length;
      const [baseline, candidate] = kind === 'hold' ? [0, 1] : [1, 0];
      bench.run(
        600,
        () => [served('1', 18, baseline), served('2', 2, candidate)],
        () => bench.decisions.length > before,
      );
      expect(bench.kinds.at(-1)).toBe(kind);
    }
    expect(bench.kinds).toHaveLength(4);
    expect(new Set(ids(bench)).size).toBe(bench.decisions.length);
    const [hold, resume] = bench.decisions;
    expect(hold?.data).toMatchObject({ verdict: 'suspect', indicator: 'errors' });
    expect(resume?.data).toMatchObject({ verdict: 'observing', indicator: null });
  });

  it('promote once, not before it is old enough and has served enough', () => {
    const options = { promotion: { after: '10m', min_requests: 6000 } };
    const bench = alone(new Bench(options));
    const start = bench.slot;
    bench.run(900, both);
    expect(bench.kinds).toEqual(['promote']);
    expect(bench.after('promote', start)).toBeGreaterThanOrEqual(600);
    expect(bench.decisions[0]?.data).toMatchObject({ verdict: 'healthy', indicator: null });
    const few = alone(new Bench({ promotion: { after: '10m', min_requests: 10_000 } })).run(900, both);
    expect(few.kinds).toEqual([]);
  });

  it('promote where nothing goes wrong at all, once the rate is shown to be within the objective', () => {
    const clean = () => [served('1', 10), served('2', 10)];
    const bench = alone(new Bench({ promotion: { after: '5m' } })).run(900, clean);
    expect(bench.kinds).toEqual(['promote']);
    const few = alone(new Bench({ promotion: { after: '5m', min_requests: 1 } }));
    few.run(590, (i) => [served('1', 10), ...(i % 2 === 0 ? [served('2', 1)] : [])]);
    expect(few.kinds, '295 requests without an error do not show a rate below 0.5 %').toEqual([]);
    few.run(600, () => [served('1', 10), served('2', 10)]);
    expect(few.kinds).toEqual(['promote']);
  });

  it('compare what is exported once a minute, though not in the same seconds', () => {
    const exported = (version: string, bad: number) =>
      series({ version, kind: 'metric', all: 600, bad, ms: { 20: 600 } });
    const bench = new Bench().run(300, (i) => (i % 60 === 0 ? [exported('1', 1)] : []));
    bench.run(1800, (i) => (i % 60 === 0 ? [exported('1', 1)] : i % 60 === 30 ? [exported('2', 600)] : []));
    expect(bench.kinds.at(-1)).toBe('rollback');
  });

  it('do not promote what was never compared: its telemetry never met the baseline in a block', () => {
    const bench = alone();
    const start = bench.slot;
    bench.run(1800, (i) => [served(i % 20 < 10 ? '1' : '2', 10)]);
    expect(bench.rollout()?.totals.candidate.requests).toBeGreaterThan(8000);
    expect(start % 20, 'blocks have one version each').toBe(0);
    expect(bench.kinds).toEqual([]);
  });

  it('do not promote what is neither shown to be as good nor within the objective', () => {
    const random = new Random(1);
    const worse = () => [
      traffic(random, '1', { rate: 20, errors: 0.02 }),
      traffic(random, '2', { rate: 20, errors: 0.04 }),
    ];
    expect(alone(new Bench({ tolerance: 2 })).run(2400, worse).kinds).toEqual([]);
    const generous = alone(new Bench({ tolerance: 2, promotion: { margin: 1.5 } })).run(2400, worse);
    expect(generous.kinds).toEqual(['promote']);
  });

  it('may still roll back after a promotion', () => {
    const bench = alone(new Bench({ promotion: { after: '5m' } })).run(900, both);
    bench.run(900, failing);
    expect(bench.kinds).toEqual(['promote', 'hold', 'rollback']);
  });

  it('leave out what is switched off, and only report what is not gating', () => {
    const off = alone(new Bench({ indicators: { errors: { enabled: false } } })).run(300, failing);
    expect(off.kinds).toEqual([]);
    const reported = alone(new Bench({ indicators: { errors: { gating: false }, log_errors: { weight: 0.3 } } }));
    const log = (version: string, wrong: number) =>
      series({ version, kind: 'log', operation: '', all: 10, bad: wrong });
    reported.run(300, (i) => [...failing(i), log('1', i % 10 === 0 ? 1 : 0), log('2', 8)]);
    const { data } = reported.decisions.at(-1) as (typeof reported.decisions)[number];
    expect(data).toMatchObject({ decision: 'rollback', indicator: 'log_errors' });
    const errors = data.evidence.find(({ indicator }) => indicator === 'errors');
    expect(errors).toMatchObject({ fired: false });
    expect(errors?.progress).toBeGreaterThan(1);
  });

  it('are marked by dry_run', () => {
    const bench = alone(new Bench({ dry_run: true })).run(120, failing);
    expect(bench.decisions.every(({ data }) => data.dry_run)).toBe(true);
    expect(bench.kinds).toContain('rollback');
  });

  describe('have the bars of weighted Bonferroni', () => {
    const RATE = 0.01;
    /** Its weight, if it gates. */
    const weight = (name: keyof typeof INDICATOR_DEFAULTS) =>
      INDICATOR_DEFAULTS[name].gating ? INDICATOR_DEFAULTS[name].weight : 0;
    const all = BUILT_IN.reduce((sum, name) => sum + weight(name), 0);
    const bars = (indicators: Record<string, unknown>, overrides: Record<string, unknown> = {}) => {
      const bench = alone(
        new Bench({ false_rollback_rate: RATE, history: { enabled: false }, indicators, ...overrides }),
      ).run(120, (i) => [
        ...failing(i),
        series({ version: '1', kind: 'log', operation: '', all: 5, bad: 1 }),
        series({ version: '2', kind: 'log', operation: '', all: 5, bad: 1 }),
      ]);
      const evidence = bench.decisions.at(-1)?.data.evidence ?? [];
      return (name: string) => (evidence.find(({ indicator }) => indicator === name)?.bar ?? 0) * RATE;
    };

    it('by their parts of all weights, which are proportions', () => {
      const bar = bars({});
      expect(bar('errors')).toBeCloseTo(all / weight('errors'), 1);
      expect(bar('log_errors')).toBeCloseTo(all / weight('log_errors'), 1);
      const more = bars({ errors: { weight: 7 }, custom: { fast: { weight: 2 } } });
      expect(more('errors')).toBeCloseTo((all - weight('errors') + 7 + 2) / 7, 1);
    });

    it('of those that gate: what does not has no part, and is held against the one it would have', () => {
      const bar = bars({ silence: { gating: false }, resource: { enabled: false }, log_errors: { gating: false } });
      const rest = all - weight('silence') - weight('resource') - weight('log_errors');
      expect(bar('errors')).toBeCloseTo(rest / weight('errors'), 1);
      expect(bar('log_errors')).toBeCloseTo((rest + weight('log_errors')) / weight('log_errors'), 1);
    });

    it('higher where the past may be a baseline too: both together spend no more', () => {
      const bar = bars({}, { history: { factor: 4 } });
      expect(bar('errors')).toBeCloseTo((1 + 1 / 4) * (all / weight('errors')), 1);
    });
  });
});
