/** The walk over what the JavaScript SDK really sends. */
import { SeverityNumber, SpanKind, SpanStatusCode, ValueType } from '@opentelemetry/api';
import {
  ProtobufLogsSerializer,
  ProtobufMetricsSerializer,
  ProtobufTraceSerializer,
} from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs';
import {
  AggregationTemporality,
  AggregationType,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { expect, test } from 'vitest';
import { TelemetryBatch, type TelemetrySignal } from '../../../pipeline/batch.ts';
import type { Tag } from '../../../pipeline/tag.ts';
import {
  type LogColumns,
  METRIC_KIND,
  NO_STATUS,
  type PointColumns,
  type SpanColumns,
} from '../../../proto/otlp/columns.ts';
import { HistogramReader } from '../../../proto/otlp/histogram.ts';
import { traceIdOf } from '../../../proto/otlp/ids.ts';
import { decodeToJson } from '../../../proto/otlp/json-decode.ts';
import { readAttributes, text, withAttributes } from '../../../proto/otlp/resource.ts';

const resource = resourceFromAttributes({ 'service.name': 'cart', 'service.version': '1.4.2', replicas: 3, empty: '' });
const VERSION = [{ key: 'deployment.version', value: '1.4.2' }];
const written = (value: string) => ({ key: 'deployment.version', value: { stringValue: value } });

function open(signal: TelemetrySignal, bytes: Uint8Array | undefined): TelemetryBatch {
  return TelemetryBatch.open(signal, bytes as Uint8Array);
}

function tag(batch: TelemetryBatch, target: 'resource' | 'item'): any {
  const { offset, length } = batch.columns.resources;
  const bytes = batch.bytes.subarray(offset[0], (offset[0] as number) + (length[0] as number));
  expect(readAttributes(bytes, 0, bytes.length)).toEqual(
    new Map(Object.entries({ 'service.name': 'cart', 'service.version': '1.4.2', replicas: 3, empty: '' })),
  );
  batch.tag([{ taggedResource: withAttributes(bytes, VERSION), attributes: VERSION } as unknown as Tag], target);
  return decodeToJson(batch.signal, batch.encoded());
}

/** The decoded original with `change` done to each object that has attributes of its own at the level meant. */
function original(batch: TelemetryBatch, change: (request: any) => void): any {
  const request = decodeToJson(batch.signal, batch.bytes);
  change(request);
  return request;
}

test('spans', () => {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ resource, spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  const tracer = provider.getTracer('shop', '2.0.0');
  const http = tracer.startSpan('GET', {
    kind: SpanKind.SERVER,
    startTime: [1_700_000_000, 0],
    attributes: { 'http.route': '/cart', 'http.request.method': 'GET', 'http.response.status_code': 503 },
  });
  http.setStatus({ code: SpanStatusCode.ERROR });
  http.end([1_700_000_000, 12_345_678]);
  const rpc = tracer.startSpan('shop.Cart/Get', {
    kind: SpanKind.SERVER,
    startTime: [1_700_000_001, 0],
    attributes: { 'rpc.grpc.status_code': 14, 'deployment.version': 'of its own' },
  });
  rpc.end([1_700_000_001, 500]);
  const spans = exporter.getFinishedSpans();
  const batch = open('traces', ProtobufTraceSerializer.serializeRequest(spans));
  const columns = batch.columns as SpanColumns;
  expect([...columns.kind]).toEqual([2, 2]);
  expect([...columns.status]).toEqual([2, 0]);
  expect([...columns.httpStatus]).toEqual([503, NO_STATUS]);
  expect([...columns.rpcStatus]).toEqual([NO_STATUS, 14]);
  expect([...columns.durationNs]).toEqual([12_345_678, 500]);
  expect(columns.endSeconds[0]).toBeCloseTo(1_700_000_000.012_345, 5);
  const range = (offsets: Uint32Array, lengths: Uint32Array) =>
    [0, 1].map((i) => text(batch.bytes, offsets[i] as number, lengths[i] as number));
  expect(range(columns.operationOffset, columns.operationLength)).toEqual(['/cart', 'shop.Cart/Get']);
  expect(range(columns.methodOffset, columns.methodLength)).toEqual(['GET', '']);
  expect(traceIdOf(batch.bytes, columns.offset[1] as number, columns.length[1] as number, 1)).toBe(
    spans[1]?.spanContext().traceId,
  );

  const onResource = original(batch, ({ resourceSpans: [group] }) => group.resource.attributes.push(written('1.4.2')));
  expect(tag(batch, 'resource')).toEqual(onResource);
  const onItems = original(batch, ({ resourceSpans: [{ scopeSpans }] }) => {
    const [first, second] = scopeSpans[0].spans;
    first.attributes.push(written('1.4.2'));
    second.attributes = [second.attributes[0], written('1.4.2')];
  });
  expect(tag(batch, 'item')).toEqual(onItems);
});

test('metrics', async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const provider = new MeterProvider({
    resource,
    readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })],
    views: [{ instrumentName: 'size', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }],
  });
  const meter = provider.getMeter('shop', '2.0.0');
  meter.createCounter('requests', { unit: '1', valueType: ValueType.INT }).add(7, { route: '/cart' });
  meter.createObservableGauge('zero').addCallback((result) => result.observe(0));
  const duration = meter.createHistogram('duration', { unit: 's', advice: { explicitBucketBoundaries: [0.1, 1] } });
  const size = meter.createHistogram('size', { unit: 'By' });
  for (const value of [0, 0.001, 0.2, 3, 400]) {
    duration.record(value);
    size.record(value);
  }
  await provider.forceFlush();
  const [metrics] = exporter.getMetrics();
  const batch = open('metrics', ProtobufMetricsSerializer.serializeRequest(metrics as NonNullable<typeof metrics>));
  await provider.shutdown();
  const columns = batch.columns as PointColumns;
  const rows = Array.from({ length: columns.count }, (_, i) => [
    text(batch.bytes, columns.nameOffset[i] as number, columns.nameLength[i] as number),
    text(batch.bytes, columns.unitOffset[i] as number, columns.unitLength[i] as number),
    columns.kind[i],
    columns.temporality[i],
  ]);
  expect(new Set(rows)).toEqual(
    new Set([
      ['requests', '1', METRIC_KIND.sum, 2],
      ['duration', 's', METRIC_KIND.histogram, 2],
      ['size', 'By', METRIC_KIND.exponentialHistogram, 2],
      ['zero', '', METRIC_KIND.gauge, 0],
    ]),
  );
  const histogram = (name: string) => {
    const i = rows.findIndex(([found]) => found === name);
    return new HistogramReader().read(
      batch.bytes,
      columns.offset[i] as number,
      columns.length[i] as number,
      columns.kind[i] as number,
    );
  };
  expect(histogram('duration')).toMatchObject({ count: 5, counts: [2, 1, 2], bounds: [0.1, 1, Infinity] });
  expect(histogram('size')?.counts.reduce((sum, count) => sum + count)).toBe(5);
  expect(histogram('size')?.sum).toBeCloseTo(403.201);

  const onResource = original(batch, ({ resourceMetrics: [group] }) =>
    group.resource.attributes.push(written('1.4.2')),
  );
  expect(tag(batch, 'resource')).toEqual(onResource);
  const onItems = original(batch, ({ resourceMetrics: [{ scopeMetrics }] }) => {
    for (const metric of scopeMetrics[0].metrics) {
      const { dataPoints } = metric.gauge ?? metric.sum ?? metric.histogram ?? metric.exponentialHistogram;
      for (const point of dataPoints) point.attributes = [...(point.attributes ?? []), written('1.4.2')];
    }
  });
  expect(tag(batch, 'item')).toEqual(onItems);
});

test('log records', () => {
  const exporter = new InMemoryLogRecordExporter();
  const provider = new LoggerProvider({ resource, processors: [new SimpleLogRecordProcessor({ exporter })] });
  const logger = provider.getLogger('shop', '2.0.0');
  logger.emit({ body: 'plain', severityNumber: SeverityNumber.ERROR, timestamp: 1_700_000_000_250 });
  logger.emit({ eventName: 'deployment', attributes: { 'service.version': '1.4.2' }, timestamp: 1_700_000_000_500 });
  const batch = open('logs', ProtobufLogsSerializer.serializeRequest(exporter.getFinishedLogRecords()));
  const columns = batch.columns as LogColumns;
  expect([...columns.severity]).toEqual([17, 0]);
  expect([...columns.isDeployment]).toEqual([0, 1]);
  expect(columns.timeSeconds[0]).toBeCloseTo(1_700_000_000.25, 5);

  const onResource = original(batch, ({ resourceLogs: [group] }) => group.resource.attributes.push(written('1.4.2')));
  expect(tag(batch, 'resource')).toEqual(onResource);
  const onItems = original(batch, ({ resourceLogs: [{ scopeLogs }] }) => {
    for (const record of scopeLogs[0].logRecords) {
      record.attributes = [...(record.attributes ?? []), written('1.4.2')];
    }
  });
  expect(tag(batch, 'item')).toEqual(onItems);
});
