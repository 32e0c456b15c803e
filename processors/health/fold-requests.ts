import type { TelemetryBatch } from '../../pipeline/batch.ts';
import type { Tag } from '../../pipeline/tag.ts';
import { METRIC_KIND, type PointColumns } from '../../proto/otlp/columns.ts';
import { type HistogramPoint, HistogramReader } from '../../proto/otlp/histogram.ts';
import { binOf } from '../../proto/windback/latency-bins.ts';
import { type Accumulator, METRIC, type Series } from './accumulator.ts';
import { type CumulativePoint, CumulativeTable, reasonOf } from './cumulative.ts';
import { orMalformed } from './malformed.ts';
import { TextNumbers } from './numbers.ts';
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
  readonly #totals = new CumulativeTable<Total>(MAX_CUMULATIVE_SERIES, ({ histogram }) => bytesOf(histogram));
  readonly #histograms = new HistogramReader();
  readonly #attributes = new RequestAttributesReader();
  readonly #keys = new SeriesKeys(MAX_CUMULATIVE_SERIES);

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
    const point = orMalformed(() => this.#readSound(batch, columns, i, tally), tally);
    if (point === undefined) return;
    const { histogram, attributes } = point;
    const isCumulative = columns.temporality[i] === CUMULATIVE;
    const counts = isCumulative
      ? this.#difference(this.#keys.of(tag, metric.name, attributes.key), histogram, columns, i, tally)
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
    columns: PointColumns,
    i: number,
    tally: Tally,
  ): readonly number[] | undefined {
    const { startTime, total } = histogram;
    const timeSeconds = columns.timeSeconds[i] as number;
    const point = { histogram, timeSeconds, startSeconds: startTime / 1e9, total };
    const { progress, last } = this.#totals.advance(key, point);
    const reason = reasonOf(progress);
    if (reason !== undefined) tally[reason]++;
    if (progress === 'new' || progress === 'renewed') return histogram.counts;
    if (progress !== 'continues' || last === undefined) return undefined;
    const less = columns.kind[i] === METRIC_KIND.exponentialHistogram ? lessNested : lessEqual;
    const counts = less(histogram, last.histogram);
    if (counts === undefined) tally.boundsChanged++;
    else if (counts.some((count) => count < 0)) tally.counterReset++;
    else return counts;
    return undefined;
  }

  /** Point i, where it makes sense; undefined where not, which is counted by reason. */
  #readSound(batch: TelemetryBatch, columns: PointColumns, i: number, tally: Tally): SoundPoint | undefined {
    const kind = columns.kind[i] as number;
    const temporality = columns.temporality[i] as number;
    const offset = columns.offset[i] as number;
    const length = columns.length[i] as number;
    const histogram = withOneBucket(this.#histograms.read(batch.bytes, offset, length, kind) as HistogramPoint);
    const problem = temporality === DELTA || temporality === CUMULATIVE ? problemOf(histogram, kind) : 'temporality';
    if (problem !== undefined) {
      tally[problem]++;
      return undefined;
    }
    // Only exponential histograms can count negative durations, apart from the rest: these are left out.
    if (kind === METRIC_KIND.exponentialHistogram && histogram.count > histogram.total) tally.negative++;
    const attributes = this.#attributes.read(batch.bytes, offset, length, ATTRIBUTES.get(kind) as number);
    return { histogram, attributes };
  }
}

/**
 * A short text for each cumulative series: what tells it apart is some hundred characters, to be hashed for every point.
 * A series has the same one for as long as a table of `limit` series would know it.
 */
class SeriesKeys {
  readonly #senders: TextNumbers;
  readonly #metrics: TextNumbers;
  readonly #attributes: TextNumbers;
  #tag: Tag | undefined;
  #metric = '';
  /** What keys of this tag and metric begin with. */
  #beginning = '';

  constructor(limit: number) {
    this.#senders = new TextNumbers(limit);
    this.#metrics = new TextNumbers(limit);
    this.#attributes = new TextNumbers(limit);
  }

  of(tag: Tag, metric: string, attributes: string): string {
    if (tag !== this.#tag || metric !== this.#metric) {
      const sender = this.#senders.of(`${tag.serviceKey}|${tag.version}|${tag.instance}`);
      this.#beginning = `${sender}|${this.#metrics.of(metric)}|`;
      this.#tag = tag;
      this.#metric = metric;
    }
    return this.#beginning + this.#attributes.of(attributes);
  }
}

interface SoundPoint {
  readonly histogram: HistogramPoint;
  readonly attributes: RequestAttributes;
}

/** A histogram may leave its buckets out and give the count alone. */
function withOneBucket(point: HistogramPoint): HistogramPoint {
  if (point.counts.length > 0) return point;
  return { ...point, bounds: [Number.POSITIVE_INFINITY], counts: [point.count], total: point.count };
}

function problemOf({ count, sum, bounds, counts, total }: HistogramPoint, kind: number): keyof Tally | undefined {
  if (!Number.isFinite(sum)) return 'notANumber';
  // Negative counts arrive as huge ones, since the wire has none.
  if (!Number.isSafeInteger(count) || !Number.isSafeInteger(total)) return 'absurdCount';
  const finite = kind === METRIC_KIND.histogram ? bounds.length - 1 : bounds.length;
  for (let i = 0; i < finite; i++) {
    const bound = bounds[i] as number;
    if (!Number.isFinite(bound) || (i > 0 && bound <= (bounds[i - 1] as number))) return 'badBounds';
  }
  return counts.length > bounds.length ? 'malformed' : undefined;
}

/** Bounds that points have in common count for each. */
function bytesOf({ bounds, counts }: HistogramPoint): number {
  return (bounds.length + counts.length) * 8;
}

function sumOf(counts: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < counts.length; i++) sum += counts[i] as number;
  return sum;
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
  for (let bucket = 0; bucket < counts.length; bucket++) {
    const count = counts[bucket] as number;
    if (count === 0) continue;
    series.all += count;
    if (isBad) series.bad += count;
    // A histogram of one bucket, without bounds, counts requests and knows nothing of their latency.
    if (bounds.length > 1) series.addToBin(binOf(boundNs(bounds, bucket, unitNs)), count);
  }
}

/** What an explicit histogram counted since `last`; undefined where its bounds are others. */
function lessEqual(point: HistogramPoint, last: HistogramPoint): readonly number[] | undefined {
  const { bounds } = last;
  const isSame =
    bounds === point.bounds ||
    (bounds.length === point.bounds.length && bounds.every((bound, i) => bound === point.bounds[i]));
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
