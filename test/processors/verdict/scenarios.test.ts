/** Whole rollouts through the judge, on event time. Every run is a function of its seed. */
import { describe, expect, it } from 'vitest';
import { Bench, series, START, traffic } from '../../support/judging.ts';
import { Random } from '../../support/random.ts';

const SEEDS = [1, 2, 3, 4, 5];

/** Both versions from second 60 on; the baseline alone before. `ratio` scales the candidate's rates over time. */
function canary(
  seed: number,
  spec: { rate: number; share: number; errors: number; candidate: number; seconds?: number; ms?: number },
): Bench {
  const random = new Random(seed);
  const bench = new Bench();
  const { rate, share, errors, candidate, seconds = 1200, ms = 20 } = spec;
  bench.run(60, () => [traffic(random, '1', { rate, errors })]);
  return bench.run(
    seconds,
    () => [
      traffic(random, '1', { rate: rate * (1 - share), errors }),
      traffic(random, '2', { rate: rate * share, errors: candidate, ms }),
    ],
    () => bench.kinds.includes('rollback'),
  );
}

describe.each(SEEDS)('seed %i', (seed) => {
  it('finds ten times the errors on a tenth of 100 requests a second within 150 s', () => {
    const bench = canary(seed, { rate: 100, share: 0.1, errors: 0.005, candidate: 0.05 });
    expect(bench.after('rollback', START + 60)).toBeLessThanOrEqual(150);
  });

  it('leaves a good candidate alone', () => {
    const bench = canary(seed, { rate: 100, share: 0.1, errors: 0.005, candidate: 0.005, seconds: 800 });
    expect(bench.kinds).toEqual([]);
  });

  it('leaves a candidate alone that is worse by less than is tolerated', () => {
    const bench = canary(seed, { rate: 100, share: 0.3, errors: 0.02, candidate: 0.022, seconds: 800 });
    expect(bench.kinds).toEqual([]);
  });

  it('does not take an incident that hits both versions for the candidate', () => {
    const random = new Random(seed);
    const bench = new Bench();
    bench.run(900, (second) => {
      const isIncident = second % 300 > 200 && second % 300 < 260;
      const errors = isIncident ? 0.4 : 0.002;
      const ms = isIncident ? 200 : 20;
      const baseline = traffic(random, '1', { rate: 60, errors, ms });
      return second < 100 ? [baseline] : [baseline, traffic(random, '2', { rate: 15, errors, ms })];
    });
    const open = bench.decisions.filter(({ data }) => data.verdict !== 'inconclusive' && data.decision !== 'resume');
    expect(open, 'it may say that both are bad, no more').toEqual([]);
  });

  it('does not take a bad host of the baseline for the version', () => {
    const random = new Random(seed);
    const bench = new Bench();
    bench.run(900, (second) => {
      const hosts = Array.from({ length: 8 }, (_, i) => {
        const isBad = i === 3 && second > 300 && second < 360;
        return traffic(random, '1', { rate: 8, errors: isBad ? 1 : 0.003, instance: `1-${i}` });
      });
      const candidates = [0, 1].map((i) => traffic(random, '2', { rate: 8, errors: 0.003, instance: `2-${i}` }));
      return second < 100 ? hosts : [...hosts, ...candidates];
    });
    expect(bench.kinds).toEqual([]);
  });

  it('finds a candidate that takes twice as long', () => {
    const bench = canary(seed, { rate: 50, share: 0.2, errors: 0.002, candidate: 0.002, ms: 60 });
    const rollback = bench.decisions.at(-1);
    expect(rollback?.data.decision).toBe('rollback');
    expect(rollback?.data.indicator).toMatch(/^slow_p/);
  });

  it('leaves a candidate alone none of whose requests is slower than the floor allows', () => {
    const random = new Random(seed);
    const bench = new Bench();
    const spread = [0.9, 1, 1.1];
    bench.run(60, () => [traffic(random, '1', { rate: 50, errors: 0.002, spread })]);
    bench.run(600, () => [
      traffic(random, '1', { rate: 40, errors: 0.002, spread }),
      traffic(random, '2', { rate: 10, errors: 0.002, spread, ms: 26 }),
    ]);
    expect(bench.kinds).toEqual([]);
  });
});

it('finds a candidate that fails outright at 15 requests a minute, mostly within 120 s', () => {
  const seconds = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((seed) => {
    const random = new Random(seed);
    const bench = new Bench();
    bench.run(120, () => [traffic(random, '1', { rate: 0.75, errors: 0.001 })]);
    const start = bench.slot;
    bench.run(300, () => [
      traffic(random, '1', { rate: 0.75, errors: 0.001 }),
      traffic(random, '2', { rate: 0.25, errors: 1 }),
    ]);
    expect(bench.decisions.find(({ data }) => data.decision === 'rollback')?.data.indicator).toBe('errors');
    return bench.after('rollback', start) as number;
  });
  expect(seconds.sort((a, b) => a - b)[4]).toBeLessThanOrEqual(120);
  expect(seconds.at(-1)).toBeLessThanOrEqual(180);
});

it('does not call a candidate slow that only serves the slower operation (Simpson)', () => {
  const random = new Random(7);
  const bench = new Bench();
  const served = (version: string, fast: number, slow: number) => [
    { ...traffic(random, version, { rate: fast, errors: 0.001, ms: 10 }), operation: 'GET /fast' },
    { ...traffic(random, version, { rate: slow, errors: 0.08, ms: 300 }), operation: 'GET /slow' },
  ];
  bench.run(120, () => served('1', 40, 10));
  bench.run(1200, () => [...served('1', 36, 4), ...served('2', 2, 12)]);
  expect(bench.kinds.filter((kind) => kind !== 'promote')).toEqual([]);
});

it('finds a candidate that never answers, by a deployment event alone', () => {
  const random = new Random(11);
  const bench = new Bench();
  bench.run(100, () => [traffic(random, '1', { rate: 20, errors: 0.002 })]);
  const start = bench.slot;
  bench.second([], [{ ...EVENT, weight: 0.25 }]);
  bench.run(500, () => [traffic(random, '1', { rate: 20, errors: 0.002 })]);
  expect(bench.kinds).toEqual(['hold', 'rollback']);
  const [, rollback] = bench.decisions;
  expect(rollback?.data).toMatchObject({ indicator: 'silence', rollout: { known_by: 'deployment_event' } });
  expect(rollback?.data.reason).toMatch(
    /^2 answers none of the [\d ]+ requests that its share of 25 % should have brought in \d+ min/,
  );
  expect(bench.after('rollback', start)).toBeLessThanOrEqual(420);
});

it('does not call a candidate silent that gets half its share, nor one when nobody sends anything', () => {
  const random = new Random(12);
  const bench = new Bench();
  bench.run(100, () => [traffic(random, '1', { rate: 20, errors: 0.002 })]);
  bench.second([], [{ ...EVENT, weight: 0.5 }]);
  bench.run(300, () => [
    traffic(random, '1', { rate: 15, errors: 0.002 }),
    traffic(random, '2', { rate: 5, errors: 0.002 }),
  ]);
  bench.run(500, () => []);
  expect(bench.kinds).toEqual([]);
});

it('judges by logs alone', () => {
  const bench = new Bench();
  const log = (version: string, all: number, bad: number) => series({ version, kind: 'log', operation: '', all, bad });
  bench.run(60, (i) => [log('1', 20, i % 20 === 0 ? 1 : 0)]);
  bench.run(
    300,
    (i) => [log('1', 20, i % 20 === 0 ? 1 : 0), log('2', 5, 2)],
    () => bench.kinds.includes('rollback'),
  );
  expect(bench.decisions.at(-1)?.data).toMatchObject({ decision: 'rollback', indicator: 'log_errors' });
});

const EVENT = {
  namespace: 'shop',
  service: 'checkout',
  environment: 'prod',
  version: '2',
  previousVersion: '1',
  status: 'started',
  weight: null,
  atSeconds: START,
} as const;
