/** Request-duration histograms of both kinds and temporalities. */
import { describe, expect, it } from 'vitest';
import { type Attributes, nanos } from '../../support/telemetry.ts';
import {
  batch,
  common,
  ROUTE,
  CUMULATIVE,
  DELTA,
  type Explicit,
  explicit,
  exponential,
  fold,
  HTTP,
  latencies,
} from './histograms.ts';
import { Folding, NOW, totals } from './support.ts';

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
