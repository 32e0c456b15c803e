/**
 * How a service sends its telemetry: the official OpenTelemetry SDK and nothing of Windback's. All it takes is the
 * address, in the standard variable OTEL_EXPORTER_OTLP_ENDPOINT, and a resource that names the version.
 */
import { context, type Logger, type Meter, propagation, type Tracer } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-grpc';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-grpc';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';

/** A demo should not keep anybody waiting. For a real service the SDK's own defaults are fine. */
const EXPORT_INTERVAL_MS = 1000;

/** One running copy of one version of a service. */
export interface Instance {
  readonly service: string;
  readonly version: string;
  /** Tells the copies of a service apart, like the name of a pod. */
  readonly id: string;
}

export interface Telemetry {
  readonly tracer: Tracer;
  readonly meter: Meter;
  readonly logger: Logger;
  /** Sends what is left. */
  shutdown(): Promise<void>;
}

// Once per process: the span of a request stays current across awaits, and travels on in the header `traceparent`.
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(new W3CTraceContextPropagator());

/** Three providers, one for each signal. Several instances may share a process, as they do in this demo. */
export function startTelemetry({ service, version, id }: Instance): Telemetry {
  const resource = resourceFromAttributes({
    // Whose telemetry it is: these three make the key that Windback judges by.
    'service.namespace': 'shop',
    'service.name': service,
    'deployment.environment.name': 'demo',
    // What is compared: the one attribute that Windback cannot do without.
    'service.version': version,
    // How many copies there are: lets Windback see that one version has fallen silent, or has only just started.
    'service.instance.id': id,
  });
  const scheduledDelayMillis = EXPORT_INTERVAL_MS;
  const traces = new TracerProvider({
    resource,
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter(), scheduledDelayMillis })],
  });
  const metrics = new MeterProvider({
    resource,
    readers: [
      new PeriodicExportingMetricReader({
        exporter: new OTLPMetricExporter(),
        exportIntervalMillis: EXPORT_INTERVAL_MS,
        exportTimeoutMillis: EXPORT_INTERVAL_MS,
      }),
    ],
  });
  const logs = new LoggerProvider({
    resource,
    processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter(), scheduledDelayMillis })],
  });
  return {
    tracer: traces.getTracer('shop'),
    meter: metrics.getMeter('shop'),
    logger: logs.getLogger('shop'),
    shutdown: async () => void (await Promise.allSettled([traces, metrics, logs].map((one) => one.shutdown()))),
  };
}
