import fc from 'fast-check';
import type protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import {
  type LogColumns,
  METRIC_KIND,
  NO_STATUS,
  type PointColumns,
  type ResourceColumns,
  type SpanColumns,
  type TelemetrySignal,
} from '../../../proto/otlp/columns.ts';
import { scan } from '../../../proto/otlp/scan.ts';
import { messageType, requestType } from '../../../proto/otlp/schema.ts';
import { encodeTree, varint, type WireTree, wireTree } from '../../support/otlp-wire.ts';
import { WORDS } from './otlp-words.ts';

/** The references below read what protobufjs makes of the same bytes. */
type Decoded = any;

const RUNS = 250;

/** How the key of an attribute is written: mostly as all senders do. */
const keyForm = fc.constantFrom('usual', 'usual', 'usual', 'overlong', 'twice', 'behind');
/** A Status may come in several parts. */
const statusPart = fc.constantFrom<WireTree>(
  [],
  [{ number: 2, value: Buffer.from('why') }],
  ...[0n, 1n, 2n, 300n, 2n ** 32n + 2n, -1n].map((value) => [{ number: 3, value }]),
);

/** The bytes of a KeyValue with its key written as told; `key` is a second one. */
function oddKeyValue(fields: WireTree, key: string, form: string): Buffer {
  const other = encodeTree([{ number: 1, value: Buffer.from(key) }]);
  if (form === 'twice') return Buffer.concat([other, encodeTree(fields)]);
  if (form === 'behind') return Buffer.concat([encodeTree(fields), other]);
  if (form === 'usual') return encodeTree(fields);
  return Buffer.concat(
    fields.map((field) => {
      const { number, value } = field;
      if (number !== 1 || !(value instanceof Uint8Array) || value.length > 127) return encodeTree([field]);
      return Buffer.concat([varint(10n), Buffer.of(value.length | 0x80, 0), value]);
    }),
  );
}

const requests = (signal: TelemetrySignal) => wireTree(requestType(signal), WORDS).map(encodeTree);

describe('the columns of random requests equal what a full decode gives', () => {
  test('traces', () => {
    fc.assert(
      fc.property(requests('traces'), (bytes) => {
        const columns = scan('traces', bytes) as SpanColumns;
        const groups = decode('traces', bytes).resourceSpans;
        const spans = items(groups, 'scopeSpans', 'spans');
        expectResources(bytes, columns.resources, groups);
        expectItems(bytes, columns, spans, messageType('opentelemetry.proto.trace.v1.Span'));
        expect(spanRows(bytes, columns)).toEqual(spans.map(({ item }) => spanRow(item)));
      }),
      { numRuns: RUNS },
    );
  });

  test('requests with all the attributes that are looked for', () => {
    const attribute = wireTree(messageType('opentelemetry.proto.common.v1.KeyValue'), WORDS, 6);
    const attributes = fc.array(
      fc
        .tuple(attribute, fc.constantFrom(...WORDS.keys), keyForm)
        .map(([fields, key, form]) => ({ number: 9, value: oddKeyValue(fields, key, form) })),
      { maxLength: 12, size: 'max' },
    );
    const kinds = fc.constantFrom(2n, 3n, 4n, 5n, 2n ** 32n + 2n, 2n ** 62n + 3n, 2n ** 32n, -1n);
    fc.assert(
      fc.property(kinds, attributes, attributes, fc.array(statusPart), (kind, before, after, parts) => {
        const status = parts.map((value) => ({ number: 15, value }));
        const named = [
          { number: 6, value: kind },
          { number: 5, value: Buffer.from('name') },
        ];
        const span = [...before, ...named, ...status.slice(1), ...after, ...status.slice(0, 1)];
        const bytes = encodeTree([{ number: 1, value: [{ number: 2, value: [{ number: 2, value: span }] }] }]);
        const columns = scan('traces', bytes) as SpanColumns;
        const [decoded] = items(decode('traces', bytes).resourceSpans, 'scopeSpans', 'spans');
        expect(spanRows(bytes, columns)).toEqual([spanRow(decoded?.item)]);
      }),
      { numRuns: 1000 },
    );
  });

  test('logs', () => {
    fc.assert(
      fc.property(requests('logs'), (bytes) => {
        const columns = scan('logs', bytes) as LogColumns;
        const groups = decode('logs', bytes).resourceLogs;
        const records = items(groups, 'scopeLogs', 'logRecords');
        expectResources(bytes, columns.resources, groups);
        expectItems(bytes, columns, records, messageType('opentelemetry.proto.logs.v1.LogRecord'));
        expect(logRows(columns)).toEqual(records.map(({ item }) => logRow(item)));
      }),
      { numRuns: RUNS },
    );
  });

  test('metrics', () => {
    fc.assert(
      fc.property(requests('metrics'), (bytes) => {
        const columns = scan('metrics', bytes) as PointColumns;
        const groups = decode('metrics', bytes).resourceMetrics;
        const points = items(groups, 'scopeMetrics', 'metrics').flatMap(({ resource, item }) =>
          pointsOf(item).map((point) => ({ resource, ...point })),
        );
        expectResources(bytes, columns.resources, groups);
        expect([...columns.resource]).toEqual(points.map(({ resource }) => resource));
        expect(points.map(({ type }, i) => decodeRange(bytes, type, columns.offset[i], columns.length[i]))).toEqual(
          points.map(({ point }) => point),
        );
        expect(pointRows(bytes, columns)).toEqual(points.map(({ row }) => row));
      }),
      { numRuns: RUNS },
    );
  });
});

test('a scan depends on its bytes alone: not on what lies around them, nor on the scans before', () => {
  const signals = fc.constantFrom<TelemetrySignal>('traces', 'metrics', 'logs');
  const cases = signals.chain((signal) => fc.tuple(fc.constant(signal), requests(signal), fc.nat(255)));
  fc.assert(
    fc.property(cases, ([signal, bytes, filler]) => {
      const alone = scan(signal, bytes);
      const around = Buffer.alloc(bytes.length + 64, filler);
      around.set(bytes, 32);
      expect(scan(signal, around.subarray(32, 32 + bytes.length))).toEqual(alone);
    }),
    { numRuns: 200 },
  );
});

function decode(signal: TelemetrySignal, bytes: Uint8Array): Decoded {
  return toObject(requestType(signal), bytes);
}

function toObject(type: protobuf.Type, bytes: Uint8Array): Decoded {
  return type.toObject(type.decode(bytes), { longs: String, arrays: true, bytes: Array });
}

function decodeRange(bytes: Uint8Array, type: protobuf.Type, offset = -1, length = -1): Decoded {
  return toObject(type, bytes.subarray(offset, offset + length));
}

function text(bytes: Uint8Array, offset = -1, length = -1): string {
  return length === 0 ? '' : Buffer.from(bytes.subarray(offset, offset + length)).toString('utf8');
}

function items(groups: Decoded[], scopes: string, list: string): { resource: number; item: Decoded }[] {
  return groups.flatMap((group, resource) =>
    group[scopes].flatMap((scope: Decoded) => scope[list].map((item: Decoded) => ({ resource, item }))),
  );
}

function expectResources(bytes: Uint8Array, columns: ResourceColumns, groups: Decoded[]): void {
  const type = messageType('opentelemetry.proto.resource.v1.Resource');
  expect(columns.count).toBe(groups.length);
  const found = groups.map((_, i) =>
    columns.offset[i] === 0 ? undefined : decodeRange(bytes, type, columns.offset[i], columns.length[i]),
  );
  expect(found).toEqual(groups.map(({ resource }) => resource ?? undefined));
}

function expectItems(
  bytes: Uint8Array,
  columns: SpanColumns | LogColumns,
  expected: { resource: number; item: Decoded }[],
  type: protobuf.Type,
): void {
  expect(columns.count).toBe(expected.length);
  expect([...columns.resource]).toEqual(expected.map(({ resource }) => resource));
  const found = expected.map((_, i) => decodeRange(bytes, type, columns.offset[i], columns.length[i]));
  expect(found).toEqual(expected.map(({ item }) => item));
}

function spanRows(bytes: Uint8Array, columns: SpanColumns): unknown[] {
  return Array.from({ length: columns.count }, (_, i) => ({
    kind: columns.kind[i],
    status: columns.status[i],
    httpStatus: columns.httpStatus[i],
    rpcStatus: columns.rpcStatus[i],
    endSeconds: columns.endSeconds[i],
    durationNs: columns.durationNs[i],
    operation: text(bytes, columns.operationOffset[i], columns.operationLength[i]),
    method: text(bytes, columns.methodOffset[i], columns.methodLength[i]),
    spanId: idOf(columns.spanLow[i], columns.spanHigh[i]),
    parentId: idOf(columns.parentLow[i], columns.parentHigh[i]),
    callee: text(bytes, columns.calleeOffset[i], columns.calleeLength[i]),
    calleeNamedBy: columns.calleeNamedBy[i],
  }));
}

function idOf(low = 0, high = 0): number[] {
  return existing([...new Uint8Array(Int32Array.of(low, high).buffer)]);
}

/** An id of all zeros is none. */
function existing(id: number[]): number[] {
  return id.every((byte) => byte === 0) ? [] : id;
}

const GRPC_NAMES =
  'OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED'.split(
    ' ',
  );

/** What a status attribute says: an integer, or the name or number of a gRPC status as text. */
function statusOf(value: Decoded): number {
  if (value?.intValue !== undefined) return Math.min(Number(BigInt.asUintN(64, BigInt(value.intValue))), NO_STATUS);
  const said = String(value?.stringValue ?? '').toUpperCase();
  const named = GRPC_NAMES.indexOf(said);
  if (named >= 0) return named;
  return /^(\d|1[0-6])$/.test(said) ? Number(said) : NO_STATUS;
}

/** What names whom a span called, the weightiest last. */
const CALLEE_KEYS = [
  /^db\.system(\.name)?$/,
  /^messaging\.destination\.name$/,
  /^rpc\.service$/,
  /^(server\.address|net\.peer\.name)$/,
  /^peer\.service$/,
];

/** An enum as a column of bytes holds it. */
function enumOf(value: number | undefined): number {
  return Math.min((value ?? 0) >>> 0, 255);
}

/** The last attribute of a meaning counts, whichever generation of the conventions its key belongs to. */
function spanRow(span: Decoded): unknown {
  const isRequest = span.kind === 2 || span.kind === 5;
  const isCall = span.kind === 3 || span.kind === 4;
  const row = {
    kind: enumOf(span.kind),
    status: enumOf(span.status?.code),
    httpStatus: NO_STATUS,
    rpcStatus: NO_STATUS,
    endSeconds: Number(span.endTimeUnixNano ?? 0) / 1e9,
    durationNs: Number(BigInt(span.endTimeUnixNano ?? 0) - BigInt(span.startTimeUnixNano ?? 0)),
    operation: span.name ?? '',
    method: '',
    spanId: existing(span.spanId ?? []),
    parentId: existing(span.parentSpanId ?? []),
    callee: '',
    calleeNamedBy: 0,
  };
  for (const { key, value } of isRequest || isCall ? span.attributes : []) {
    const said = value?.stringValue ?? '';
    if (/^http\.(response\.)?status_code$/.test(key)) row.httpStatus = statusOf(value);
    if (/^rpc\.((grpc|response)\.)?status_code$/.test(key)) row.rpcStatus = statusOf(value);
    if (said === '') continue;
    if (isRequest && /^(http\.route|messaging\.destination\.name)$/.test(key)) row.operation = said;
    if (isRequest && /^http\.(request\.)?method$/.test(key)) row.method = said;
    const namedBy = 1 + CALLEE_KEYS.findIndex((pattern) => pattern.test(key));
    if (isCall && namedBy > 0 && namedBy >= row.calleeNamedBy) {
      row.callee = said;
      row.calleeNamedBy = namedBy;
    }
  }
  return row;
}

function logRows(columns: LogColumns): unknown[] {
  return Array.from({ length: columns.count }, (_, i) => ({
    time: columns.timeSeconds[i],
    severity: columns.severity[i],
    isDeployment: columns.isDeployment[i],
  }));
}

function logRow(record: Decoded): unknown {
  const time = Number(record.timeUnixNano ?? 0) || Number(record.observedTimeUnixNano ?? 0);
  return {
    time: time / 1e9,
    severity: enumOf(record.severityNumber),
    isDeployment: record.eventName === 'deployment' ? 1 : 0,
  };
}

const DATA = {
  gauge: 'NumberDataPoint',
  sum: 'NumberDataPoint',
  histogram: 'HistogramDataPoint',
  exponentialHistogram: 'ExponentialHistogramDataPoint',
  summary: 'SummaryDataPoint',
} as const;

function pointsOf(metric: Decoded): { type: protobuf.Type; point: Decoded; row: unknown }[] {
  const name = (Object.keys(DATA) as (keyof typeof DATA)[]).find((key) => metric[key] !== undefined);
  if (name === undefined) return [];
  const { dataPoints, aggregationTemporality, isMonotonic } = metric[name];
  return dataPoints.map((point: Decoded) => ({
    type: messageType(`opentelemetry.proto.metrics.v1.${DATA[name]}`),
    point,
    row: {
      kind: METRIC_KIND[name],
      temporality: enumOf(aggregationTemporality),
      isMonotonic: isMonotonic === true ? 1 : 0,
      time: Number(point.timeUnixNano ?? 0) / 1e9,
      name: metric.name ?? '',
      unit: metric.unit ?? '',
    },
  }));
}

function pointRows(bytes: Uint8Array, columns: PointColumns): unknown[] {
  return Array.from({ length: columns.count }, (_, i) => ({
    kind: columns.kind[i],
    temporality: columns.temporality[i],
    isMonotonic: columns.isMonotonic[i],
    time: columns.timeSeconds[i],
    name: text(bytes, columns.nameOffset[i], columns.nameLength[i]),
    unit: text(bytes, columns.unitOffset[i], columns.unitLength[i]),
  }));
}
