import {
  createTraceState,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api';
import { JsonTraceSerializer } from '@opentelemetry/otlp-transformer';
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import { EVERY_VALUE, ordinary, SCHEMA_URL, SIMPLE_VALUES, UNVERSIONED, VERSIONED } from './attributes.ts';
import { Recorder } from './recorded.ts';

/** More than three requests of 512. */
const ORDINARY_SPANS = 1600;

/** What a parent in another process looks like. */
export const REMOTE = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  traceFlags: 1,
  isRemote: true,
  traceState: createTraceState('vendor=a1,other=b2'),
};

/** Makes spans that use all that a span can have, and delivers them. Resolves to the requests. */
export async function sendTraces(newExporter: () => SpanExporter): Promise<unknown[]> {
  const recorder = new Recorder<ReadableSpan[]>(JsonTraceSerializer);
  const exporter = () => recorder.around(newExporter());
  const versioned = new TracerProvider({ resource: VERSIONED, spanProcessors: [batching(exporter())] });
  const tracer = versioned.getTracer('cart', '2.0.1', { schemaUrl: SCHEMA_URL });
  makeKinds(tracer);
  makeFamily(tracer);
  makeEventsAndLinks(tracer.startSpan('events and links'));
  const plain = versioned.getTracer('plain');
  for (let i = 0; i < ORDINARY_SPANS; i++) plain.startSpan('GET /cart/:id', { kind: 1, attributes: ordinary(i) }).end();
  await versioned.shutdown();
  const limited = new TracerProvider({
    resource: UNVERSIONED,
    spanProcessors: [batching(exporter())],
    spanLimits: { attributeCountLimit: 2, eventCountLimit: 1, linkCountLimit: 1, attributePerEventCountLimit: 1 },
  });
  makeEventsAndLinks(limited.getTracer('').startSpan('too much', { attributes: EVERY_VALUE }));
  await limited.shutdown();
  return recorder.delivered();
}

function batching(exporter: SpanExporter): BatchSpanProcessor {
  return new BatchSpanProcessor({ exporter, maxExportBatchSize: 512, maxQueueSize: 4096 });
}

function makeKinds(tracer: Tracer): void {
  for (const kind of [SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER]) {
    tracer.startSpan(`kind ${kind}`, { kind, attributes: EVERY_VALUE }).end();
  }
  tracer.startSpan('').end();
  for (const code of [SpanStatusCode.OK, SpanStatusCode.ERROR]) {
    tracer.startSpan(`status ${code}`).setStatus({ code, message: 'out of stock' }).end();
  }
  // Years ago, and to the nanosecond.
  tracer.startSpan('times', { startTime: [1_600_000_000, 1] }).end([1_600_000_000, 999_999_999]);
}

function makeFamily(tracer: Tracer): void {
  const server = tracer.startSpan('child', { kind: SpanKind.SERVER }, trace.setSpanContext(ROOT_CONTEXT, REMOTE));
  tracer.startSpan('grandchild', {}, trace.setSpan(ROOT_CONTEXT, server)).end();
  server.end();
}

function makeEventsAndLinks(span: Span): void {
  span.addEvent('looked', SIMPLE_VALUES);
  span.addEvent('looked at a time', [1_700_000_000, 123_456_789]);
  span.recordException(new TypeError('no such item'));
  span.addLink({ context: REMOTE, attributes: EVERY_VALUE });
  span.addLink({ context: { ...REMOTE, spanId: '00f067aa0ba902b7', isRemote: false, traceFlags: 0 } });
  span.end();
}
