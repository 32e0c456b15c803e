import { OTLPLogExporter as GrpcLogs } from '@opentelemetry/exporter-logs-otlp-grpc';
import { OTLPLogExporter as JsonLogs } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as ProtoLogs } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPMetricExporter as GrpcMetrics } from '@opentelemetry/exporter-metrics-otlp-grpc';
import { OTLPMetricExporter as JsonMetrics } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtoMetrics } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter as GrpcTraces } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as JsonTraces } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtoTraces } from '@opentelemetry/exporter-trace-otlp-proto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { TelemetrySignal } from '../../../pipeline/batch.ts';
import type { Context } from '../../../pipeline/component.ts';
import { decodeToJson } from '../../../proto/otlp/json-decode.ts';
import { otlpReceiverConfig } from '../../../receivers/otlp/config.ts';
import { OtlpReceiver } from '../../../receivers/otlp/otlp.ts';
import { counted, Sink, testContext } from '../../support/context.ts';
import { sendLogs, sendPoints, sendSpans } from '../../support/otel-sdk.ts';

const config = otlpReceiverConfig.parse({
  protocols: { grpc: { endpoint: '127.0.0.1:0' }, http: { endpoint: '127.0.0.1:0' } },
});

const CLIENTS = [
  { name: 'gRPC', transport: 'grpc', Traces: GrpcTraces, Metrics: GrpcMetrics, Logs: GrpcLogs },
  { name: 'HTTP/protobuf', transport: 'http', Traces: ProtoTraces, Metrics: ProtoMetrics, Logs: ProtoLogs },
  { name: 'HTTP/JSON', transport: 'http', Traces: JsonTraces, Metrics: JsonMetrics, Logs: JsonLogs },
] as const;

describe.each(CLIENTS)('the $name exporters of the JS SDK', ({ transport, Traces, Metrics, Logs }) => {
  let context: Context;
  let sink: Sink;
  let receiver: OtlpReceiver;

  beforeEach(async () => {
    sink = new Sink();
    context = testContext('otlp');
    receiver = new OtlpReceiver(config, sink, context);
    await receiver.start();
  });
  afterEach(() => receiver.stop(AbortSignal.timeout(5000)));

  function options(signal: TelemetrySignal, compression: string) {
    const base = `http://${receiver.addresses()[transport]}`;
    return { url: transport === 'grpc' ? base : `${base}/v1/${signal}`, compression: compression as never };
  }

  test.each(['none', 'gzip'])('spans, compression %s', async (compression) => {
    await sendSpans(new Traces(options('traces', compression)), 1500);
    expect(sink.items('traces')).toBe(1500);
    const labels = { receiver: 'otlp', transport, signal: 'traces' };
    expect(await counted(context, 'windback_receiver_accepted_items_total', labels)).toBe(1500);
    const json = sink.telemetry('traces').map(({ bytes }) => JSON.stringify(decodeToJson('traces', bytes)));
    expect(json.every((text) => text.includes('checkout-7d9-1'))).toBe(true);
    expect(new Set(json.join().match(/GET \/items\/\d+/g)).size).toBe(1500);
  });

  test.each(['none', 'gzip'])('log records, compression %s', async (compression) => {
    await sendLogs(new Logs(options('logs', compression)), 300);
    expect(sink.items('logs')).toBe(300);
  });

  test.each(['none', 'gzip'])('data points, compression %s', async (compression) => {
    await sendPoints(new Metrics(options('metrics', compression)), 100);
    expect(sink.items('metrics')).toBe(100);
  });
});
