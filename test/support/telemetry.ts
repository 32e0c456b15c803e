/** Builds telemetry for tests from what matters to them: OTLP/JSON requests and batches of them. */
import { TelemetryBatch, type TelemetrySignal } from '../../pipeline/batch.ts';
import { jsonToProtobuf } from '../../proto/otlp/json.ts';
import { requestType } from '../../proto/otlp/schema.ts';

export type Value = string | number | boolean | readonly Value[];
export type Attributes = Readonly<Record<string, Value>>;

export interface SpanSpec {
  readonly name?: string;
  /** SpanKind: 1 internal, 2 server (unless told otherwise), 3 client, 4 producer, 5 consumer. */
  readonly kind?: number;
  /** Seconds since the epoch. */
  readonly end: number;
  readonly durationMs?: number;
  /** 1 ok, 2 error. */
  readonly status?: number;
  readonly attributes?: Attributes;
  readonly traceId?: string;
  /** 16 hex digits; one of its own where it is not given. */
  readonly spanId?: string;
  readonly parentId?: string;
}

export interface LogSpec {
  readonly time: number;
  readonly severity?: number;
  readonly eventName?: string;
  readonly attributes?: Attributes;
  readonly traceId?: string;
}

/** A metric with its points, as OTLP/JSON has them. */
export type MetricSpec = Readonly<Record<string, unknown>>;

/** One resource with its items. */
export interface Group<Item> {
  readonly resource: Attributes;
  readonly items: readonly Item[];
}

export function tracesJson(...groups: readonly Group<SpanSpec>[]): Record<string, unknown> {
  return {
    resourceSpans: groups.map(({ resource, items }) => ({
      resource: { attributes: keyValues(resource) },
      scopeSpans: [{ scope: { name: 'test' }, spans: items.map((spec) => span(spec)) }],
    })),
  };
}

export function logsJson(...groups: readonly Group<LogSpec>[]): Record<string, unknown> {
  return {
    resourceLogs: groups.map(({ resource, items }) => ({
      resource: { attributes: keyValues(resource) },
      scopeLogs: [{ scope: { name: 'test' }, logRecords: items.map((spec) => record(spec)) }],
    })),
  };
}

export function metricsJson(...groups: readonly Group<MetricSpec>[]): Record<string, unknown> {
  return {
    resourceMetrics: groups.map(({ resource, items }) => ({
      resource: { attributes: keyValues(resource) },
      scopeMetrics: [{ scope: { name: 'test' }, metrics: items }],
    })),
  };
}

export function traces(...groups: readonly Group<SpanSpec>[]): TelemetryBatch {
  return open('traces', tracesJson(...groups));
}

export function logs(...groups: readonly Group<LogSpec>[]): TelemetryBatch {
  return open('logs', logsJson(...groups));
}

export function metrics(...groups: readonly Group<MetricSpec>[]): TelemetryBatch {
  return open('metrics', metricsJson(...groups));
}

export function open(signal: TelemetrySignal, json: unknown): TelemetryBatch {
  return TelemetryBatch.open(signal, jsonToProtobuf(signal, JSON.stringify(json)));
}

/** The request as whoever it is sent to would decode it, with protobufjs' own names and long integers as text. */
export function decoded(batch: TelemetryBatch): any {
  const type = requestType(batch.signal);
  return type.toObject(type.decode(batch.encoded()), { longs: String, arrays: true, defaults: false });
}

/** Attributes of a decoded message as a plain object; a key that is there twice is an error. */
export function attributesOf(message: { attributes?: readonly { key: string; value: object }[] }): Record<string, any> {
  const found: Record<string, unknown> = {};
  for (const { key, value } of message.attributes ?? []) {
    if (key in found) throw new Error(`${key} is there twice`);
    found[key] = Object.values(value)[0];
  }
  return found;
}

export function keyValues(attributes: Attributes): { key: string; value: object }[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }));
}

function anyValue(value: Value): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'object') return { arrayValue: { values: value.map((one) => anyValue(one)) } };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

/** Seconds as ns in text, exact to the µs. */
export function nanos(seconds: number): string {
  return `${BigInt(Math.round(seconds * 1e6)) * 1000n}`;
}

let spanCount = 0;

function span(spec: SpanSpec): object {
  const { name = 'work', kind = 2, end, durationMs = 5, status, attributes = {}, traceId, spanId, parentId } = spec;
  const id = (spanCount = (spanCount + 1) % 0xffff_ffff).toString(16);
  return {
    traceId: traceId ?? id.padStart(32, '0'),
    spanId: spanId ?? id.padStart(16, '0'),
    ...(parentId === undefined ? {} : { parentSpanId: parentId }),
    name,
    kind,
    startTimeUnixNano: nanos(end - durationMs / 1000),
    endTimeUnixNano: nanos(end),
    attributes: keyValues(attributes),
    ...(status === undefined ? {} : { status: { code: status } }),
  };
}

function record({ time, severity = 9, eventName, attributes = {}, traceId }: LogSpec): object {
  return {
    timeUnixNano: nanos(time),
    severityNumber: severity,
    body: { stringValue: 'said' },
    attributes: keyValues(attributes),
    ...(eventName === undefined ? {} : { eventName }),
    ...(traceId === undefined ? {} : { traceId }),
  };
}
