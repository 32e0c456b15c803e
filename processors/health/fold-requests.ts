import type { TelemetryBatch } from '../../pipeline/batch.ts';
import type { Tag } from '../../pipeline/tag.ts';
import { METRIC_KIND, type PointColumns } from '../../proto/otlp/columns.ts';
import { type HistogramPoint, readHistogramPoint } from '../../proto/otlp/histogram.ts';
import { binOf } from '../../proto/windback/latency-bins.ts';
import { type Accumulator, METRIC, type Series } from './accumulator.ts';
import { type CumulativePoint, CumulativeTable, reasonOf } from './cumulative.ts';
import { orMalformed } from './malformed.ts';
import type { FoldPolicy, Tally } from './policy.ts';
import { type RequestAttributes, RequestAttributesReader } from './request-attributes.ts';

const DELTA = 1;
const CUMULATIVE = 2;
/** Point attributes: field 9 in HistogramDataPoint, 1 in ExponentialHistogramDataPoint. */
const ATTRIBUTES = new Map<number, number>([
  [METRIC_KIND.histogram, 9],
  [METRIC_KIND.exponentialHistogram, 1],
]);
const MAX_CUMULATIVE_SERIES = 20_000;
/** A million requests a microsecond for a second: more is no count. Sums of a slot stay exact below this. */
const REQUESTS_MAX = 2 ** 40;

/** A histogram's point in a cumulative series. */
interface Total extends CumulativePoint {
  readonly histogram: HistogramPoint;
}

/** The metric that a point is of. */
interface RequestMetric {
  readonly name: string;
  readonly unitNs: number;
}

/** Folds request-duration histograms. Cumulative ones are turned into differences. */
export class RequestFolder {
  readonly #totals = new CumulativeTable<Total>(MAX_CUMULATIVE_SERIES);
  readonly #attributes = new RequestAttributesReader();

  fold(
    batch: TelemetryBatch,
    i: number,
    tag: Tag,
    slot: number,
    metric: RequestMetric,
    into: Accumulator,
    policy: FoldPolicy,
    tally: Tally,
  ): void {
    const columns = batch.columns as PointColumns;
    const point = orMalformed(() => readSound(batch, columns, i, this.#attributes, tally), tally);
    if (point === undefined) return;
    const { histogram, attributes } = point;
    const isCumulative = columns.temporality[i] === CUMULATIVE;
    const key = isCumulative ? keyOf(tag, metric, attributes) : '';
    const counts = isCumulative
      ? this.#difference(key, histogram, columns.timeSeconds[i] as number, columns.kind[i] as number, tally)
      : histogram.counts;
    if (counts === undefined) return;
    const requests = sumOf(counts);
    if (requests > REQUESTS_MAX) tally.absurdCount++;
    else if (requests === 0) tally.folded++;
    else {
      const series = seriesOf(into, tag, slot, attributes, tally);
      if (series !== undefined) addCounts(series, histogram.bounds, counts, metric.unitNs, isBad(attributes, policy));
    }
  }

  /** What came since the last point; undefined where that cannot be said, which is counted. */
  #difference(
    key: string,
    histogram: HistogramPoint,
    timeSeconds: number,
    kind: number,
    tally: Tally,
  ): readonly number[] | undefined {
    const total = { histogram, timeSeconds, startSeconds: histogram.startTime / 1e9, total: sumOf(histogram.counts) };
    const { progress, last } = this.#totals.advance(key, total);
    const reason = reasonOf(progress);
    if (reason !== undefined) tally[reason]++;
    if (progress === 'new' || progress === 'renewed') return histogram.counts;
    if (progress !== 'continues' || last === undefined) return undefined;
    const less = kind === METRIC_KIND.exponentialHistogram ? lessNested : lessEqual;
    const counts = less(histogram, last.histogram);
    if (counts === undefined) tally.boundsChanged++;
    else if (counts.some((count) => count < 0)) tally.counterReset++;
    else return counts;
    return undefined;
  }
}

interface SoundPoint {
  readonly histogram: HistogramPoint;
  readonly attributes: RequestAttributes;
}

/** Point i, where it makes sense; undefined where not, which is counted by reason. */
function readSound(
  batch: TelemetryBatch,
  columns: PointColumns,
  i: number,
  reader: RequestAttributesReader,
  tally: Tally,
): SoundPoint | undefined {
  const kind = columns.kind[i] as number;
  const temporality = columns.temporality[i] as number;
  const offset = columns.offset[i] as number;
  const length = columns.length[i] as number;
  const histogram = withOneBucket(readHistogramPoint(batch.bytes, offset, length, kind) as HistogramPoint);
  const problem = temporality === DELTA || temporality === CUMULATIVE ? problemOf(histogram, kind) : 'temporality';
  if (problem !== undefined) {
    tally[problem]++;
    return undefined;
  }
  // Only exponential histograms can count negative durations, apart from the rest: these are left out.
  if (kind === METRIC_KIND.exponentialHistogram && histogram.count > sumOf(histogram.counts)) tally.negative++;
  return { histogram, attributes: reader.read(batch.bytes, offset, length, ATTRIBUTES.get(kind) as number) };
}

/** A histogram may leave its buckets out and give the count alone. */
function withOneBucket(point: HistogramPoint): HistogramPoint {
  if (point.counts.length > 0) return point;
  return { ...point, bounds: [Number.POSITIVE_INFINITY], counts: [point.count] };
}

function problemOf({ count, sum, bounds, counts }: HistogramPoint, kind: number): keyof Tally | undefined {
  if (!Number.isFinite(sum)) return 'notANumber';
  // Negative counts arrive as huge ones, since the wire has none.
  if (!Number.isSafeInteger(count) || !Number.isSafeInteger(sumOf(counts))) return 'absurdCount';
  const finite = kind === METRIC_KIND.histogram ? bounds.length - 1 : bounds.length;
  for (let i = 0; i < finite; i++) {
    const bound = bounds[i] as number;
    if (!Number.isFinite(bound) || (i > 0 && bound <= (bounds[i - 1] as number))) return 'badBounds';
  }
  return counts.length > bounds.length ? 'malformed' : undefined;
}

function sumOf(counts: readonly number[]): number {
  let sum = 0;
  for (const count of counts) sum += count;
  return sum;
}

/** One cumulative series. */
function keyOf(tag: Tag, { name }: RequestMetric, { key }: RequestAttributes): string {
  return `${tag.serviceKey}|${tag.version}|${tag.instance}|${name}|${key}`;
}

function seriesOf(
  into: Accumulator,
  tag: Tag,
  slot: number,
  { operation: name, methodLength }: RequestAttributes,
  tally: Tally,
): Series | undefined {
  const resource = into.resource(tag);
  const operation = resource.operations.intern(name, 0, methodLength, methodLength, name.length - methodLength);
  const series = resource.series(slot, operation, METRIC);
  if (series === undefined) tally.overLimit++;
  else tally.folded++;
  return series;
}

function addCounts(
  series: Series,
  bounds: readonly number[],
  counts: readonly number[],
  unitNs: number,
  isBad: boolean,
): void {
  counts.forEach((count, bucket) => {
    if (count === 0) return;
    series.all += count;
    if (isBad) series.bad += count;
    // A histogram of one bucket, without bounds, counts requests and knows nothing of their latency.
    if (bounds.length > 1) series.addToBin(binOf(boundNs(bounds, bucket, unitNs)), count);
  });
}

/** What an explicit histogram counted since `last`; undefined where its bounds are others. */
function lessEqual(point: HistogramPoint, last: HistogramPoint): readonly number[] | undefined {
  const isSame =
    last.bounds.length === point.bounds.length && last.bounds.every((bound, i) => bound === point.bounds[i]);
  return isSame ? point.counts.map((count, i) => count - (last.counts[i] ?? 0)) : undefined;
}

/**
 * What an exponential histogram counted since `last`. Its buckets move and grow coarser as the range grows, but each
 * old one lies inside one new one: that whose upper bound is the first not below its own. Undefined where it does not.
 */
function lessNested(point: HistogramPoint, last: HistogramPoint): readonly number[] | undefined {
  const counts = [...point.counts];
  let bucket = 0;
  for (const [i, bound] of last.bounds.entries()) {
    const count = last.counts[i] ?? 0;
    if (count === 0) continue;
    while (bucket < counts.length && (point.bounds[bucket] as number) < bound) bucket++;
    if (bucket === counts.length) return undefined;
    counts[bucket] = (counts[bucket] as number) - count;
  }
  return counts;
}

/** A bucket counts at its upper bound; the open one at the highest bound there is. */
function boundNs(bounds: readonly number[], bucket: number, unitNs: number): number {
  const bound = bounds[bucket] as number;
  return (Number.isFinite(bound) ? bound : (bounds[bucket - 1] ?? 0)) * unitNs;
}

function isBad({ httpStatus, isBad: isOtherwiseBad }: RequestAttributes, policy: FoldPolicy): boolean {
  if (Number.isNaN(httpStatus)) return isOtherwiseBad;
  return httpStatus >= (policy.countHttp4xx ? 400 : 500);
}
