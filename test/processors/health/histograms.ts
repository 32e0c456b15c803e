/** Requests of histograms for tests, from what matters to them. */
import type { DeltaSeries } from '../../../proto/windback/health.ts';
import { binOf } from '../../../proto/windback/latency-bins.ts';
import { type Attributes, keyValues, metrics, nanos } from '../../support/telemetry.ts';
import { Folding, NOW, RESOURCE } from './support.ts';

export const DELTA = 1;
export const CUMULATIVE = 2;
export const ROUTE = { 'http.request.method': 'GET', 'http.route': '/pay' };

interface Point {
  readonly time?: number;
  readonly start?: number;
  readonly attributes?: Attributes;
}

export interface Explicit extends Point {
  readonly counts: readonly number[];
  readonly bounds?: readonly (number | string)[];
}

interface Exponential extends Point {
  readonly counts: readonly number[];
  readonly scale?: number;
  readonly offset?: number;
  readonly zeros?: number;
}

export const sum = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0);

/** Long enough ago that a first point says nothing. */
export const LONG_AGO = NOW - 1000;

export function common({ time = NOW, start = LONG_AGO, attributes = ROUTE }: Point): Record<string, unknown> {
  return { timeUnixNano: nanos(time), startTimeUnixNano: nanos(start), attributes: keyValues(attributes) };
}

export function explicit(temporality: number, name: string, ...points: Explicit[]) {
  const dataPoints = points.map(({ counts, bounds = [0.01, 0.1, 1], ...point }) => ({
    ...common(point),
    count: String(sum(counts)),
    bucketCounts: counts.map(String),
    explicitBounds: bounds,
  }));
  return batch({ name, unit: 's', histogram: { aggregationTemporality: temporality, dataPoints } });
}

export function exponential(temporality: number, ...points: Exponential[]) {
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

export const batch = (...items: Record<string, unknown>[]) => metrics({ resource: RESOURCE, items });

export async function fold(...batches: ReturnType<typeof batch>[]) {
  const folding = new Folding();
  for (const one of batches) await folding.consume(one);
  return folding;
}

export const HTTP = 'http.server.request.duration';
/** Bins of several series as one, by the ms they stand for. */
export function latencies(series: readonly DeltaSeries[], ...ms: number[]): number[] {
  return ms.map((value) => sum(series.map(({ bins }) => bins.count[bins.bin.indexOf(binOf(value * 1e6))] ?? 0)));
}
