import type { TelemetryBatch } from '../../pipeline/batch.ts';
import type { Tag } from '../../pipeline/tag.ts';
import { METRIC_KIND, type PointColumns } from '../../proto/otlp/columns.ts';
import { type NumberPoint, readNumberPoint } from '../../proto/otlp/number-point.ts';
import { valueBinOf } from '../../proto/windback/value-bins.ts';
import { type Accumulator, NO_OPERATION } from './accumulator.ts';
import { type CumulativePoint, CumulativeTable, reasonOf } from './cumulative.ts';
import { orMalformed } from './malformed.ts';
import type { Tally } from './policy.ts';

const DELTA = 1;
const CUMULATIVE = 2;
const MAX_CUMULATIVE_SERIES = 20_000;
const OTHER_NAME = 0;

/** One export of one metric by one instance: its points with different attributes make one sample. */
interface Sample {
  readonly tag: Tag;
  readonly slot: number;
  readonly name: string;
  value: number;
  points: number;
  /** A point of a sum is missing, so the sum would be too small. */
  isIncomplete: boolean;
}

/**
 * Folds gauges and sums into samples of what an instance uses up: one per metric, instance and export. A sum is added
 * up over its attributes, as the data model means it (`jvm.memory.used` over the pools); of a gauge, which must not be
 * added, the highest counts. A counter counts by its rate per second.
 */
export class ResourceFolder {
  readonly #last = new CumulativeTable<CumulativePoint>(MAX_CUMULATIVE_SERIES);
  /** By resource, metric and time, of the batch that is being folded. */
  readonly #samples = new Map<string, Sample>();

  /** Takes point i, of the metric `name`. `finish` folds what was taken. */
  take(batch: TelemetryBatch, i: number, tag: Tag, slot: number, name: string, tally: Tally): void {
    const columns = batch.columns as PointColumns;
    const offset = columns.offset[i] as number;
    const point = orMalformed(() => readNumberPoint(batch.bytes, offset, columns.length[i] as number), tally);
    const isGauge = columns.kind[i] === METRIC_KIND.gauge;
    const sample = this.#sampleOf(`${columns.resource[i]} ${columns.timeSeconds[i]} ${name}`, tag, slot, name);
    const value = point === undefined ? undefined : this.#valueOf(columns, i, tag, name, point, tally);
    if (value === undefined) {
      sample.isIncomplete ||= !isGauge;
      return;
    }
    sample.value = sample.points > 0 && isGauge ? Math.max(sample.value, value) : sample.value + value;
    sample.points++;
  }

  finish(into: Accumulator, tally: Tally): void {
    if (this.#samples.size === 0) return;
    for (const sample of this.#samples.values()) foldSample(sample, into, tally);
    this.#samples.clear();
  }

  #sampleOf(key: string, tag: Tag, slot: number, name: string): Sample {
    let sample = this.#samples.get(key);
    if (sample === undefined) {
      sample = { tag, slot, name, value: 0, points: 0, isIncomplete: false };
      this.#samples.set(key, sample);
    }
    return sample;
  }

  /** What a point adds to its sample; undefined where it says nothing, which is counted. */
  #valueOf(
    columns: PointColumns,
    i: number,
    tag: Tag,
    name: string,
    point: NumberPoint,
    tally: Tally,
  ): number | undefined {
    const { value } = point;
    const isMonotonic = columns.isMonotonic[i] === 1;
    if (value === undefined || point.isEmpty) tally.noRecordedValue++;
    else if (!Number.isFinite(value)) tally.notANumber++;
    else if (columns.kind[i] === METRIC_KIND.gauge) return value;
    else if (isMonotonic && value < 0) tally.negative++;
    else if (columns.temporality[i] === CUMULATIVE) return isMonotonic ? this.#rate(tag, name, point, tally) : value;
    // A delta of what rises and falls says nothing of its level.
    else if (columns.temporality[i] === DELTA && isMonotonic) return deltaRate(point, tally);
    else tally.temporality++;
    return undefined;
  }

  #rate(tag: Tag, name: string, { startSeconds, timeSeconds, value, attributesKey }: NumberPoint, tally: Tally) {
    const key = `${tag.serviceKey}|${tag.version}|${tag.instance}|${name}|${attributesKey}`;
    const total = value as number;
    const { progress, last } = this.#last.advance(key, { startSeconds, timeSeconds, total });
    // A rate needs two points of one process: what was counted before the first one took an unknown time.
    const reason = progress === 'new' ? 'firstPoint' : reasonOf(progress);
    if (reason !== undefined || last === undefined) {
      tally[reason ?? 'firstPoint']++;
      return undefined;
    }
    return perSecond(total - last.total, timeSeconds - last.timeSeconds, tally);
  }
}

function deltaRate({ startSeconds, timeSeconds, value }: NumberPoint, tally: Tally): number | undefined {
  return perSecond(value as number, startSeconds > 0 ? timeSeconds - startSeconds : 0, tally);
}

function perSecond(amount: number, seconds: number, tally: Tally): number | undefined {
  if (seconds > 0) return amount / seconds;
  tally.noInterval++;
  return undefined;
}

function foldSample({ tag, slot, name, value, points, isIncomplete }: Sample, into: Accumulator, tally: Tally): void {
  if (points === 0 || isIncomplete) {
    tally.incomplete += points;
    return;
  }
  const resource = into.resource(tag);
  const index = resource.names.intern(name);
  // Values of different metrics in one series would say nothing of any.
  const series = index === OTHER_NAME ? undefined : resource.named(slot, NO_OPERATION, 'resource', index);
  if (series === undefined) {
    tally.overLimit += points;
    return;
  }
  series.all++;
  series.addToBin(valueBinOf(value), 1);
  tally.folded += points;
}
