import { LRUCache } from 'lru-cache';
import type { TelemetryBatch } from '../../pipeline/batch.ts';
import { type Tag, UNKNOWN_VERSION } from '../../pipeline/tag.ts';
import { METRIC_KIND, type PointColumns } from '../../proto/otlp/columns.ts';
import { isServerError } from '../../proto/otlp/grpc-status.ts';
import { type HistogramPoint, readHistogramPoint } from '../../proto/otlp/histogram.ts';
import { type AttributeValue, readAttributes, text } from '../../proto/otlp/resource.ts';
import { binOf } from '../../proto/windback/latency-bins.ts';
import { type Accumulator, METRIC } from './accumulator.ts';
import { isSkewed, NO_SLOT, slotOf } from './event-time.ts';
import type { FoldPolicy, Tally } from './policy.ts';

/** Histograms whose points are requests to this service, with ns per unit. Old and new names of the conventions. */
const REQUEST_DURATIONS = new Map([
  ['http.server.request.duration', 1e9],
  ['http.server.duration', 1e6],
  ['rpc.server.call.duration', 1e9],
  ['rpc.server.duration', 1e6],
]);
const LONGEST_NAME = Math.max(...[...REQUEST_DURATIONS.keys()].map((name) => name.length));
const CUMULATIVE = 2;
/** Point attributes: field 9 in HistogramDataPoint, 1 in ExponentialHistogramDataPoint. */
const ATTRIBUTES = new Map<number, number>([
  [METRIC_KIND.histogram, 9],
  [METRIC_KIND.exponentialHistogram, 1],
]);
const MAX_CUMULATIVE_SERIES = 20_000;

/** Folds request-duration histograms, for cohorts that send no spans. Cumulative ones are turned into differences. */
export class MetricsFolder {
  /** The last point of each cumulative series, by resource, name and attributes. */
  readonly #last = new LRUCache<string, HistogramPoint>({ max: MAX_CUMULATIVE_SERIES });

  fold(batch: TelemetryBatch, into: Accumulator, policy: FoldPolicy, tally: Tally): void {
    const columns = batch.columns as PointColumns;
    const tags = batch.tags as readonly Tag[];
    for (let i = 0; i < columns.count; i++) {
      const unitNs = this.#unitOf(batch, columns, i);
      const tag = tags[columns.resource[i] as number] as Tag;
      const time = columns.timeSeconds[i] as number;
      const slot = slotOf(time, policy.nowSeconds, policy.maxSkewSeconds);
      if (unitNs === undefined) tally.notARequest++;
      else if (tag.version === UNKNOWN_VERSION) tally.unknownVersion++;
      else if (slot === NO_SLOT) tally.absurdTime++;
      else this.#point(batch, columns, i, tag, slot, unitNs, into, policy, tally);
      if (slot !== NO_SLOT && isSkewed(time, policy.nowSeconds, policy.maxSkewSeconds)) tally.skewed++;
    }
  }

  #unitOf(batch: TelemetryBatch, columns: PointColumns, i: number): number | undefined {
    const length = columns.nameLength[i] as number;
    if (length > LONGEST_NAME || !ATTRIBUTES.has(columns.kind[i] as number)) return undefined;
    return REQUEST_DURATIONS.get(text(batch.bytes, columns.nameOffset[i] as number, length));
  }

  #point(
    batch: TelemetryBatch,
    columns: PointColumns,
    i: number,
    tag: Tag,
    slot: number,
    unitNs: number,
    into: Accumulator,
    policy: FoldPolicy,
    tally: Tally,
  ): void {
    const kind = columns.kind[i] as number;
    const offset = columns.offset[i] as number;
    const length = columns.length[i] as number;
    const point = withOneBucket(readHistogramPoint(batch.bytes, offset, length, kind) as HistogramPoint);
    const attributes = readAttributes(batch.bytes, offset, length, ATTRIBUTES.get(kind));
    const key = `${tag.serviceKey}|${tag.version}|${tag.instance}|${unitNs}|${JSON.stringify([...attributes])}`;
    const counts = columns.temporality[i] === CUMULATIVE ? this.#difference(key, point, kind) : point.counts;
    if (!isSound(point, counts)) {
      tally.malformed++;
      return;
    }
    const resource = into.resource(tag);
    const method = Buffer.from(first(attributes, 'http.request.method', 'http.method'));
    const route = Buffer.from(first(attributes, 'http.route', 'rpc.method') || 'requests');
    const name = Buffer.concat([method, route]);
    const operation = resource.operations.intern(name, 0, method.length, method.length, route.length);
    const series = resource.series(slot, operation, METRIC);
    if (series === undefined) {
      tally.overLimit++;
      return;
    }
    const bad = isBad(attributes, policy);
    counts.forEach((count, bucket) => {
      if (count === 0) return;
      series.all += count;
      if (bad) series.bad += count;
      // A histogram of one bucket, without bounds, counts requests and knows nothing of their latency.
      if (point.bounds.length > 1) series.addToBin(binOf(boundNs(point.bounds, bucket, unitNs)), count);
    });
    tally.folded++;
  }

  /** What came since the last point. The first one, and one after a reset, only sets the start. */
  #difference(key: string, point: HistogramPoint, kind: number): readonly number[] {
    const last = this.#last.get(key);
    this.#last.set(key, point);
    if (last === undefined || last.startTime !== point.startTime || last.count > point.count) return [];
    if (kind === METRIC_KIND.exponentialHistogram) return lessNested(point, last);
    const isSameLayout =
      last.bounds.length === point.bounds.length && last.bounds.every((bound, i) => bound === point.bounds[i]);
    return isSameLayout ? point.counts.map((count, i) => Math.max(0, count - (last.counts[i] ?? 0))) : [];
  }
}

/**
 * What an exponential histogram counted since `last`. Its buckets move and grow coarser as the range grows, but each
 * old one lies inside one new one: that whose upper bound is the first not below its own. Empty where it does not fit.
 */
function lessNested(point: HistogramPoint, last: HistogramPoint): readonly number[] {
  const counts = [...point.counts];
  let bucket = 0;
  for (const [i, bound] of last.bounds.entries()) {
    const count = last.counts[i] ?? 0;
    if (count === 0) continue;
    while (bucket < counts.length && (point.bounds[bucket] as number) < bound) bucket++;
    if (bucket === counts.length) return [];
    counts[bucket] = (counts[bucket] as number) - count;
  }
  return counts.some((count) => count < 0) ? [] : counts;
}

/** A histogram may leave its only bucket out and give the count alone. */
function withOneBucket(point: HistogramPoint): HistogramPoint {
  return point.bounds.length === 1 && point.counts.length === 0 ? { ...point, counts: [point.count] } : point;
}

function isSound(point: HistogramPoint, counts: readonly number[]): boolean {
  return counts.length <= point.bounds.length && counts.every((count) => Number.isSafeInteger(count));
}

/** A bucket counts at its upper bound; the open one at the highest bound there is. */
function boundNs(bounds: readonly number[], bucket: number, unitNs: number): number {
  const bound = bounds[bucket] as number;
  return (Number.isFinite(bound) ? bound : (bounds[bucket - 1] ?? 0)) * unitNs;
}

function first(attributes: ReadonlyMap<string, AttributeValue>, ...keys: string[]): string {
  for (const key of keys) {
    const value = attributes.get(key);
    if (typeof value === 'string' && value !== '') return value;
  }
  return '';
}

/** By the status that the conventions put on these metrics; where there is none, by `error.type`. */
function isBad(attributes: ReadonlyMap<string, AttributeValue>, policy: FoldPolicy): boolean {
  const http = Number(attributes.get('http.response.status_code') ?? attributes.get('http.status_code') ?? Number.NaN);
  if (http >= 100) return http >= (policy.countHttp4xx ? 400 : 500);
  const rpc = Number(attributes.get('rpc.grpc.status_code') ?? Number.NaN);
  if (rpc >= 0) return isServerError(rpc);
  return first(attributes, 'error.type') !== '';
}
