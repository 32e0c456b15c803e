/** Deployments as they are in practice, that once were taken for something else. Every run is a function of its seed. */
import { describe, expect, it, vi } from 'vitest';
import { ManualClock } from '../../../pipeline/clock.ts';
import { MemoryStorage } from '../../../pipeline/storage.ts';
import { DecisionLog } from '../../../processors/verdict/decision-log.ts';
import type { Surroundings } from '../../../processors/verdict/service-judge.ts';
import { StateKeeper } from '../../../processors/verdict/state.ts';
import { Turns } from '../../../processors/verdict/turns.ts';
import { VerdictProcessor } from '../../../processors/verdict/verdict.ts';
import type { DeltaSeries } from '../../../proto/windback/health.ts';
import { Sink, testContext } from '../../support/context.ts';
import { eventful, judged } from '../../support/history.ts';
import { Bench, config, deployment, series, START, traffic } from '../../support/judging.ts';
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

describe('on a slow machine', () => {
  /** Feeds a processor and lets the clock ring while a batch is still being merged. */
  async function decisions(isSlow: boolean): Promise<string> {
    const clock = new ManualClock(START * 1000);
    const sink = new Sink(['decisions']);
    const processor = new VerdictProcessor(config(), sink, testContext('verdict', { clock }));
    // Every look at the time finds that others should have a turn.
    let now = 0;
    const time = vi.spyOn(performance, 'now').mockImplementation(() => (isSlow ? (now += 50) : 0));
    await processor.start();
    const filler = Array.from({ length: 20_000 }, (_, i) =>
      series({ service: 'a', version: '1', operation: `${i % 50}`, all: 1 }),
    );
    // It comes every 15 s, just before its block is judged: nobody waits for a source that is so seldom heard.
    for (let i = 4; i < 900; i += 15) {
      const of = { service: 'b', ms: { 20: 40 } };
      const seen = [
        ...filler,
        series({ ...of, version: '1' }),
        ...(i < 200 ? [] : [series({ ...of, version: '2', bad: 16 })]),
      ];
      const delta = { source: 'one', slot: START + i, series: seen, events: [] };
      await clock.advanceTo((START + i + 6) * 1000 - 1);
      const merged = processor.consume({ signal: 'health', items: 1, deltas: [delta] });
      if (!isSlow) await merged;
      await clock.advanceTo((START + i + 6) * 1000);
      await merged;
    }
    await processor.stop();
    time.mockRestore();
    return sink.batches
      .flatMap((batch) => (batch.signal === 'decisions' ? batch.decisions : []))
      .map((one) => JSON.stringify(one))
      .join('\n');
  }

  it('decides as on a fast one: a look at the clock waits for what came before it', async () => {
    const fast = await decisions(false);
    expect(fast).toContain('rollback');
    expect(await decisions(true)).toBe(fast);
  });
});

it('saves all other services where the state of one cannot be written', async () => {
  const storage = new MemoryStorage();
  const good = new Bench();
  good.second(pods(new Random(1), '1', { pods: 1, rate: 5 }));
  const bad = Object.assign(Object.create(good.judge), { parts: () => JSON.parse('{') });
  const services = new Map([
    ['a', bad],
    ['b', good.judge],
  ]);
  const surroundings = { digest: 'x', board: good.board, overrides: good.overrides, config: config() } as Surroundings;
  const keeper = new StateKeeper(testContext('verdict', { storage }), surroundings, services, new DecisionLog(), {
    waiting: [],
  });
  for (const key of services.keys()) keeper.touch(key);
  await keeper.saveChanged(new Turns(), (work) => work());
  expect([...storage.keys()].sort()).toEqual(['board', 'decisions', 'service/b']);
});

describe.each([1, 2])(
  'telemetry of the service that is at fault comes later than that of its caller, seed %i',
  (seed) => {
    const deltas = eventful(new Random(seed), 300);

    /** The decisions, in the order of their time. */
    async function decided(delays: Readonly<Record<string, number>>): Promise<string[]> {
      const arrivals = deltas.flatMap((delta) =>
        ['cart', 'pay', 'mail'].map((service) => ({
          atMs: (delta.slot + 1 + (delays[service] ?? 0)) * 1000,
          delta: {
            ...delta,
            series: delta.series.filter((one) => one.service === service),
            events: service === 'cart' ? delta.events : [],
          },
        })),
      );
      return (await judged(arrivals))
        .split('\n')
        .map((line) => JSON.parse(line))
        .map(({ time, subject, data }) => `${time} ${subject} ${data.decision}`)
        .sort();
    }

    it.each([20, 60])('by %i s, and its caller is not rolled back meanwhile', async (seconds) => {
      const prompt = await decided({});
      expect(prompt.join()).toMatch(/pay\S* rollback/);
      expect(prompt.join()).not.toMatch(/cart\S* rollback/);
      expect(await decided({ pay: seconds })).toEqual(prompt);
      expect(await decided({ cart: seconds })).toEqual(prompt);
    });
  },
);

it('compares by metrics a version that has begun to send spans with one that sends none', () => {
  const random = new Random(1);
  const bench = new Bench();
  const exported = (version: string, second: number, all: number, bad: number) =>
    second % 10 === 9 ? [series({ version, kind: 'metric', all, bad, ms: { 20: all } })] : [];
  bench.run(300, (second) => exported('1', second, 100, 0));
  bench.run(600, (second) => [
    ...exported('1', second, 75, 0),
    ...exported('2', second, 25, 25),
    traffic(random, '2', { rate: 2.5, errors: 1 }),
  ]);
  expect(rollbacks(bench)).toEqual(['2']);
});

it('takes a version that comes back after its rollback, as bad as it was, for another rollout', () => {
  const random = new Random(1);
  const bench = new Bench();
  const beside = (errors: number) => () => [
    ...pods(random, '1', { pods: 3, rate: 10 }),
    ...pods(random, '2', { pods: 1, rate: 10, errors }),
  ];
  bench.run(300, () => pods(random, '1', { pods: 3, rate: 10 }));
  bench.run(120, beside(0.2));
  // Less than `end_after`: by silence alone it would still be the same rollout.
  bench.run(300, () => pods(random, '1', { pods: 3, rate: 10 }));
  expect(bench.outcomes.map(([, outcome]) => outcome)).toEqual(['recovered']);
  bench.run(2400, beside(0.2));
  expect(rollbacks(bench)).toEqual(['2', '2']);
  const [first, second] = bench.decisions.filter(({ data }) => data.decision === 'rollback');
  expect(first?.id).not.toBe(second?.id);
});

describe('errors that are logged', () => {
  /** Forty pods are replaced, one every twenty seconds. */
  function replaced(logged: (age: number) => number): Bench {
    const random = new Random(1);
    const bench = new Bench();
    const pod = (version: string, i: number, age: number) => {
      const of = { version, instance: `${version}-${i}` };
      const bad = version === '2' ? logged(age) : 0;
      const records = series({ ...of, kind: 'log', operation: '', all: 5, bad });
      const named = series({ ...of, kind: 'signature', operation: '', name: 'connection refused', all: bad, bad });
      return [traffic(random, version, { rate: 5, errors: 0.002, instance: of.instance }), records, named];
    };
    return bench.run(1200, (second) =>
      Array.from({ length: 40 }, (_, i) => {
        const age = second - 300 - i * 20;
        return age < 0 ? pod('1', i, 0) : pod('2', i, age);
      }).flat(),
    );
  }

  it('while pods start are not held against those that started long ago', () => {
    expect(replaced((age) => (age < 3 ? 3 : 0)).kinds.filter((kind) => kind !== 'promote')).toEqual([]);
  });

  it('still count when they go on', () => {
    expect(rollbacks(replaced((age) => (age % 10 === 0 ? 1 : 0)))).toEqual(['2']);
  });
});
