import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Transport } from '../signals.ts';
import { foreignEnv } from '../tool.ts';
import type { Client } from '../visit.ts';

export const METRIC_KINDS = {
  Gauge: 'gauge',
  Sum: 'sum',
  Histogram: 'histogram',
  ExponentialHistogram: 'exponentialHistogram',
} as const;

/** What is asked for on the command line. More than a request holds (100), fewer than its queue (2048 spans). */
export const ASKED = {
  traces: 600,
  points: 250,
  records: 250,
  spanMs: 5,
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  resource: { 'a.flag': true, 'a.list': ['x', 'y'], 'a.n': 12, 'a.text': 'b,c d', 'service.version': '1.4.2' },
  item: { 't.flag': false, 't.list': [1, 2, 3], 't.n': -5, 't.text': 'grüße' },
  body: 'the body of it',
} as const;

/** The Go program that tests the Collector, with the Go SDK's exporters of this transport. It does not tell what it sends. */
export function telemetrygenClient(telemetrygen: string, transport: Transport, compression: 'none' | 'gzip'): Client {
  return async (port) => {
    const env = foreignEnv({ OTEL_EXPORTER_OTLP_COMPRESSION: compression });
    const target = ['--otlp-insecure', '--otlp-endpoint', `127.0.0.1:${port}`, '--rate', '0'];
    if (transport === 'http') target.push('--otlp-http');
    const attributes = [...flags('--otlp-attributes', ASKED.resource), ...flags('--telemetry-attributes', ASKED.item)];
    for (const command of commands()) {
      await promisify(execFile)(telemetrygen, [...command, ...target, ...attributes], { env });
    }
    return { traces: [], metrics: [], logs: [] };
  };
}

function commands(): string[][] {
  const { traces, points, records, spanMs, traceId, spanId, body } = ASKED;
  const ids = ['--trace-id', traceId, '--span-id', spanId];
  const spans = [
    '--traces',
    `${traces}`,
    '--span-duration',
    `${spanMs}ms`,
    '--span-links',
    '1',
    '--status-code',
    'Error',
  ];
  const metrics = Object.entries(METRIC_KINDS).map(([kind, name]) => {
    const temporality = ['--aggregation-temporality', 'delta'];
    return [
      'metrics',
      '--metrics',
      `${points}`,
      '--metric-type',
      kind,
      '--otlp-metric-name',
      `gen.${name}`,
      ...temporality,
      ...ids,
    ];
  });
  const severity = ['--severity-number', '17', '--severity-text', 'Error'];
  return [['traces', ...spans], ...metrics, ['logs', '--logs', `${records}`, '--body', body, ...severity, ...ids]];
}

function flags(flag: string, attributes: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(attributes).flatMap(([key, value]) => [flag, `${key}=${JSON.stringify(value)}`]);
}
