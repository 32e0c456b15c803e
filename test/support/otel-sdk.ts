import type { LogRecordExporter } from '@opentelemetry/sdk-logs';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { MeterProvider, PeriodicExportingMetricReader, type PushMetricExporter } from '@opentelemetry/sdk-metrics';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';

const resource = resourceFromAttributes({
  'service.name': 'checkout',
  'service.version': '1.4.2',
  'service.instance.id': 'checkout-7d9-1',
});

/** Makes spans with the official SDK and delivers them. Rejects where the exporter failed. */
export async function sendSpans(exporter: SpanExporter, count: number): Promise<void> {
  const failures = watch(exporter);
  const provider = new TracerProvider({
    resource,
    spanProcessors: [new BatchSpanProcessor({ exporter, maxExportBatchSize: 512 })],
  });
  const tracer = provider.getTracer('test');
  for (let i = 0; i < count; i++) {
    const span = tracer.startSpan(`GET /items/${i}`, { kind: 1, attributes: { 'http.route': '/items/:id', n: i } });
    span.addEvent('looked', { ok: true });
    if (i % 10 === 0) span.setStatus({ code: 2, message: 'broken' });
    span.end();
  }
  await provider.shutdown();
  raise(failures);
}

/** Makes log records with the official SDK and delivers them. Rejects where the exporter failed. */
export async function sendLogs(exporter: LogRecordExporter, count: number): Promise<void> {
  const failures = watch(exporter);
  const provider = new LoggerProvider({ resource, processors: [new BatchLogRecordProcessor({ exporter })] });
  const logger = provider.getLogger('test');
  for (let i = 0; i < count; i++) {
    logger.emit({ severityNumber: 17, body: { text: `line ${i}`, list: [1, 'two', true] }, attributes: { n: i } });
  }
  await provider.shutdown();
  raise(failures);
}

/** Makes `count` data points with the official SDK (a counter with as many series). Rejects where the exporter failed. */
export async function sendPoints(exporter: PushMetricExporter, count: number): Promise<void> {
  const failures = watch(exporter);
  const provider = new MeterProvider({
    resource,
    readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })],
  });
  const counter = provider.getMeter('test').createCounter('requests');
  for (let i = 0; i < count; i++) counter.add(i, { n: i });
  await provider.shutdown();
  raise(failures);
}

interface AnyExporter {
  export(items: never, done: (result: { code: number; error?: Error }) => void): void;
}

/** Processors only log what their exporter could not deliver; a test wants to know. */
function watch(exporter: AnyExporter): Error[] {
  const failures: Error[] = [];
  const original = exporter.export.bind(exporter);
  exporter.export = (items, done) =>
    original(items, (result) => {
      if (result.code !== 0) failures.push(result.error ?? new Error('the exporter failed'));
      done(result);
    });
  return failures;
}

function raise(failures: readonly Error[]): void {
  if (failures.length > 0) throw failures[0];
}
