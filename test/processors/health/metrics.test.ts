/** Request-duration histograms of both kinds and temporalities. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeltaSeries } from '../../../proto/windback/health.ts';
import { binOf } from '../../../proto/windback/latency-bins.ts';
import { type Attributes, keyValues, metrics, nanos } from '../../support/telemetry.ts';
import { Folding, NOW, RESOURCE, totals } from './support.ts';

const DELTA = 1;
const CUMULATIVE = 2;
const ROUTE = { 'http.request.method': 'GET', 'http.route': '/pay' };

interface Point {
  readonly time?: number;
  readonly start?: number;
  readonly attributes?: Attributes;
}

interface Explicit extends Point {
  readonly counts: readonly number[];
  readonly bounds?: readonly (number | string)[];
}

interface Exponential extends Point {
  readonly counts: readonly number[];
  readonly scale?: number;
  readonly offset?: number;
  readonly zeros?: number;
}

const sum = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0);

/** Long enough ago that a first point says nothing. */
const LONG_AGO = NOW - 1000;

function common({ time = NOW, start = LONG_AGO, attributes = ROUTE }: Point): Record<string, unknown> {
  return { timeUnixNano: nanos(time), startTimeUnixNano: nanos(start), attributes: keyValues(attributes) };
}

function explicit(temporality: number, name: string, ...points: Explicit[]) {
  const dataPoints = points.map(({ counts, bounds = [0.01, 0.1, 1], ...point }) => ({
    ...common(point),
    count: String(sum(counts)),
    bucketCounts: counts.map(String),
    explicitBounds: bounds,
  }));
  return batch({ name, unit: 's', histogram: { aggregationTemporality: temporality, dataPoints } });
}

function exponential(temporality: number, ...points: Exponential[]) {
  const dataPoints = points.map(({ counts, scale = 0, offset = -4, zeros = 0, ...point }) => ({
    ...common(point),
    count: String(sum(counts) + zeros),
    scale,
    zeroCount: String(zeros),
    positive: { offset, bucketCounts: counts.map(String) },
  }));
  const data = { aggregationTemporality: temporality, dataPoints };
  return batch({ name: 'http.server.request.duration', unit: 's', exponentialHistogram: data });
}

const batch = (...items: Record<string, unknown>[]) => metrics({ resource: RESOURCE, items });

async function fold(...batches: ReturnType<typeof batch>[]) {
  const folding = new Folding();
  for (const one of batches) await folding.consume(one);
  return folding;
}

const HTTP = 'http.server.request.duration';
/** Bins of several series as one, by the ms they stand for. */
function latencies(series: readonly DeltaSeries[], ...ms: number[]): number[] {
  return ms.map((value) => sum(series.map(({ bins }) => bins.count[bins.bin.indexOf(binOf(value * 1e6))] ?? 0)));
}

describe('explicit histograms', () => {
  it('count each bucket at its upper bound, the open one at the highest there is', async () => {
    const series = await (await fold(explicit(DELTA, HTTP, { counts: [5, 3, 2, 1] }))).series();
    expect(totals(series, 'metric')).toEqual({ all: 11, bad: 0 });
    expect(latencies(series, 10, 100, 1000)).toEqual([5, 3, 3]);
    expect(series[0]).toMatchObject({ operation: 'GET /pay', kind: 'metric', version: '1' });
  });

  it.each([
    ['http.server.request.duration', 1000],
    ['rpc.server.call.duration', 1000],
    ['http.server.duration', 1],
    ['rpc.server.duration', 1],
  ])('%s is in units of %i ms', async (name, unitMs) => {
    const series = await (await fold(explicit(DELTA, name, { counts: [0, 4, 0, 0], bounds: [1, 2, 3] }))).series();
    expect(latencies(series, 2 * unitMs)).toEqual([4]);
  });

  it.each<[Attributes, number]>([
    [{ 'http.response.status_code': 200 }, 0],
    [{ 'http.response.status_code': 404 }, 0],
    [{ 'http.response.status_code': 503 }, 4],
    [{ 'http.status_code': '500' }, 4],
    [{ 'http.response.status_code': 404, 'error.type': '404' }, 0],
    [{ 'rpc.grpc.status_code': 14 }, 4],
    [{ 'rpc.grpc.status_code': 5 }, 0],
    [{ 'error.type': 'timeout' }, 4],
    [{ 'error.type': '' }, 0],
  ])('are bad by %j: %i of 4', async (attributes, bad) => {
    const series = await (await fold(explicit(DELTA, HTTP, { counts: [4, 0, 0, 0], attributes }))).series();
    expect(totals(series, 'metric')).toEqual({ all: 4, bad });
  });

  it('of other metrics and kinds are no requests', async () => {
    const folding = await fold(
      explicit(DELTA, 'http.client.request.duration', { counts: [4, 0, 0, 0] }),
      batch({ name: HTTP, gauge: { dataPoints: [{ timeUnixNano: nanos(NOW), asDouble: 1 }] } }),
    );
    expect(await folding.series()).toEqual([]);
    expect(await folding.ignored('metrics', 'not_a_request')).toBe(2);
  });

  it('of one bucket count requests and say nothing of latency', async () => {
    const folding = new Folding();
    await folding.consume(explicit(DELTA, HTTP, { counts: [7], bounds: [] }));
    const data = { aggregationTemporality: DELTA, dataPoints: [{ ...common({}), count: '5' }] };
    await folding.consume(batch({ name: HTTP, histogram: data }));
    const series = await folding.series();
    expect(totals(series, 'metric').all).toBe(12);
    expect(series.every(({ bins }) => bins.bin.length === 0)).toBe(true);
  });

  it('with more counts than bounds are malformed', async () => {
    const folding = await fold(explicit(DELTA, HTTP, { counts: [1, 2, 3, 4, 5, 6] }));
    expect(await folding.ignored('metrics', 'malformed')).toBe(1);
  });
});

describe('cumulative histograms', () => {
  const cumulative = (...points: Explicit[]) => points.map((point) => explicit(CUMULATIVE, HTTP, point));

  it('count what came since the last point; the first one only sets the start', async () => {
    const series = await (
      await fold(...cumulative({ counts: [100, 50, 0, 0] }, { counts: [110, 55, 0, 0] }, { counts: [110, 56, 2, 0] }))
    ).series();
    expect(totals(series, 'metric').all).toBe(18);
    expect(latencies(series, 10, 100, 1000)).toEqual([10, 6, 2]);
  });

  it('begin anew when the bounds change', async () => {
    const bounds = [0.005, 0.1, 1];
    const folding = await fold(
      ...cumulative(
        { counts: [100, 0, 0, 0] },
        { counts: [10, 110, 0, 0], bounds },
        { counts: [10, 113, 0, 0], bounds },
      ),
    );
    expect(totals(await folding.series(), 'metric').all).toBe(3);
    expect(await folding.ignored('metrics', 'bounds_changed')).toBe(1);
  });

  it('are told apart by attributes, resource and unit', async () => {
    const at = (route: string, counts: number[]) => ({ counts, attributes: { ...ROUTE, 'http.route': route } });
    const folding = await fold(
      explicit(CUMULATIVE, HTTP, at('/a', [10, 0, 0, 0]), at('/b', [90, 0, 0, 0])),
      explicit(CUMULATIVE, HTTP, at('/a', [11, 0, 0, 0]), at('/b', [95, 0, 0, 0])),
    );
    const found = (await folding.series())
      .filter(({ all }) => all > 0)
      .map(({ operation, all }) => `${operation} ${all}`);
    expect(found).toEqual(['GET /a 1', 'GET /b 5']);
  });
});

describe('exponential histograms', () => {
  it('count each bucket at its upper bound, zeros at nothing', async () => {
    // Scale 0: bucket i holds (2^i, 2^(i+1)] s; offset -4 is (1/16, 1/8].
    const series = await (await fold(exponential(DELTA, { counts: [4, 0, 2], zeros: 3 }))).series();
    expect(totals(series, 'metric')).toEqual({ all: 9, bad: 0 });
    expect(latencies(series, 0, 125, 500)).toEqual([3, 4, 2]);
  });

  it('are differences where they are cumulative', async () => {
    const series = await (
      await fold(
        exponential(CUMULATIVE, { counts: [4, 0, 2], zeros: 3 }),
        exponential(CUMULATIVE, { counts: [5, 0, 4], zeros: 4 }),
      )
    ).series();
    expect(latencies(series, 0, 125, 500)).toEqual([1, 1, 2]);
  });

  it('go on when the range grows at either end', async () => {
    const series = await (
      await fold(
        exponential(CUMULATIVE, { counts: [4, 2], offset: -4 }),
        exponential(CUMULATIVE, { counts: [1, 0, 5, 2, 0, 3], offset: -6 }),
      )
    ).series();
    // (1/64, 1/32], (1/16, 1/8] and (1/2, 1].
    expect(latencies(series, 31.25, 125, 1000)).toEqual([1, 1, 3]);
    expect(totals(series, 'metric').all).toBe(5);
  });

  it('go on when the buckets grow coarser', async () => {
    const series = await (
      await fold(
        // Scale 1: (2^-4, 2^-3.5], (2^-3.5, 2^-3], (2^-3, 2^-2.5], (2^-2.5, 2^-2].
        exponential(CUMULATIVE, { counts: [1, 2, 3, 4], offset: -8, scale: 1 }),
        // Scale 0: (2^-4, 2^-3], (2^-3, 2^-2].
        exponential(CUMULATIVE, { counts: [5, 8], offset: -4, scale: 0 }),
      )
    ).series();
    expect(latencies(series, 125, 250)).toEqual([2, 1]);
  });

  it('begin anew when they do not fit what came before', async () => {
    const fell = await fold(
      exponential(CUMULATIVE, { counts: [9, 1] }),
      exponential(CUMULATIVE, { counts: [4, 20] }),
      exponential(CUMULATIVE, { counts: [4, 21] }),
    );
    expect(totals(await fell.series(), 'metric').all).toBe(1);
    expect(await fell.ignored('metrics', 'counter_reset')).toBe(1);
    const narrowed = await fold(
      exponential(CUMULATIVE, { counts: [9, 1] }),
      exponential(CUMULATIVE, { counts: [20], offset: -9 }),
    );
    expect(totals(await narrowed.series(), 'metric').all).toBe(0);
    expect(await narrowed.ignored('metrics', 'bounds_changed')).toBe(1);
  });
});

describe('a first point', () => {
  const one = (point: Partial<Explicit>) => explicit(CUMULATIVE, HTTP, { counts: [7, 0, 0, 0], ...point });

  it('is new as a whole where its process has just begun', async () => {
    for (const start of [NOW - 300, NOW - 5, NOW]) {
      expect(totals(await (await fold(one({ start }))).series(), 'metric').all).toBe(7);
    }
  });

  it('says nothing else, which is counted', async () => {
    for (const start of [NOW - 301, 0, NOW + 5]) {
      const folding = await fold(one({ start }));
      expect(await folding.series()).toEqual([]);
      expect(await folding.ignored('metrics', 'first_point')).toBe(1);
    }
  });
});

describe('a reset', () => {
  const at = (time: number, start: number, count: number) =>
    explicit(CUMULATIVE, HTTP, { time, start, counts: [count, 0, 0, 0] });
  const exponentialAt = (time: number, start: number, count: number) =>
    exponential(CUMULATIVE, { time, start, counts: [count] });

  it.each([
    ['explicit', at],
    ['exponential', exponentialAt],
  ])('that was seen in time is new as a whole: %s', async (_kind, point) => {
    const folding = await fold(
      point(NOW - 80, LONG_AGO, 100),
      point(NOW - 70, LONG_AGO, 104),
      point(NOW - 60, NOW - 68, 30),
      point(NOW - 50, NOW - 68, 31),
    );
    expect(totals(await folding.series(), 'metric').all).toBe(4 + 30 + 1);
    expect(await folding.ignored('metrics', 'counter_reset')).toBe(1);
    expect(await folding.folded('metrics')).toBe(3);
  });

  it('of a sender that tells no start is seen by a count that fell', async () => {
    const folding = await fold(at(NOW - 20, 0, 100), at(NOW - 10, 0, 10), at(NOW, 0, 14));
    expect(totals(await folding.series(), 'metric').all).toBe(14);
    expect(await folding.ignored('metrics', 'counter_reset')).toBe(1);
  });

  it('that was missed for more than two intervals only sets the start', async () => {
    const folding = await fold(
      at(NOW - 200, 0, 100),
      at(NOW - 190, 0, 104),
      at(NOW - 160, 0, 50),
      at(NOW - 150, 0, 51),
    );
    expect(totals(await folding.series(), 'metric').all).toBe(4 + 1);
  });

  it('without a new start only sets the start: two senders may share the name', async () => {
    const folding = await fold(at(NOW - 20, LONG_AGO, 100), at(NOW - 10, LONG_AGO, 40), at(NOW, LONG_AGO, 44));
    expect(totals(await folding.series(), 'metric').all).toBe(4);
    expect(await folding.ignored('metrics', 'counter_reset')).toBe(1);
  });

  it('to a start before the last point is another sender, and counts nothing', async () => {
    const folding = await fold(at(NOW - 10, LONG_AGO, 100), at(NOW, NOW - 600, 5000), at(NOW + 1, LONG_AGO, 101));
    expect(totals(await folding.series(), 'metric').all).toBe(0);
    expect(await folding.ignored('metrics', 'counter_reset')).toBe(1);
    expect(await folding.ignored('metrics', 'out_of_order')).toBe(1);
  });

  it('is no start that a sender works out anew each time', async () => {
    const folding = await fold(at(NOW - 10, LONG_AGO, 100), at(NOW, LONG_AGO + 0.4, 103));
    expect(totals(await folding.series(), 'metric').all).toBe(3);
  });

  it('is no point that comes late or twice', async () => {
    const folding = await fold(
      at(NOW - 20, LONG_AGO, 100),
      at(NOW, LONG_AGO, 120),
      at(NOW - 10, LONG_AGO, 110),
      at(NOW, LONG_AGO, 120),
      at(NOW + 10, LONG_AGO, 121),
    );
    expect(totals(await folding.series(), 'metric').all).toBe(21);
    expect(await folding.ignored('metrics', 'out_of_order')).toBe(1);
  });

  it('is a clock that was far ahead and came back', async () => {
    const folding = await fold(at(NOW + 4000, LONG_AGO, 100), at(NOW - 10, LONG_AGO, 101), at(NOW, LONG_AGO, 105));
    expect(totals(await folding.series(), 'metric').all).toBe(4);
  });
});

describe('what makes no sense is counted by reason and never judged', () => {
  const HUGE = '9007199254740993';
  const NEGATIVE = '18446744073709551615';
  const histogram = (temporality: number, fields: Record<string, unknown>) =>
    batch({
      name: HTTP,
      histogram: {
        aggregationTemporality: temporality,
        dataPoints: [{ ...common({}), count: '4', sum: 1, bucketCounts: ['4', '0'], explicitBounds: [0.1], ...fields }],
      },
    });
  const exponentialOf = (temporality: number, fields: Record<string, unknown>) =>
    batch({
      name: HTTP,
      exponentialHistogram: {
        aggregationTemporality: temporality,
        dataPoints: [
          { ...common({}), count: '4', sum: 1, scale: 0, positive: { offset: 0, bucketCounts: ['4'] }, ...fields },
        ],
      },
    });

  it.each<[string, string, Record<string, unknown>]>([
    ['a sum that is no number', 'not_a_number', { sum: 'NaN' }],
    ['an infinite sum', 'not_a_number', { sum: '-Infinity' }],
    ['a bound that is no number', 'bad_bounds', { bucketCounts: [2, 1, 1], explicitBounds: [0.1, 'NaN'] }],
    ['an infinite bound', 'bad_bounds', { bucketCounts: [2, 1, 1], explicitBounds: [0.1, 'Infinity'] }],
    ['bounds that fall', 'bad_bounds', { bucketCounts: [2, 1, 1], explicitBounds: [0.2, 0.1] }],
    ['bounds that are equal', 'bad_bounds', { bucketCounts: [2, 1, 1], explicitBounds: [0.1, 0.1] }],
    ['counts beyond 2^53', 'absurd_count', { count: HUGE, bucketCounts: [HUGE, '0'] }],
    ['negative counts', 'absurd_count', { count: '4', bucketCounts: [NEGATIVE, '5'] }],
    ['a negative count', 'absurd_count', { count: NEGATIVE }],
    ['1970', 'absurd_time', { timeUnixNano: nanos(1000) }],
    ['2200', 'absurd_time', { timeUnixNano: nanos(7_258_118_400) }],
    ['no time', 'absurd_time', { timeUnixNano: '0' }],
  ])('explicit: %s', async (_name, reason, fields) => {
    for (const temporality of [DELTA, CUMULATIVE]) {
      const folding = await fold(histogram(temporality, fields));
      expect(await folding.series()).toEqual([]);
      expect(await folding.ignored('metrics', reason)).toBe(1);
      expect(await folding.folded('metrics')).toBe(0);
    }
  });

  it.each<[string, string, Record<string, unknown>]>([
    ['a sum that is no number', 'not_a_number', { sum: 'NaN' }],
    ['a scale beyond reason', 'bad_bounds', { scale: 2_000_000_000, positive: { bucketCounts: ['2', '2'] } }],
    ['a scale below reason', 'bad_bounds', { scale: -2_000_000_000 }],
    ['an offset beyond reason', 'bad_bounds', { positive: { offset: 2_000_000_000, bucketCounts: ['4'] } }],
    ['counts beyond 2^53', 'absurd_count', { positive: { offset: 0, bucketCounts: [HUGE] } }],
    ['negative counts', 'absurd_count', { positive: { offset: 0, bucketCounts: [NEGATIVE] } }],
    ['zeros beyond 2^53', 'absurd_count', { zeroCount: HUGE }],
  ])('exponential: %s', async (_name, reason, fields) => {
    for (const temporality of [DELTA, CUMULATIVE]) {
      const folding = await fold(exponentialOf(temporality, fields));
      expect(await folding.series()).toEqual([]);
      expect(await folding.ignored('metrics', reason)).toBe(1);
    }
  });

  it('negative durations of an exponential histogram are left out, and the rest counts', async () => {
    const folding = await fold(exponentialOf(DELTA, { count: '6', negative: { offset: 0, bucketCounts: ['2'] } }));
    expect(totals(await folding.series(), 'metric').all).toBe(4);
    expect(await folding.ignored('metrics', 'negative')).toBe(1);
  });

  it('a temporality that is not told', async () => {
    const folding = await fold(histogram(0, {}));
    expect(await folding.series()).toEqual([]);
    expect(await folding.ignored('metrics', 'temporality')).toBe(1);
  });

  it('a bad point spoils neither the others nor the series', async () => {
    const folding = await fold(
      explicit(CUMULATIVE, HTTP, { counts: [100, 0, 0, 0] }),
      histogram(CUMULATIVE, { sum: 'NaN' }),
      explicit(CUMULATIVE, HTTP, { counts: [105, 0, 0, 0] }),
    );
    expect(totals(await folding.series(), 'metric').all).toBe(5);
  });
});

describe('the folded requests', () => {
  const step = fc.record({ added: fc.array(fc.nat(50), { minLength: 4, maxLength: 4 }), restarts: fc.boolean() });

  it('of a cumulative series are those of the same series as deltas', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), fc.boolean(), async (steps, tellsStart) => {
        const cumulative = new Folding();
        let counts = [0, 0, 0, 0];
        let start = LONG_AGO;
        let expected = 0;
        // The first point only sets the start.
        await cumulative.consume(
          explicit(CUMULATIVE, HTTP, { time: NOW - 100, start: tellsStart ? start : 0, counts }),
        );
        for (const [i, { added, restarts }] of steps.entries()) {
          const time = NOW - 90 + i * 10;
          const grown = counts.map((count, bucket) => count + (added[bucket] as number));
          // Without a start only a count that fell can tell.
          const isReset = restarts && (tellsStart || sum(added) < sum(counts));
          if (isReset) start = time - 9;
          counts = isReset ? added : grown;
          expected += sum(added);
          await cumulative.consume(explicit(CUMULATIVE, HTTP, { time, start: tellsStart ? start : 0, counts }));
        }
        expect(totals(await cumulative.series(), 'metric').all).toBe(expected);
      }),
      { numRuns: 60 },
    );
  });
});
