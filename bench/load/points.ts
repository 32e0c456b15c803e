/** Metrics as HTTP services send them: half of the points are histograms by route, half are gauges and sums. */
import type { Writer } from '../../proto/wire/writer.ts';
import { attribute, endNs, fixed64, MARK, message, type Part, requestOf, routeOf, type Shape } from './shape.ts';

const CUMULATIVE = 2;
const BYTES_PER_POINT = 520;
/** Points of one gauge or sum. */
const POINTS_PER_METRIC = 4;
/** Seconds; what the semantic conventions advise for `http.server.request.duration`. */
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** An ExportMetricsServiceRequest. Its last point, of a sum, has `MARK` as its value. */
export function metricsRequest({ operations }: Shape, parts: readonly Part[], nowMs: number): Uint8Array {
  const lastPart = parts.at(-1);
  return requestOf(parts, BYTES_PER_POINT, (writer, part) => {
    const histograms = Math.floor((part.items - 1) / 2);
    if (histograms > 0) message(writer, 2, () => histogram(writer, part, histograms, operations, nowMs));
    const others = part.items - histograms - 1;
    for (let from = 0; from < others; from += POINTS_PER_METRIC) {
      const count = Math.min(POINTS_PER_METRIC, others - from);
      message(writer, 2, () => pools(writer, from / POINTS_PER_METRIC, count, nowMs));
    }
    message(writer, 2, () => sent(writer, part === lastPart, nowMs));
  });
}

/** Metric: 1 name  3 unit  9 histogram { 1 data_points  2 aggregation_temporality } */
function histogram(writer: Writer, { first }: Part, count: number, operations: number, nowMs: number): void {
  writer.stringField(1, 'http.server.request.duration');
  writer.stringField(3, 's');
  message(writer, 9, () => {
    for (let i = 0; i < count; i++) {
      const operation = Math.floor(i / 2) % operations;
      message(writer, 1, () => histogramPoint(writer, first + i, operation, i % 2 === 0 ? 200 : 500, nowMs));
    }
    writer.varintField(2, CUMULATIVE);
  });
}

/** HistogramDataPoint: 2 start  3 time  4 count  5 sum  6 bucket_counts  7 explicit_bounds  9 attributes */
function histogramPoint(writer: Writer, number: number, operation: number, status: number, nowMs: number): void {
  attribute(writer, 9, 'http.request.method', 'GET');
  attribute(writer, 9, 'http.route', routeOf(operation));
  attribute(writer, 9, 'http.response.status_code', status);
  attribute(writer, 9, 'url.scheme', 'https');
  times(writer, nowMs, number);
  const counts = [...BOUNDS, 0].map((_, i) => BigInt((number * 7 + i * 13) % 90));
  fixed64(
    writer,
    4,
    counts.reduce((sum, one) => sum + one, 0n),
  );
  writer.doubleField(5, 12.5);
  const packed = Buffer.alloc(counts.length * 8);
  counts.forEach((one, i) => packed.writeBigUInt64LE(one, i * 8));
  writer.bytesField(6, packed);
  const bounds = Buffer.alloc(BOUNDS.length * 8);
  BOUNDS.forEach((one, i) => bounds.writeDoubleLE(one, i * 8));
  writer.bytesField(7, bounds);
}

/** A gauge (5) or a sum (7) of memory pools. */
function pools(writer: Writer, number: number, count: number, nowMs: number): void {
  const isGauge = number % 2 === 0;
  writer.stringField(1, `app.pool.${isGauge ? 'size' : 'taken'}.${Math.floor(number / 2)}`);
  writer.stringField(3, 'By');
  message(writer, isGauge ? 5 : 7, () => {
    for (let i = 0; i < count; i++) {
      message(writer, 1, () => {
        attribute(writer, 7, 'pool.name', `pool-${i}`);
        attribute(writer, 7, 'pool.kind', 'off_heap');
        times(writer, nowMs, number);
        writer.doubleField(4, 1024 + number);
      });
    }
    if (!isGauge) writer.varintField(2, CUMULATIVE);
  });
}

/** A monotonic sum (7) of one point. NumberDataPoint: 2 start  3 time  6 as_int  7 attributes */
function sent(writer: Writer, isLast: boolean, nowMs: number): void {
  writer.stringField(1, 'app.requests.sent');
  message(writer, 7, () => {
    message(writer, 1, () => {
      times(writer, nowMs, 0);
      fixed64(writer, 6, isLast ? MARK.readBigUInt64LE() : 1n);
    });
    writer.varintField(2, CUMULATIVE);
    writer.varintField(3, 1);
  });
}

function times(writer: Writer, nowMs: number, number: number): void {
  const end = endNs(nowMs, number);
  fixed64(writer, 2, end - 60_000_000_000n);
  fixed64(writer, 3, end);
}
