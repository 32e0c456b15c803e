/** Our conversion against the JavaScript SDK's own two encodings of the same telemetry. */
import { context, SeverityNumber, SpanKind, SpanStatusCode, trace, ValueType } from '@opentelemetry/api';
import {
  JsonLogsSerializer,
  JsonMetricsSerializer,
  JsonTraceSerializer,
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
import { expect, it } from 'vitest';
import type { TelemetrySignal } from '../../../proto/otlp/columns.ts';
import { decodeToJson } from '../../../proto/otlp/json-decode.ts';
import { convertJson } from '../../../proto/otlp/json-lane.ts';
import { jsonToProtobuf } from '../../../proto/otlp/json.ts';

const resource = resourceFromAttributes({ 'service.name': 'cart', 'service.version': '1.4.2', replicas: 3, empty: '' });

const rooms = { take: (bytes: number) => Buffer.alloc(bytes), give: () => {} };

/** Both encodings must mean the same to us, and ours must come back as the same JSON. Both ways to convert must agree. */
function expectAgreement(signal: TelemetrySignal, json: Uint8Array | undefined, proto: Uint8Array | undefined): string {
  const fromJson = decodeToJson(signal, jsonToProtobuf(signal, json as Uint8Array));
  expect(fromJson).toEqual(decodeToJson(signal, proto as Uint8Array));
  const converted = convertJson(signal, json as Uint8Array, rooms);
  expect(decodeToJson(signal, converted?.bytes ?? Buffer.alloc(0))).toEqual(fromJson);
  return JSON.stringify(fromJson);
}

it('agrees with the SDK on spans', () => {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ resource, spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  const tracer = provider.getTracer('shop', '2.0.0');
  const parent = tracer.startSpan('GET /cart', { kind: SpanKind.SERVER });
  const inParent = trace.setSpan(context.active(), parent);
  const child = tracer.startSpan(
    'SELECT',
    { kind: SpanKind.CLIENT, links: [{ context: parent.spanContext() }] },
    inParent,
  );
  child.setAttributes({
    rows: 0,
    big: Number.MAX_SAFE_INTEGER,
    ratio: 0.5,
    ok: false,
    text: '',
    list: ['a', 'b'],
    no: [],
  });
  child.addEvent('retry', { attempt: 2 });
  child.recordException(new Error('gone'));
  child.setStatus({ code: SpanStatusCode.ERROR, message: 'gone' });
  child.end();
  parent.end();
  const spans = exporter.getFinishedSpans();
  const json = expectAgreement(
    'traces',
    JsonTraceSerializer.serializeRequest(spans),
    ProtobufTraceSerializer.serializeRequest(spans),
  );
  expect(json).toContain(`"parentSpanId":"${parent.spanContext().spanId}"`);
  expect(json).toContain('{"key":"rows","value":{"intValue":"0"}}');
  expect(json).toContain('{"key":"text","value":{"stringValue":""}}');
});

it('agrees with the SDK on metrics', async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({
    resource,
    readers: [reader],
    views: [{ instrumentName: 'size', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }],
  });
  const meter = provider.getMeter('shop', '2.0.0');
  meter.createCounter('requests', { unit: '1', valueType: ValueType.INT }).add(7, { route: '/cart' });
  meter.createUpDownCounter('load').add(-1.5);
  meter.createObservableGauge('zero').addCallback((result) => result.observe(0));
  const duration = meter.createHistogram('duration', { unit: 's' });
  const size = meter.createHistogram('size', { unit: 'By' });
  for (const value of [0, 0.001, 0.2, 3, 400]) {
    duration.record(value, { route: '/cart' });
    size.record(value * 1000);
  }
  await provider.forceFlush();
  const metrics = exporter.getMetrics()[0];
  if (metrics === undefined) throw new Error('the SDK exported nothing');
  const json = expectAgreement(
    'metrics',
    JsonMetricsSerializer.serializeRequest(metrics),
    ProtobufMetricsSerializer.serializeRequest(metrics),
  );
  await provider.shutdown();
  for (const kind of ['sum', 'gauge', 'histogram', 'exponentialHistogram']) expect(json).toContain(`"${kind}":`);
  expect(json).toContain('"min":0');
});

it('agrees with the SDK on log records', () => {
  const exporter = new InMemoryLogRecordExporter();
  const provider = new LoggerProvider({ resource, processors: [new SimpleLogRecordProcessor({ exporter })] });
  const logger = provider.getLogger('shop', '2.0.0');
  logger.emit({ body: 'plain', severityNumber: SeverityNumber.ERROR, severityText: 'ERROR' });
  logger.emit({
    eventName: 'deployment',
    body: { nested: { list: [1, 'two', null, true], bytes: new Uint8Array([0, 255]) } },
    attributes: { 'service.version': '1.4.2', deep: { er: [0.5] } },
    timestamp: 1_700_000_000_123,
  });
  const records = exporter.getFinishedLogRecords();
  const json = expectAgreement(
    'logs',
    JsonLogsSerializer.serializeRequest(records),
    ProtobufLogsSerializer.serializeRequest(records),
  );
  expect(json).toContain('"eventName":"deployment"');
  expect(json).toContain('"bytesValue":"AP8="');
});
