/** Gauges and sums as series of kind `resource`. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { valueBinOf } from '../../../proto/windback/value-bins.ts';
import { type Attributes, keyValues, metrics, nanos } from '../../support/telemetry.ts';
import { Folding, NOW, RESOURCE } from './support.ts';

const DELTA = 1;
const CUMULATIVE = 2;
const LONG_AGO = NOW - 1000;

interface Point {
  readonly value?: number | string;
  readonly time?: number;
  readonly start?: number;
  readonly flags?: number;
  readonly attributes?: Attributes;
}

function dataPoint({ value, time = NOW, start = LONG_AGO, flags = 0, attributes = {} }: Point) {
  return {
    timeUnixNano: nanos(time),
    startTimeUnixNano: nanos(start),
    ...(value === undefined ? {} : { asDouble: value }),
    flags,
    attributes: keyValues(attributes),
  };
}

const gauge = (name: string, ...points: Point[]) => ({ name, gauge: { dataPoints: points.map(dataPoint) } });

function sum(name: string, isMonotonic: boolean, aggregationTemporality: number, ...points: Point[]) {
  return { name, sum: { isMonotonic, aggregationTemporality, dataPoints: points.map(dataPoint) } };
}

const counter = (...points: Point[]) => sum('process.cpu.time', true, CUMULATIVE, ...points);
const batch = (...items: Record<string, unknown>[]) => metrics({ resource: RESOURCE, items });

async function fold(...requests: ReturnType<typeof batch>[]) {
  const folding = new Folding();
  for (const request of requests) await folding.consume(request);
  return folding;
}

/** `name`, slot relative to the present and bins of each series. */
async function samples(folding: Folding) {
  return (await folding.deltas()).flatMap(({ slot, series }) =>
    series.map(({ kind, name, all, bad, bins, operation }) => ({
      kind,
      name,
      all,
      bad,
      operation,
      at: slot - NOW,
      bins: Object.fromEntries(bins.bin.map((bin, i) => [bin, bins.count[i]])),
    })),
  );
}

/** The bins that hold these values, once each. */
const holding = (...values: number[]) => {
  const bins: Record<number, number> = {};
  for (const value of values) bins[valueBinOf(value)] = (bins[valueBinOf(value)] ?? 0) + 1;
  return bins;
};

describe('a gauge', () => {
  it('is a sample per export', async () => {
    const folding = await fold(
      batch(gauge('jvm.cpu.recent_utilization', { value: 0.25 })),
      batch(gauge('jvm.cpu.recent_utilization', { value: 0.5, time: NOW + 0.5 })),
      batch(gauge('jvm.cpu.recent_utilization', { value: 0.75, time: NOW + 10 })),
    );
    const common = { kind: 'resource', name: 'jvm.cpu.recent_utilization', bad: 0, operation: '' };
    expect(await samples(folding)).toEqual([
      { ...common, all: 2, at: 0, bins: holding(0.25, 0.5) },
      { ...common, all: 1, at: 10, bins: holding(0.75) },
    ]);
    expect(await folding.folded('metrics')).toBe(3);
  });

  it('counts by the highest of its attributes, negative ones too', async () => {
    const points = [-3, 7, 5].map((value) => ({ value, attributes: { cpu: `${value}` } }));
    expect((await samples(await fold(batch(gauge('process.memory.usage', ...points)))))[0]?.bins).toEqual(holding(7));
    const cold = [-3, -7].map((value) => ({ value, attributes: { cpu: `${value}` } }));
    expect((await samples(await fold(batch(gauge('process.memory.usage', ...cold)))))[0]?.bins).toEqual({ 0: 1 });
  });

  it('may be of integers', async () => {
    const dataPoints = [{ timeUnixNano: nanos(NOW), asInt: '4096' }];
    const folding = await fold(batch({ name: 'process.memory.usage', gauge: { dataPoints } }));
    expect((await samples(folding))[0]?.bins).toEqual(holding(4096));
  });

  it('of any other name is not looked at', async () => {
    const folding = await fold(batch(gauge('shop.carts', { value: 1 })));
    expect(await folding.ignored('metrics', 'not_a_request')).toBe(1);
    expect(await folding.series()).toEqual([]);
  });

  it('can be named in the configuration, or the beginning of its name', async () => {
    const folding = new Folding({ resource_metrics: ['shop.carts', 'pool.*'] });
    const all = ['shop.carts', 'shop.carts.open', 'pool.size', 'pool.', 'spool.size', 'process.memory.usage'];
    await folding.consume(batch(...all.map((name) => gauge(name, { value: 1 }))));
    expect((await samples(folding)).map(({ name }) => name)).toEqual(['shop.carts', 'pool.size', 'pool.']);
  });

  it('can be named beside those of the conventions', async () => {
    const folding = new Folding({ resource_metrics: ['conventions', 'shop.carts'] });
    const all = ['shop.carts', 'process.memory.usage', 'conventions'];
    await folding.consume(batch(...all.map((name) => gauge(name, { value: 1 }))));
    expect((await samples(folding)).map(({ name }) => name)).toEqual(['shop.carts', 'process.memory.usage']);
  });

  it('is of one instance: those of two are two samples', async () => {
    const of = (instance: string) => ({
      resource: { ...RESOURCE, 'service.instance.id': instance },
      items: [gauge('process.memory.usage', { value: 8 })],
    });
    const folding = await fold(metrics(of('a'), of('b')));
    expect((await folding.series()).map(({ instance, all }) => `${instance} ${all}`)).toEqual(['a 1', 'b 1']);
  });

  it('without a version is not judged', async () => {
    const items = [gauge('process.memory.usage', { value: 8 })];
    const folding = await fold(metrics({ resource: { 'service.name': 'x' }, items }));
    expect(await folding.ignored('metrics', 'unknown_version')).toBe(1);
    expect(await folding.series()).toEqual([]);
  });
});

describe('a sum that rises and falls', () => {
  const used = (...points: Point[]) => sum('jvm.memory.used', false, CUMULATIVE, ...points);
  const pool = (name: string, value: number | string) => ({ value, attributes: { pool: name } });

  it('is added up over its attributes', async () => {
    const folding = await fold(batch(used(pool('eden', 100), pool('old', 28))));
    expect(await samples(folding)).toMatchObject([{ name: 'jvm.memory.used', all: 1, bins: holding(128) }]);
    expect(await folding.folded('metrics')).toBe(2);
  });

  it('is left out where a part of it is missing, since it would be too small', async () => {
    const folding = await fold(batch(used(pool('eden', 100), pool('old', 'NaN'))));
    expect(await folding.series()).toEqual([]);
    expect(await folding.ignored('metrics', 'not_a_number')).toBe(1);
    expect(await folding.ignored('metrics', 'incomplete')).toBe(1);
  });

  it('as deltas says nothing of its level', async () => {
    const folding = await fold(batch(sum('jvm.memory.used', false, DELTA, { value: 1 })));
    expect(await folding.series()).toEqual([]);
    expect(await folding.ignored('metrics', 'temporality')).toBe(1);
  });
});

describe('a counter', () => {
  it('counts by its rate between two points, added up over attributes', async () => {
    const mode = (time: number, user: number, system: number) =>
      batch(
        counter(
          { time, value: user, attributes: { mode: 'user' } },
          { time, value: system, attributes: { mode: 'system' } },
        ),
      );
    const folding = await fold(mode(NOW - 20, 100, 50), mode(NOW - 10, 104, 51), mode(NOW, 109, 51));
    expect(await samples(folding)).toMatchObject([
      { at: -10, all: 1, bins: holding(0.5) },
      { at: 0, all: 1, bins: holding(0.5) },
    ]);
    expect(await folding.ignored('metrics', 'first_point')).toBe(2);
  });

  it('says nothing at its first point, though its process be young, and after a reset', async () => {
    const folding = await fold(
      batch(counter({ time: NOW - 40, start: NOW - 50, value: 10 })),
      batch(counter({ time: NOW - 30, start: NOW - 50, value: 20 })),
      batch(counter({ time: NOW - 20, start: NOW - 25, value: 5 })),
      batch(counter({ time: NOW - 10, start: NOW - 25, value: 25 })),
    );
    expect((await samples(folding)).map(({ at, bins }) => [at, bins])).toEqual([
      [-30, holding(1)],
      [-10, holding(2)],
    ]);
    expect(await folding.ignored('metrics', 'first_point')).toBe(1);
    expect(await folding.ignored('metrics', 'counter_reset')).toBe(1);
  });

  it('as deltas counts by value and interval', async () => {
    const delta = (...points: Point[]) => batch(sum('process.cpu.time', true, DELTA, ...points));
    const folding = await fold(
      delta({ start: NOW - 10, value: 5 }),
      delta({ start: NOW, value: 5 }),
      delta({ start: 0, value: 6 }),
      delta({ start: NOW + 1, value: 7 }),
    );
    expect(await samples(folding)).toMatchObject([{ all: 1, bins: holding(0.5) }]);
    expect(await folding.ignored('metrics', 'no_interval')).toBe(3);
  });

  it('twice at one time has no rate', async () => {
    const folding = await fold(batch(counter({ value: 5 })), batch(counter({ value: 6 })));
    expect(await folding.series()).toEqual([]);
    expect(await folding.ignored('metrics', 'no_interval')).toBe(1);
  });

  it('has the rates of brute force, whatever the exports', async () => {
    const step = fc.record({
      // Starts that are no more than a second apart are taken for one.
      seconds: fc.integer({ min: 3, max: 30 }),
      added: fc.nat(1000),
      restarts: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const folding = new Folding({ max_skew: '1h' });
        const expected: [number, Record<number, number>][] = [];
        let [time, start, value] = [NOW - 600, LONG_AGO, 77];
        await folding.consume(batch(counter({ time, start, value })));
        for (const { seconds, added, restarts } of steps) {
          time += seconds;
          if (restarts) start = time - 0.5 * seconds;
          value = restarts ? added : value + added;
          await folding.consume(batch(counter({ time, start, value })));
          if (!restarts) expected.push([time - NOW, holding(added / seconds)]);
        }
        expect((await samples(folding)).map(({ at, bins }) => [at, bins])).toEqual(expected);
      }),
      { numRuns: 100 },
    );
  });
});

describe('what makes no sense is counted by reason and never folded', () => {
  const values: [string, Point][] = [
    ['not_a_number', { value: 'NaN' }],
    ['not_a_number', { value: 'Infinity' }],
    ['not_a_number', { value: '-Infinity' }],
    ['no_recorded_value', { value: 1, flags: 1 }],
    ['no_recorded_value', {}],
    ['absurd_time', { value: 1, time: 1000 }],
    ['absurd_time', { value: 1, time: 7_258_118_400 }],
    ['absurd_time', { value: 1, time: 0 }],
  ];

  it.each(values)('%s %j', async (reason, point) => {
    for (const metric of [
      gauge('process.memory.usage', point),
      sum('process.memory.usage', false, CUMULATIVE, point),
      counter(point),
      sum('process.cpu.time', true, DELTA, point),
    ]) {
      const folding = await fold(batch(metric));
      expect(await folding.series()).toEqual([]);
      expect(await folding.ignored('metrics', reason)).toBe(1);
      expect(await folding.folded('metrics')).toBe(0);
    }
  });

  it('a counter below zero, and one whose temporality is not told', async () => {
    const negative = await fold(batch(counter({ value: -1 })));
    expect(await negative.ignored('metrics', 'negative')).toBe(1);
    const untold = await fold(batch(sum('process.cpu.time', true, 0, { value: 1 })));
    expect(await untold.ignored('metrics', 'temporality')).toBe(1);
    expect([...(await negative.series()), ...(await untold.series())]).toEqual([]);
  });

  it('a bad point does not end the series of a counter', async () => {
    const folding = await fold(
      batch(counter({ time: NOW - 20, value: 10 })),
      batch(counter({ time: NOW - 10, value: 'NaN' })),
      batch(counter({ time: NOW, value: 30 })),
    );
    expect((await samples(folding)).map(({ bins }) => bins)).toEqual([holding(1)]);
  });

  it('samples beyond max_series', async () => {
    const folding = new Folding({ max_series: 1 });
    await folding.consume(batch(gauge('process.memory.usage', { value: 1 }), gauge('go.memory.used', { value: 1 })));
    expect(await folding.ignored('metrics', 'over_limit')).toBe(1);
    expect(await folding.folded('metrics')).toBe(1);
  });
});
