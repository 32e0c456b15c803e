/** From a rollout's beginning to its end, with exact counts instead of chance. */
import { describe, expect, it } from 'vitest';
import { Bench, config, deployment, series, START } from '../../support/judging.ts';
import { binOf, upperBoundNs } from '../../../proto/windback/latency-bins.ts';

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

describe('a rollout', () => {
  it('begins when a version appears beside the baseline, after the time to settle', () => {
    const bench = new Bench({ settle: '30s' });
    bench.run(20, both);
    expect(bench.rollout()).toBeUndefined();
    const other = alone();
    expect(other.rollout()).toBeUndefined();
    expect(other.baseline).toBe('1');
    const start = other.slot;
    other.run(30, both);
    expect(other.rollout()?.identity).toMatchObject({
      candidate: '2',
      baseline: '1',
      startedAt: start,
      knownBy: 'telemetry',
    });
    expect(other.roles.of('shop/checkout/prod', '2')).toBe('candidate');
    expect(other.roles.of('shop/checkout/prod', '1')).toBe('baseline');
  });

  it('takes the version with most requests for the baseline, of equals the one that sorts first', () => {
    const busy = new Bench().run(90, () => [served('a', 5), served('b', 9)]);
    expect(busy.rollout()?.identity).toMatchObject({ baseline: 'b', candidate: 'a' });
    const equal = new Bench().run(90, () => [served('b', 5), served('a', 5)]);
    expect(equal.rollout()?.identity).toMatchObject({ baseline: 'a', candidate: 'b' });
  });

  it('is known by a deployment event before the new version has sent anything', () => {
    const bench = alone();
    const at = bench.slot;
    bench.second([served('1', 10)], [deployment({ version: '2', previousVersion: '1' })]);
    bench.run(30, (i) => [healthy('1')(i)]);
    expect(bench.rollout()?.identity).toMatchObject({ candidate: '2', startedAt: at, knownBy: 'deployment_event' });
    bench.run(120, (i) => [healthy('1')(i), served('2', 10, 5)]);
    const [decision] = bench.decisions;
    expect(decision?.data.rollout).toMatchObject({ known_by: 'deployment_event' });
    expect(decision?.data.rollout.started_at).toBe(new Date(at * 1000).toISOString());
  });

  it('is known by an event as the very first thing, and then the event tells the baseline', () => {
    const bench = new Bench();
    bench.second([], [deployment({ version: '2', previousVersion: '1' })]);
    bench.run(60, () => [served('1', 1), served('2', 9)]);
    expect(bench.rollout()?.identity).toMatchObject({ candidate: '2', baseline: '1' });
  });

  it('keeps what it knows when the event is told again', () => {
    const bench = alone();
    bench.second([], [deployment({ version: '2', previousVersion: '1', weight: 0.1 })]);
    bench.run(40, both);
    const rollout = bench.rollout();
    bench.second([], [deployment({ version: '2', status: 'succeeded', weight: 1 })]);
    bench.run(40, both);
    expect(bench.rollout()).toBe(rollout);
    expect(rollout?.weight).toBe(1);
  });

  it('does not begin where the event says that the deployment failed', () => {
    const bench = alone();
    bench.second([], [deployment({ version: '2', previousVersion: '1', status: 'failed' })]);
    bench.run(40, (i) => [healthy('1')(i)]);
    expect(bench.rollout()).toBeUndefined();
  });

  it('goes on beside that of a newer version, each against the same baseline', () => {
    const bench = alone().run(40, both);
    bench.run(60, (i) => [...both(i), healthy('3')(i)]);
    expect(bench.candidates).toEqual(['2', '3']);
    expect(bench.rollout('3')?.identity).toMatchObject({ candidate: '3', baseline: '1' });
    expect(bench.rollout()).toBe(bench.rollout('3'));
    expect(bench.roles.of('shop/checkout/prod', '2')).toBe('candidate');
  });

  it('is superseded by a newer version where no more fit, and its stragglers begin no other', () => {
    const bench = alone(new Bench({ max_candidates: 1 })).run(40, both);
    bench.run(60, (i) => [...both(i), healthy('3')(i)]);
    expect(bench.candidates).toEqual(['3']);
    expect(bench.roles.of('shop/checkout/prod', '2')).toBeUndefined();
  });

  it('takes the newest where two appear at once and one fits, whatever the order of their telemetry', () => {
    for (const versions of [
      ['2', '3'],
      ['3', '2'],
    ]) {
      const bench = alone(new Bench({ max_candidates: 1 }));
      bench.run(40, (i) => [healthy('1')(i), ...versions.map((version) => served(version, 5))]);
      expect(bench.rollout()?.identity.candidate).toBe('3');
    }
  });

  it('ends when the candidate is withdrawn: silent for end_after, or weight 0', () => {
    const silent = alone(new Bench({ end_after: '2m' })).run(60, both);
    silent.run(100, (i) => [healthy('1')(i)]);
    expect(silent.rollout()).toBeDefined();
    silent.run(60, (i) => [healthy('1')(i)]);
    expect(silent.rollout()).toBeUndefined();
    expect(silent.baseline).toBe('1');

    const told = alone().run(60, both);
    told.second([], [deployment({ version: '2', weight: 0 })]);
    told.run(30, both);
    expect(told.rollout(), 'and stragglers do not begin it again').toBeUndefined();
    expect(told.roles.of('shop/checkout/prod', '2')).toBeUndefined();
  });

  it('does not end when the weight of another version becomes 0', () => {
    const bench = alone().run(60, both);
    bench.second([], [deployment({ version: '1', weight: 0 })]);
    bench.run(30, (i) => [healthy('2')(i)]);
    expect(bench.rollout()?.identity).toMatchObject({ candidate: '2', baseline: '1' });
  });

  it('is complete when the baseline has fallen silent: the candidate is the new baseline', () => {
    const bench = alone(new Bench({ end_after: '2m' })).run(60, both);
    bench.run(180, (i) => [healthy('2')(i)]);
    expect(bench.rollout()).toBeUndefined();
    expect(bench.baseline).toBe('2');
    const start = bench.slot;
    bench.run(60, (i) => [healthy('2')(i), served('3', 10, 5)]);
    expect(bench.rollout()?.identity).toMatchObject({ candidate: '3', baseline: '2', startedAt: start });
  });

  it('goes on while neither sends anything', () => {
    const bench = alone(new Bench({ end_after: '2m' }))
      .run(60, both)
      .run(600, () => []);
    expect(bench.rollout()).toBeDefined();
  });

  it('begins anew, under another id, when a withdrawn version comes back', () => {
    const bench = alone(new Bench({ end_after: '1m', recovery: { cool_down: '0s' } }));
    bench.run(120, failing);
    bench.run(300, (i) => [healthy('1')(i)]);
    bench.run(120, failing);
    expect(bench.kinds.filter((kind) => kind === 'rollback')).toHaveLength(2);
    expect(new Set(ids(bench)).size).toBe(bench.decisions.length);
    expect(new Set(bench.decisions.map(({ data }) => data.rollout.id)).size).toBe(2);
  });
});

describe('limits', () => {
  it('count what belongs to versions beyond max_versions, and judge the others', () => {
    const bench = new Bench({ max_versions: 3 });
    bench.run(60, () => Array.from({ length: 50 }, (_, i) => served(`v${i}`, 2)));
    expect(bench.judge.cohorts.size).toBe(3);
    expect(bench.counts.overflow.of('versions')).toBe(47 * 60 * 2);
  });

  it('make room for a new version when an old one has been silent', () => {
    const bench = new Bench({ max_versions: 2, end_after: '1m' });
    bench.run(60, () => [served('1', 10), served('old', 1)]).run(120, () => [served('1', 10)]);
    bench.run(30, () => [served('1', 10), served('new', 5)]);
    expect([...bench.judge.cohorts.keys()]).toEqual(['1', 'new']);
  });

  it('never judge what has no version', () => {
    const bench = alone().run(60, (i) => [healthy('1')(i), served('unknown', 10, 10)]);
    expect([...bench.judge.cohorts.keys()]).toEqual(['1']);
    expect(bench.decisions).toEqual([]);
  });

  it('count what comes after its block was judged in the windows only', () => {
    const bench = alone().run(60, both);
    const before = bench.judge.cohorts.get('2')?.pair('errors', '5m').all ?? 0;
    bench.judge.merge(served('2', 7, 7), bench.slot - 40, bench.slot * 1000);
    expect(bench.counts.late).toBe(7);
    expect(bench.judge.cohorts.get('2')?.pair('errors', '5m')).toMatchObject({ all: before + 7 });
    expect(bench.rollout()?.totals.candidate.requests).toBeLessThanOrEqual(before);
  });

  it.each([
    [{ hold: { at: 0.2 } }, 'want less than hold.at'],
    [{ indicators: { silence: { share: 1 } } }, 'Too big: expected number to be <=0.9'],
    [{ indicators: { errors: { weight: 0 } } }, 'Too small: expected number to be >0'],
    [{ indicators: { custom: { 'Not-a-name': {} } } }, 'Invalid key in record'],
    [
      {
        indicators: Object.fromEntries(
          Object.keys(config().indicators)
            .filter((name) => name !== 'custom')
            .map((name) => [name, { gating: false }]),
        ),
      },
      'want at least one that is enabled and gating',
    ],
  ])('refuse the configuration %j', (overrides, message) => {
    expect(() => config(overrides)).toThrow(message);
  });
});

describe('which telemetry counts', () => {
  it('leaves request metrics out for a version that sends spans, whichever comes first', () => {
    const metric = (version: string) => series({ version, kind: 'metric', all: 100, bad: 50 });
    for (const order of [
      [metric('1'), served('1', 10)],
      [served('1', 10), metric('1')],
    ]) {
      const bench = new Bench().run(60, () => order);
      expect(bench.judge.cohorts.get('1')?.pair('errors', '1h')).toEqual({ all: 500, bad: 0 });
    }
    const metricsOnly = new Bench().run(60, () => [metric('1')]);
    expect(metricsOnly.judge.cohorts.get('1')?.pair('errors', '1h')).toEqual({ all: 5000, bad: 2500 });
  });

  it('calls a request slow above the bin of the threshold, not within it', () => {
    const threshold = binOf(upperBoundNs(binOf(20e6)) + 10e6);
    const ms = (bin: number) => upperBoundNs(bin) / 1e6;
    const bench = new Bench({ warm_up: '0s' }).run(60, () => [series({ version: '1', ms: { 20: 18 } })]);
    bench.run(60, () => [
      series({ version: '1', ms: { 20: 18 } }),
      series({ version: '2', ms: { [ms(threshold)]: 3, [ms(threshold + 1)]: 1 } }),
    ]);
    const counted = bench.rollout()?.comparisons.get('slow_p50')?.candidate;
    expect(counted?.all).toBeGreaterThan(100);
    expect(counted?.bad).toBe((counted?.all ?? 0) / 4);
  });

  it('counts silence from warm_up after the first share told', () => {
    const bench = alone();
    bench.second([served('1', 10)], [deployment({ version: '2', previousVersion: '1', weight: 0.5 })]);
    bench.run(60, () => [served('1', 10)]);
    bench.second([served('1', 10)], [deployment({ version: '2', weight: 0.8 })]);
    expect(bench.rollout()?.silence.blocks).toBe(0);
    bench.run(60, () => [served('1', 10)]);
    expect(bench.rollout()?.silence.blocks).toBeGreaterThanOrEqual(4);
  });

  it('moves the windows of a version on when it has fallen silent', () => {
    const bench = alone()
      .run(60, both)
      .run(120, (i) => [healthy('1')(i)]);
    expect(bench.judge.cohorts.get('2')?.pair('errors', '1m')).toEqual({ all: 0, bad: 0 });
    expect(bench.judge.cohorts.get('2')?.pair('errors', '5m').all).toBe(600);
  });

  it('leaves the first minute of an instance out of the latency indicators', () => {
    const slowStart = (i: number) => [
      series({ version: '1', ms: { 20: 17, 100: 1 } }),
      series({ version: '2', ms: i < 60 ? { 500: 2 } : { 20: 2 } }),
    ];
    expect(alone().run(600, slowStart).kinds).toEqual([]);
    const bench = alone(new Bench({ warm_up: '0s' })).run(600, slowStart);
    expect(bench.kinds).toContain('hold');
  });
});

it('begins its blocks with the first second that it sees', () => {
  const bench = new Bench();
  bench.second([served('1', 1)]);
  expect(bench.judge.isForgotten((START + 3600) * 1000)).toBe(false);
  bench.run(30, () => []);
  expect(bench.judge.isForgotten((START + 3600) * 1000)).toBe(false);
  expect(bench.judge.isForgotten((START + 7 * 3600) * 1000)).toBe(true);
});
