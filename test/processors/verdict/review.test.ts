/** Deployments as they are in practice, that once were taken for something else. Every run is a function of its seed. */
import { describe, expect, it } from 'vitest';
import type { DeltaSeries } from '../../../proto/windback/health.ts';
import { Bench, deployment, traffic } from '../../support/judging.ts';
import { Random } from '../../support/random.ts';

interface Pods {
  readonly pods: number;
  /** Requests a second of each. */
  readonly rate: number;
  readonly errors?: number;
}

function pods(random: Random, version: string, { pods: count, rate, errors = 0.002 }: Pods): DeltaSeries[] {
  return Array.from({ length: count }, (_, i) =>
    traffic(random, version, { rate, errors, instance: `${version}-${i}` }),
  );
}

function rollbacks(bench: Bench): string[] {
  return bench.decisions.filter(({ data }) => data.decision === 'rollback').map(({ data }) => data.candidate.version);
}

describe.each([1, 2, 3])('instances that are not always heard, seed %i', (seed) => {
  it('does not take idle instances for dead: twenty pods, each with a request every three minutes', () => {
    const random = new Random(seed);
    const bench = new Bench();
    const night = { pods: 10, rate: 1 / 180 };
    bench.run(900, () => pods(random, '1', { ...night, pods: 20 }));
    bench.run(3600, () => [...pods(random, '1', night), ...pods(random, '2', night)]);
    expect(bench.rollout('2')?.silence.deaths).toBe(0);
  });

  it('does not take functions, whose instances all live for 100 s, for a crash loop', () => {
    const random = new Random(seed);
    const bench = new Bench();
    const functions = (version: string, second: number) =>
      [0, 1, 2, 3, 4].map((i) => {
        const life = Math.floor((second + i * 20) / 100);
        return traffic(random, version, { rate: 4, errors: 0.002, instance: `${version}-${i}-${life}` });
      });
    bench.run(1800, (second) => functions('1', second));
    bench.run(1800, (second) => [...functions('1', second), ...functions('2', second)]);
    expect(bench.rollout('2')?.silence.deaths, 'they die').toBeGreaterThan(20);
    expect(rollbacks(bench), 'as those of the baseline do').toEqual([]);
  });

  it('still finds a crash loop beside pods that live', () => {
    const random = new Random(seed);
    const bench = new Bench();
    bench.run(900, () => pods(random, '1', { pods: 4, rate: 10 }));
    bench.run(900, (second) => {
      const instance = `2-${Math.floor(second / 60)}`;
      const dying = second % 60 < 40 ? [traffic(random, '2', { rate: 5, errors: 0.002, instance })] : [];
      return [...pods(random, '1', { pods: 3, rate: 10 }), ...dying];
    });
    expect(rollbacks(bench)).toEqual(['2']);
  });
});

describe.each([1, 2, 3])('runs of a batch, a quarter of an hour apart, seed %i', (seed) => {
  /** Now one version begins a run some seconds earlier, now the other. */
  function runs(errors: number): Bench {
    const random = new Random(seed);
    const bench = new Bench();
    const isRun = (second: number) => second % 900 < 60;
    bench.run(3600, (second) => (isRun(second) ? pods(random, '1', { pods: 2, rate: 2 }) : []));
    return bench.run(3 * 3600, (second) => {
      if (!isRun(second)) return [];
      const isOldFirst = second % 1800 < 900;
      const isEarly = second % 900 <= 12;
      const old = isEarly && !isOldFirst ? [] : pods(random, '1', { pods: 2, rate: 2 });
      return isEarly && isOldFirst ? old : [...old, ...pods(random, '2', { pods: 1, rate: 2, errors })];
    });
  }

  it('does not end the rollout between them, nor swap the roles', () => {
    const bench = runs(0.002);
    expect(bench.baseline).toBe('1');
    expect(bench.candidates).toEqual(['2']);
    expect(rollbacks(bench)).toEqual([]);
  });

  it('finds a candidate that fails every other time', () => {
    expect(rollbacks(runs(0.5))).toEqual(['2']);
  });
});

describe('who is held against whom', () => {
  it('finds a bad version that follows on one which has just replaced the baseline', () => {
    const random = new Random(1);
    const bench = new Bench();
    bench.run(300, () => pods(random, '1', { pods: 4, rate: 10 }));
    bench.run(120, () => [...pods(random, '1', { pods: 2, rate: 10 }), ...pods(random, '2', { pods: 2, rate: 10 })]);
    bench.run(120, () => pods(random, '2', { pods: 4, rate: 10 }));
    bench.run(300, () => [
      ...pods(random, '2', { pods: 3, rate: 10 }),
      ...pods(random, '3', { pods: 1, rate: 10, errors: 0.1 }),
    ]);
    expect(rollbacks(bench)).toEqual(['3']);
    expect(bench.decisions.at(-1)?.data.baseline?.version).toBe('2');
  });

  it('holds later candidates against the one that took the place of the baseline', () => {
    const random = new Random(2);
    const bench = new Bench({ end_after: '2m', history: { enabled: false } });
    bench.run(100, () => pods(random, '1', { pods: 2, rate: 10 }));
    bench.run(30, () => [...pods(random, '1', { pods: 1, rate: 10 }), ...pods(random, '2', { pods: 1, rate: 10 })]);
    bench.run(10, () => ['1', '2', '3'].flatMap((version) => pods(random, version, { pods: 1, rate: 10 })));
    bench.run(200, () => ['2', '3'].flatMap((version) => pods(random, version, { pods: 1, rate: 10 })));
    expect(bench.baseline).toBe('2');
    expect(bench.rollout('3')?.identity).toMatchObject({ candidate: '3', baseline: '2' });
  });

  it('judges a candidate whose event names a previous version that nobody has heard of', () => {
    const random = new Random(3);
    const bench = new Bench();
    bench.run(300, () => pods(random, '1', { pods: 4, rate: 10 }));
    bench.second([], [deployment({ version: '2', previousVersion: 'release-1', weight: 0.25 })]);
    bench.run(300, () => [
      ...pods(random, '1', { pods: 3, rate: 10 }),
      ...pods(random, '2', { pods: 1, rate: 10, errors: 0.1 }),
    ]);
    expect(bench.baseline).toBe('1');
    expect(rollbacks(bench)).toEqual(['2']);
  });

  it('does not judge the version before last, whose pods fail while they are stopped', () => {
    const random = new Random(4);
    const bench = new Bench();
    bench.run(300, () => pods(random, '1', { pods: 4, rate: 10 }));
    bench.second([], [deployment({ version: '2', previousVersion: '1' })]);
    bench.run(60, () => [...pods(random, '1', { pods: 2, rate: 10 }), ...pods(random, '2', { pods: 2, rate: 10 })]);
    bench.second([], [deployment({ version: '3', previousVersion: '2' })]);
    bench.run(200, () => [
      ...pods(random, '1', { pods: 1, rate: 5, errors: 0.5 }),
      ...pods(random, '2', { pods: 2, rate: 10 }),
      ...pods(random, '3', { pods: 1, rate: 10 }),
    ]);
    expect(bench.candidates).toEqual(['3']);
    expect(rollbacks(bench)).toEqual([]);
  });

  it('lets an event that comes again after the end change nothing', () => {
    const random = new Random(5);
    const bench = new Bench({ end_after: '2m', history: { enabled: false } });
    const event = deployment({ version: '2', previousVersion: '1', weight: 1 });
    bench.run(100, () => pods(random, '1', { pods: 2, rate: 10 }));
    bench.second([], [event]);
    bench.run(300, () => pods(random, '2', { pods: 2, rate: 10 }));
    expect(bench.baseline).toBe('2');
    bench.second([], [event]);
    bench.run(100, () => pods(random, '2', { pods: 2, rate: 10 }));
    expect(bench.baseline).toBe('2');
    expect(bench.candidates).toEqual([]);
  });
});
