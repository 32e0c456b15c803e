import { OTLPLogExporter as GrpcLogs } from '@opentelemetry/exporter-logs-otlp-grpc';
import { OTLPLogExporter as JsonLogs } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as ProtoLogs } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPMetricExporter as GrpcMetrics } from '@opentelemetry/exporter-metrics-otlp-grpc';
import { OTLPMetricExporter as JsonMetrics } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtoMetrics } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter as GrpcTraces } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as JsonTraces } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtoTraces } from '@opentelemetry/exporter-trace-otlp-proto';
import type { TelemetrySignal } from '../../../pipeline/batch.ts';
import type { Client } from '../visit.ts';
import { sendLogs } from './logs.ts';
import { sendMetrics } from './metrics.ts';
import { sendTraces } from './traces.ts';

const EXPORTERS = {
  gRPC: { Traces: GrpcTraces, Metrics: GrpcMetrics, Logs: GrpcLogs },
  'HTTP/protobuf': { Traces: ProtoTraces, Metrics: ProtoMetrics, Logs: ProtoLogs },
  'HTTP/JSON': { Traces: JsonTraces, Metrics: JsonMetrics, Logs: JsonLogs },
} as const;

/** The OpenTelemetry SDK of JavaScript with its exporters of this protocol. */
export function jsClient(protocol: keyof typeof EXPORTERS, compression: 'none' | 'gzip'): Client {
  const { Traces, Metrics, Logs } = EXPORTERS[protocol];
  return async (port) => {
    const base = `http://127.0.0.1:${port}`;
    const options = (signal: TelemetrySignal) => ({
      url: protocol === 'gRPC' ? base : `${base}/v1/${signal}`,
      // Each package has the same enum of its own.
      compression: compression as never,
    });
    const [traces, metrics, logs] = await Promise.all([
      sendTraces(() => new Traces(options('traces'))),
      sendMetrics((temporalityPreference) => new Metrics({ ...options('metrics'), temporalityPreference })),
      sendLogs(() => new Logs(options('logs'))),
    ]);
    return { traces, metrics, logs };
  };
}
