/** Telemetry with every field that the schema has. */
import type { Signal } from './messages.ts';
import { END, type Json, type Parts, SPAN_ID, START, TRACE_ID } from './telemetry.ts';

/** A value of every kind: in attributes, since OTLP 1.9 all of them are legal. */
export const ANY_VALUES: readonly (readonly [name: string, value: Json])[] = [
  ['text', { stringValue: 'text' }],
  ['text of no letters', { stringValue: '' }],
  ['true', { boolValue: true }],
  ['false', { boolValue: false }],
  ['an integer', { intValue: '42' }],
  ['the smallest integer', { intValue: '-9223372036854775808' }],
  ['a double', { doubleValue: 1.25 }],
  ['bytes', { bytesValue: 'AAEC/f7/' }],
  ['no value', {}],
  ['a list', { arrayValue: { values: [{ stringValue: 'a' }, { intValue: '1' }, {}, { bytesValue: 'AA==' }] } }],
  ['an empty list', { arrayValue: {} }],
  [
    'a map',
    {
      kvlistValue: {
        values: [
          { key: 'a', value: { boolValue: true } },
          { key: 'b', value: {} },
        ],
      },
    },
  ],
  ['an empty map', { kvlistValue: {} }],
  [
    'a map of lists of maps',
    {
      kvlistValue: {
        values: [
          {
            key: 'outer',
            value: {
              arrayValue: { values: [{ kvlistValue: { values: [{ key: 'inner', value: { doubleValue: 0.5 } }] } }] },
            },
          },
        ],
      },
    },
  ],
];

const attributes = [
  { key: 'text', value: { stringValue: 'a' } },
  { key: 'number', value: { intValue: '-7' } },
];

const around: Parts = {
  resource: { droppedAttributesCount: 3 },
  scope: { name: 'conformance', version: '1.0.0', attributes, droppedAttributesCount: 2 },
  besideScope: { schemaUrl: 'https://opentelemetry.io/schemas/1.30.0' },
  besideResource: { schemaUrl: 'https://opentelemetry.io/schemas/1.31.0' },
};

const span: Json = {
  traceId: TRACE_ID,
  spanId: SPAN_ID,
  parentSpanId: 'eee19b7ec3c1b173',
  traceState: 'vendor=1',
  flags: 257,
  name: 'GET /items',
  kind: 3,
  startTimeUnixNano: START,
  endTimeUnixNano: END,
  attributes,
  droppedAttributesCount: 1,
  droppedEventsCount: 2,
  droppedLinksCount: 3,
  events: [{ timeUnixNano: END, name: 'retry', attributes, droppedAttributesCount: 4 }],
  links: [
    { traceId: TRACE_ID, spanId: SPAN_ID, traceState: 'vendor=2', attributes, droppedAttributesCount: 5, flags: 256 },
  ],
  status: { message: 'gone', code: 2 },
};

const log: Json = {
  timeUnixNano: START,
  observedTimeUnixNano: END,
  severityNumber: 17,
  severityText: 'ERROR',
  body: { kvlistValue: { values: attributes } },
  attributes,
  droppedAttributesCount: 1,
  flags: 1,
  traceId: TRACE_ID,
  spanId: SPAN_ID,
  eventName: 'device.crash',
};

const exemplars = [
  { filteredAttributes: attributes, timeUnixNano: END, asDouble: 0.5, spanId: SPAN_ID, traceId: TRACE_ID },
];
const point = { attributes, startTimeUnixNano: START, timeUnixNano: END, flags: 1 };

const metrics: readonly Json[] = [
  { name: 'gauge', description: 'a gauge', unit: '1', gauge: { dataPoints: [{ ...point, asInt: '-5', exemplars }] } },
  {
    name: 'sum',
    metadata: attributes,
    sum: { dataPoints: [{ ...point, asDouble: 1.5 }], aggregationTemporality: 2, isMonotonic: true },
  },
  {
    name: 'histogram',
    histogram: {
      dataPoints: [
        {
          ...point,
          count: '6',
          sum: 7.5,
          min: 0.5,
          max: 4,
          bucketCounts: ['1', '2', '3'],
          explicitBounds: [1, 2],
          exemplars,
        },
      ],
      aggregationTemporality: 1,
    },
  },
  {
    name: 'exponential',
    exponentialHistogram: {
      dataPoints: [
        {
          ...point,
          count: '9',
          sum: 7.5,
          scale: -2,
          zeroCount: '2',
          zeroThreshold: 0.001,
          min: -1,
          max: 4,
          positive: { offset: 3, bucketCounts: ['4'] },
          negative: { offset: -3, bucketCounts: ['1', '2'] },
          exemplars,
        },
      ],
      aggregationTemporality: 2,
    },
  },
  {
    name: 'summary',
    summary: {
      dataPoints: [{ ...point, count: '3', sum: 4.5, quantileValues: [{ quantile: 0.5, value: 1.5 }] }],
    },
  },
];

/** Everything that a request of a signal can hold. */
export const EVERYTHING: Readonly<Record<Signal, Parts>> = {
  traces: { ...around, items: { spans: [span] } },
  metrics: { ...around, items: { metrics } },
  logs: { ...around, items: { logRecords: [log] } },
};

const entityRefs = [
  { type: 'service', idKeys: ['service.name'], schemaUrl: 'https://opentelemetry.io/schemas/1.40.0' },
];

/** What was added to the schema after its first stable version. */
export const NEW_FIELDS: readonly (readonly [name: string, signal: Signal, parts: Parts])[] = [
  ['LogRecord.event_name', 'logs', { item: { eventName: 'device.crash' } }],
  ['Span.flags', 'traces', { item: { flags: 0x301 } }],
  ['Link.flags', 'traces', { item: { links: [{ traceId: TRACE_ID, spanId: SPAN_ID, flags: 0x300 }] } }],
  [
    'Metric.metadata',
    'metrics',
    { items: { metrics: [{ name: 'a', metadata: attributes, gauge: { dataPoints: [{ ...point, asInt: '1' }] } }] } },
  ],
  ['Resource.entity_refs', 'traces', { resource: { entityRefs } }],
  ['Resource.entity_refs', 'metrics', { resource: { entityRefs } }],
  ['Resource.entity_refs', 'logs', { resource: { entityRefs } }],
];
