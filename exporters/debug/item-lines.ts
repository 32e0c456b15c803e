/** OTLP/JSON requests as text for people: a line for each resource, span, data point and log record. */
import type { TelemetrySignal } from '../../proto/otlp/columns.ts';

/** Any message in its OTLP/JSON form. */
type Json = Readonly<Record<string, unknown>>;

/** Where each signal keeps its groups, scopes and items. */
const NAMES: Readonly<Record<TelemetrySignal, readonly [string, string, string]>> = {
  traces: ['resourceSpans', 'scopeSpans', 'spans'],
  metrics: ['resourceMetrics', 'scopeMetrics', 'metrics'],
  logs: ['resourceLogs', 'scopeLogs', 'logRecords'],
};

const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'];
const STATUSES = ['unset', 'ok', 'error'];
const METRIC_KINDS = ['gauge', 'sum', 'histogram', 'exponentialHistogram', 'summary'];
const TEMPORALITIES = ['', 'delta', 'cumulative'];
/** What a data point may hold, in the order in which it is shown. */
const POINT_VALUES = [
  'asInt',
  'asDouble',
  'count',
  'sum',
  'min',
  'max',
  'bucketCounts',
  'explicitBounds',
  'quantileValues',
];

export function itemLines(signal: TelemetrySignal, request: Json): string[] {
  const [groups, scopes, items] = NAMES[signal];
  const lineOf = { traces: spanLines, metrics: metricLines, logs: logLines }[signal];
  const lines = list(request, groups).flatMap((group) => [
    `resource ${attributes(group.resource)}`.trimEnd(),
    ...list(group, scopes).flatMap((scope) => list(scope, items).flatMap(lineOf)),
  ]);
  // Names and keys may hold newlines; an item stays a line.
  return lines.map((line) => line.replaceAll('\n', '\\n'));
}

function spanLines(span: Json): string[] {
  const ms = Number(BigInt(text(span.endTimeUnixNano, '0')) - BigInt(text(span.startTimeUnixNano, '0'))) / 1e6;
  const status = (span.status ?? {}) as Json;
  const parts = [
    'span',
    quoted(text(span.name, '')),
    KINDS[Number(span.kind ?? 0)] ?? text(span.kind, ''),
    `${ms}ms`,
    STATUSES[Number(status.code ?? 0)] ?? text(status.code, ''),
    status.message === undefined ? '' : quoted(text(status.message, '')),
    `trace=${text(span.traceId, '-')} span=${text(span.spanId, '-')} parent=${text(span.parentSpanId, '-')}`,
    attributes(span),
  ];
  return [`  ${joined(parts)}`];
}

function logLines(record: Json): string[] {
  const parts = [
    'log',
    timeOf(record.timeUnixNano ?? record.observedTimeUnixNano),
    text(record.severityText, `severity=${text(record.severityNumber, '0')}`),
    record.eventName === undefined ? '' : `event=${quoted(text(record.eventName, ''))}`,
    valueOf(record.body),
    record.traceId === undefined ? '' : `trace=${text(record.traceId, '')}`,
    attributes(record),
  ];
  return [`  ${joined(parts)}`];
}

function metricLines(metric: Json): string[] {
  const kind = METRIC_KINDS.find((name) => metric[name] !== undefined) ?? 'empty';
  const data = (metric[kind] ?? {}) as Json;
  const temporality = TEMPORALITIES[Number(data.aggregationTemporality ?? 0)] ?? '';
  const head = joined([kind, temporality, quoted(text(metric.name, '')), text(metric.unit, '')]);
  return list(data, 'dataPoints').map((point) => {
    const values = POINT_VALUES.filter((name) => point[name] !== undefined).map(
      (name) => `${name}=${JSON.stringify(point[name])}`,
    );
    return `  ${joined([head, timeOf(point.timeUnixNano), ...values, attributes(point)])}`;
  });
}

function attributes(holder: unknown): string {
  return list((holder ?? {}) as Json, 'attributes')
    .map((attribute) => `${text(attribute.key, '')}=${valueOf(attribute.value)}`)
    .join(' ');
}

/** An AnyValue: its one member, on one line. */
function valueOf(value: unknown): string {
  const [member] = Object.values((value ?? {}) as Json);
  return member === undefined ? '' : JSON.stringify(member);
}

function list(holder: Json, name: string): readonly Json[] {
  return (holder[name] ?? []) as readonly Json[];
}

function text(value: unknown, absent: string): string {
  return value === undefined ? absent : String(value);
}

function quoted(name: string): string {
  return JSON.stringify(name);
}

function timeOf(nanos: unknown): string {
  return nanos === undefined ? '' : new Date(Number(BigInt(String(nanos)) / 1_000_000n)).toISOString();
}

function joined(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' ');
}
