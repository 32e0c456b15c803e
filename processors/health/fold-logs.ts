import type { TelemetryBatch } from '../../pipeline/batch.ts';
import { type Tag, UNKNOWN_VERSION } from '../../pipeline/tag.ts';
import type { LogColumns } from '../../proto/otlp/columns.ts';
import { traceIdOf } from '../../proto/otlp/ids.ts';
import { type Accumulator, LOG, type ResourceSeries } from './accumulator.ts';
import { isSkewed, NO_SLOT, slotOf } from './event-time.ts';
import type { FoldPolicy, Tally } from './policy.ts';

/** Severity numbers from here on are ERROR and FATAL. */
const SEVERITY_ERROR = 17;
/** LogRecord.trace_id. */
const TRACE_ID = 9;
/** Logs are counted per instance, not per operation. */
const NO_OPERATION = 0;

/** Folds log records, and takes deployment events out of them. */
export function foldLogs(batch: TelemetryBatch, into: Accumulator, policy: FoldPolicy, tally: Tally): void {
  const columns = batch.columns as LogColumns;
  const tags = batch.tags as readonly Tag[];
  for (let i = 0; i < columns.count; i++) {
    const tag = tags[columns.resource[i] as number] as Tag;
    const time = columns.timeSeconds[i] as number;
    const slot = slotOf(time, policy.nowSeconds, policy.maxSkewSeconds);
    if (slot === NO_SLOT) {
      tally.absurdTime++;
      continue;
    }
    if (isSkewed(time, policy.nowSeconds, policy.maxSkewSeconds)) tally.skewed++;
    if (columns.isDeployment[i] === 1) foldEvent(batch, i, slot, into, tally);
    else if (tag.version === UNKNOWN_VERSION) tally.unknownVersion++;
    else {
      const resource = into.resource(tag);
      foldRecord(batch, columns, i, slot, resource, tally);
      policy.signatures.foldRecord(batch, columns, i, slot, resource, tally);
    }
  }
}

function foldEvent(batch: TelemetryBatch, i: number, slot: number, into: Accumulator, tally: Tally): void {
  const event = batch.deployments.get(i);
  if (event === undefined) {
    tally.malformed++;
    return;
  }
  into.addEvent({ ...event, atSeconds: slot });
  tally.folded++;
}

function foldRecord(
  batch: TelemetryBatch,
  columns: LogColumns,
  i: number,
  slot: number,
  resource: ResourceSeries,
  tally: Tally,
): void {
  const series = resource.series(slot, NO_OPERATION, LOG);
  if (series === undefined) {
    tally.overLimit++;
    return;
  }
  series.all++;
  tally.folded++;
  if ((columns.severity[i] as number) < SEVERITY_ERROR) return;
  series.bad++;
  const traceId = traceIdOf(batch.bytes, columns.offset[i] as number, columns.length[i] as number, TRACE_ID);
  if (traceId !== '') series.addExemplar(traceId);
}
