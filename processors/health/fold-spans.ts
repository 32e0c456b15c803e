import type { TelemetryBatch } from '../../pipeline/batch.ts';
import { type Tag, UNKNOWN_VERSION } from '../../pipeline/tag.ts';
import { NO_STATUS, type SpanColumns } from '../../proto/otlp/columns.ts';
import { isServerError } from '../../proto/otlp/grpc-status.ts';
import { traceIdOf } from '../../proto/otlp/ids.ts';
import { binOf } from '../../proto/windback/latency-bins.ts';
import { type Accumulator, type ResourceSeries, SPAN } from './accumulator.ts';
import { isSkewed, NO_SLOT, slotOf } from './event-time.ts';
import type { FoldPolicy, Tally } from './policy.ts';

const SERVER = 2;
const CONSUMER = 5;
const STATUS_ERROR = 2;
/** A request takes no day: longer, and its start was not set or its clock was wrong. */
const LONGEST_NS = 86_400e9;
/** Span.trace_id. */
const TRACE_ID = 1;

/** Folds server and consumer spans: each is one request, in the slot in which it ended, with the calls it made. */
export function foldSpans(batch: TelemetryBatch, into: Accumulator, policy: FoldPolicy, tally: Tally): void {
  const columns = batch.columns as SpanColumns;
  const tags = batch.tags as readonly Tag[];
  const { count, kind, resource, endSeconds, durationNs } = columns;
  const { nowSeconds, maxSkewSeconds, calls } = policy;
  let current: ResourceSeries | undefined;
  let currentResource = -1;
  calls.begin(nowSeconds);
  for (let i = 0; i < count; i++) {
    if (resource[i] !== currentResource) {
      currentResource = resource[i] as number;
      const tag = tags[currentResource] as Tag;
      current = tag.version === UNKNOWN_VERSION ? undefined : into.resource(tag);
      if (current !== undefined) calls.from(current);
    }
    if (columns.status[i] === STATUS_ERROR && current !== undefined) {
      policy.signatures.foldSpan(batch, columns, i, current, policy, tally);
    }
    if (kind[i] !== SERVER && kind[i] !== CONSUMER) {
      tally.notARequest++;
      if (current !== undefined) calls.child(batch.bytes, columns, i);
      continue;
    }
    if (kind[i] === SERVER) calls.answered(columns, i, (tags[currentResource] as Tag).service);
    const end = endSeconds[i] as number;
    const slot = slotOf(end, nowSeconds, maxSkewSeconds);
    const duration = durationNs[i] as number;
    if (current === undefined) {
      tally.unknownVersion++;
      if (slot !== NO_SLOT) countUnknown(into.resource(tags[currentResource] as Tag), slot);
    } else if (slot === NO_SLOT) tally.absurdTime++;
    else if (duration < 0 || duration > LONGEST_NS) tally.absurdDuration++;
    else foldSpan(batch, columns, i, slot, current, policy, tally);
    if (slot !== NO_SLOT && isSkewed(end, nowSeconds, maxSkewSeconds)) tally.skewed++;
  }
}

/** Requests of nobody knows which version are not judged, but they can be what a silent version seems to miss. */
function countUnknown(resource: ResourceSeries, slot: number): void {
  const series = resource.series(slot, OTHER_OPERATION, SPAN);
  if (series !== undefined) series.all++;
}

/** The operation that everything is part of. */
const OTHER_OPERATION = 0;

function foldSpan(
  batch: TelemetryBatch,
  columns: SpanColumns,
  i: number,
  slot: number,
  resource: ResourceSeries,
  policy: FoldPolicy,
  tally: Tally,
): void {
  const operation = resource.operations.ofSpan(batch.bytes, columns, i);
  const series = resource.series(slot, operation, SPAN);
  if (series === undefined) {
    tally.overLimit++;
    return;
  }
  series.all++;
  series.addToBin(binOf(columns.durationNs[i] as number), 1);
  tally.folded++;
  let failedTrace: string | undefined;
  if (isBad(columns, i, policy)) {
    series.bad++;
    failedTrace = traceIdOf(batch.bytes, columns.offset[i] as number, columns.length[i] as number, TRACE_ID);
    if (failedTrace !== '') series.addExemplar(failedTrace);
  }
  policy.calls.request(columns, i, slot, operation, failedTrace);
}

/** An error of the server, by the semantic conventions of HTTP and gRPC or by the span's own status. */
export function isBad(columns: SpanColumns, i: number, policy: FoldPolicy): boolean {
  if (columns.status[i] === STATUS_ERROR) return true;
  const http = columns.httpStatus[i] as number;
  if (http !== NO_STATUS) return http >= (policy.countHttp4xx ? 400 : 500);
  const rpc = columns.rpcStatus[i] as number;
  return rpc !== NO_STATUS && isServerError(rpc);
}
