/** Request-duration histograms of both kinds and temporalities. */
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

function common({ time = NOW, start = NOW - 100, attributes = ROUTE }: Point): Record<string, unknown> {
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

  it('that make no sense are counted as malformed or folded to something finite', async () => {
    const folding = await fold(explicit(DELTA, HTTP, { counts: [1, 2, 3, 4, 5, 6] }));
    expect(await folding.ignored('metrics', 'malformed')).toBe(1);
    const bounds = ['NaN', '-Infinity', 'Infinity'];
    const series = await (await fold(explicit(DELTA, HTTP, { counts: [1, 1, 1, 1], bounds }))).series();
    for (const { bins } of series) {
      for (const bin of bins.bin) expect(bin >= 0 && bin <= 1471 && Number.isInteger(bin)).toBe(true);
    }
    expect(totals(series, 'metric').all).toBe(4);
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

  it('begin anew after a reset, told by the start time or by a count that fell', async () => {
    const told = await fold(
      ...cumulative(
        { counts: [100, 0, 0, 0] },
        { counts: [150, 0, 0, 0], start: NOW - 5 },
        { counts: [153, 0, 0, 0], start: NOW - 5 },
      ),
    );
    expect(totals(await told.series(), 'metric').all).toBe(3);
    const fell = await fold(
      ...cumulative({ counts: [100, 0, 0, 0] }, { counts: [10, 0, 0, 0] }, { counts: [14, 0, 0, 0] }),
    );
    expect(totals(await fell.series(), 'metric').all).toBe(4);
  });

  it('begin anew when the bounds change', async () => {
    const series = await (
      await fold(...cumulative({ counts: [100, 0, 0, 0] }, { counts: [10, 110, 0, 0], bounds: [0.005, 0.1, 1] }))
    ).series();
    expect(totals(series, 'metric').all).toBe(0);
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
    const series = await (
      await fold(exponential(CUMULATIVE, { counts: [9, 1] }), exponential(CUMULATIVE, { counts: [4, 20] }))
    ).series();
    expect(totals(series, 'metric').all).toBe(0);
  });
});
