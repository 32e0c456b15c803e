import { beforeAll, describe, expect, inject, it } from 'vitest';
import type { TelemetrySignal } from '../../pipeline/batch.ts';
import { ASKED, METRIC_KINDS, telemetrygenClient } from './telemetrygen/client.ts';
import { isLeftOut, pathOf } from './tool.ts';
import { type Visit, visit } from './visit.ts';

const CASES = (['grpc', 'http'] as const).flatMap((transport) =>
  (['none', 'gzip'] as const).map((compression) => ({ transport, compression })),
);

type Json = Record<string, any>;

/** What every item carries: the resource as asked for, and the version of the conventions that this release knows. */
const AROUND = {
  resource: { attributes: attributesOf({ ...ASKED.resource, 'service.name': 'telemetrygen' }) },
  resourceSchemaUrl: 'https://opentelemetry.io/schemas/1.40.0',
};

describe.skipIf(isLeftOut(inject('telemetrygen')))('telemetrygen', () => {
  describe.each(CASES)('$transport, compression $compression', ({ transport, compression }) => {
    let result: Visit;
    beforeAll(async () => {
      const client = telemetrygenClient(pathOf(inject('telemetrygen')), transport, compression);
      result = await visit(transport, client);
    });
    const written = (signal: TelemetrySignal) => result.written[signal].map(sortAttributes);

    it('traces are written as they were asked for', () => expectTraces(written('traces')));
    it.each(Object.values(METRIC_KINDS))('%s points are written as they were asked for', (kind) => {
      expect(written('metrics')).toHaveLength(4 * ASKED.points);
      expectPoints(
        kind,
        written('metrics').filter(({ metric }) => metric[kind] !== undefined),
      );
    });
    it('logs are written as they were asked for', () => expectLogs(written('logs')));

    it.each(['okey-dokey-0', 'gen.sum', ASKED.body])('%s is readable on the way only if nothing compresses', (text) => {
      expect(result.sawPlain(text)).toBe(compression === 'none');
    });
  });
});

/** Of each trace a client span and in it a server span, linked to spans before them. */
function expectTraces(items: Json[]): void {
  const spans: Json[] = items.map(({ item }) => item);
  const roots = new Map(spans.filter(({ name }) => name === 'lets-go').map((span) => [span.traceId, span]));
  const ids = new Set(spans.map(({ spanId }) => spanId));
  expect([spans.length, ids.size, roots.size]).toEqual([2 * ASKED.traces, 2 * ASKED.traces, ASKED.traces]);
  for (const { item, ...around } of items) {
    const { traceId, spanId: _, parentSpanId, startTimeUnixNano, endTimeUnixNano, links, ...rest } = item;
    const isChild = parentSpanId !== undefined;
    expect(around).toEqual({ ...AROUND, scope: { name: 'telemetrygen' } });
    expect(rest).toEqual({
      name: isChild ? 'okey-dokey-0' : 'lets-go',
      kind: isChild ? 2 : 3,
      status: { code: 2 },
      flags: 257,
      attributes: attributesOf({
        'network.peer.address': '1.2.3.4',
        'service.peer.name': `telemetrygen-${isChild ? 'client' : 'server'}`,
        ...ASKED.item,
      }),
    });
    if (isChild) expect(parentSpanId).toBe(roots.get(traceId)?.spanId);
    expect(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano)).toBe(BigInt(ASKED.spanMs) * 1_000_000n);
    for (const link of links ?? []) {
      expect(ids).toContain(link.spanId);
      expect(link.attributes).toEqual(attributesOf({ 'link.index': 0, 'link.type': 'random' }));
    }
  }
  // The first span has nothing before it.
  expect(spans.filter(({ links }) => links?.length === 1)).toHaveLength(2 * ASKED.traces - 1);
}

function expectPoints(kind: (typeof METRIC_KINDS)[keyof typeof METRIC_KINDS], items: Json[]): void {
  expect(items).toHaveLength(ASKED.points);
  const delta = kind === 'gauge' ? {} : { aggregationTemporality: 1 };
  const data = kind === 'sum' ? { ...delta, isMonotonic: true } : delta;
  for (const { item, ...around } of items) {
    expect(around).toEqual({ ...AROUND, scope: {}, metric: { name: `gen.${kind}`, [kind]: data } });
    expect(item.attributes).toEqual(attributesOf(ASKED.item));
    const { timeUnixNano: _, ...exemplar } = item.exemplars[0];
    expect([item.exemplars.length, exemplar]).toEqual([
      1,
      { asInt: '1', traceId: ASKED.traceId, spanId: ASKED.spanId },
    ]);
  }
  const points: Json[] = items.map(({ item }) => item);
  if (kind === 'gauge' || kind === 'sum') {
    const values = points.map(({ asInt }) => Number(asInt)).sort((a, b) => a - b);
    expect(values).toEqual(Array.from({ length: ASKED.points }, (_, i) => i));
    return;
  }
  for (const { count, zeroCount = 0, bucketCounts, positive } of points) {
    const buckets: string[] = bucketCounts ?? positive.bucketCounts;
    expect(buckets.reduce((sum, each) => sum + Number(each), Number(zeroCount))).toBe(Number(count));
  }
}

function expectLogs(items: Json[]): void {
  expect(items).toHaveLength(ASKED.records);
  for (const { item, ...around } of items) {
    const { timeUnixNano, ...rest } = item;
    expect(around).toEqual({ ...AROUND, scope: {} });
    expect(timeUnixNano).toMatch(/^\d{19}$/);
    expect(rest).toEqual({
      severityNumber: 17,
      severityText: 'Error',
      body: { stringValue: ASKED.body },
      attributes: attributesOf({ app: 'server', ...ASKED.item }),
      droppedAttributesCount: 1,
      traceId: ASKED.traceId,
      spanId: ASKED.spanId,
    });
  }
}

/** Go's maps have no order. */
function sortAttributes(item: string): Json {
  return JSON.parse(item, (key, value) => {
    if (key !== 'attributes') return value;
    return value.sort((a: Json, b: Json) => (a.key < b.key ? -1 : 1));
  });
}

function attributesOf(values: Readonly<Record<string, unknown>>): Json[] {
  const keys = Object.keys(values).sort();
  return keys.map((key) => ({ key, value: anyValue(values[key]) }));
}

function anyValue(value: unknown): Json {
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } };
  if (typeof value === 'boolean') return { boolValue: value };
  return typeof value === 'number' ? { intValue: `${value}` } : { stringValue: value };
}
