/** The parts of the comparison with other collectors: what is sent is what it should be, and what comes out is counted. */
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { bodyOf, type Encoding } from '../../bench/load/body.ts';
import { countItems } from '../../bench/load/count.ts';
import { encodeRequest } from '../../bench/load/encode.ts';
import { Generator } from '../../bench/load/generator.ts';
import { openSender, type Protocol } from '../../bench/load/senders.ts';
import { type Shape, usualShape, variantsOf } from '../../bench/load/shape.ts';
import { Sink } from '../../bench/load/sink.ts';
import type { TelemetrySignal } from '../../proto/otlp/columns.ts';
import { requestType } from '../../proto/otlp/schema.ts';

const SIGNALS = ['traces', 'metrics', 'logs'] as const;
const ENCODINGS = ['identity', 'gzip', 'zstd'] as const;
const PROTOCOLS = ['grpc', 'http'] as const;

type Json = Record<string, any>;

/** A full decode of a request. */
function decoded(signal: TelemetrySignal, bytes: Uint8Array): Json {
  const type = requestType(signal);
  return type.toObject(type.decode(bytes), { longs: String, bytes: String, arrays: true });
}

/** Its items, and the resource of each. */
function itemsOf(signal: TelemetrySignal, bytes: Uint8Array): { item: Json; resource: Json }[] {
  const request = decoded(signal, bytes);
  const groups: Json[] = request.resourceSpans ?? request.resourceMetrics ?? request.resourceLogs;
  return groups.flatMap(({ resource, scopeSpans, scopeMetrics, scopeLogs }) =>
    (scopeSpans ?? scopeMetrics ?? scopeLogs).flatMap((scope: Json) =>
      (scope.spans ?? scope.logRecords ?? scope.metrics.flatMap(pointsOf)).map((item: Json) => ({ item, resource })),
    ),
  );
}

function pointsOf({ gauge, sum, histogram }: Json): Json[] {
  return (gauge ?? sum ?? histogram).dataPoints;
}

/** What is inside of a body, without framing and compression. */
function contentOf(bytes: Buffer, encoding: Encoding): Buffer {
  if (encoding === 'gzip') return gunzipSync(bytes);
  return encoding === 'zstd' ? zstdDecompressSync(bytes) : bytes;
}

function attribute({ attributes }: Json, key: string): any {
  return attributes.find((one: Json) => one.key === key)?.value.stringValue;
}

describe.each(SIGNALS)('requests of %s', (signal) => {
  it.each([1, 2, 3, 17, 512, 2500])('hold %i items, by a full decode and by the count of the sink', (items) => {
    const bytes = encodeRequest(usualShape(signal, items), 1, Date.now());
    expect(itemsOf(signal, bytes)).toHaveLength(items);
    expect(countItems(signal, bytes)).toBe(items);
  });

  it('come from every version and instance in turn', () => {
    const shape: Shape = { ...usualShape(signal, 40), resources: 4, cohorts: 10, operations: 3 };
    const resources = Array.from({ length: variantsOf(shape) }, (_, variant) =>
      itemsOf(signal, encodeRequest(shape, variant, Date.now())),
    ).flatMap((items) => items.map(({ resource }) => resource));
    const distinct = (...keys: string[]) =>
      new Set(resources.map((one) => keys.map((key) => attribute(one, key)).join('|')));
    expect(distinct('service.name', 'service.version').size).toBe(10);
    expect(distinct('service.version').size).toBe(2);
    expect(distinct('service.instance.id').size).toBe(variantsOf(shape) * 4);
  });

  it.each(ENCODINGS)('differ from sending to sending, %s', (encoding) => {
    const request = encodeRequest(usualShape(signal, 20), 0, Date.now());
    const [first, copy] = [bodyOf(request, 20, encoding, false), bodyOf(request, 20, encoding, false).copy()];
    first.stamp(7);
    copy.stamp(7);
    expect(copy.bytes.equals(first.bytes)).toBe(true);
    copy.stamp(8);
    const [one, other] = [first, copy].map(({ bytes }) => itemsOf(signal, contentOf(bytes, encoding)));
    expect(one).toHaveLength(20);
    expect(one?.slice(0, -1)).toEqual(other?.slice(0, -1));
    expect(one?.at(-1)).not.toEqual(other?.at(-1));
  });
});

describe('spans', () => {
  it('are what services send: requests, calls under them, and some 490 bytes each', () => {
    const bytes = encodeRequest(usualShape('traces', 500), 0, Date.now());
    const spans = itemsOf('traces', bytes).map(({ item }) => item);
    const ids = new Map(spans.map((span) => [span.spanId, span]));
    const kinds = spans.map(({ kind }) => kind);
    expect([1, 2, 3].map((kind) => kinds.filter((one) => one === kind).length)).toEqual([100, 200, 200]);
    const children = spans.filter(({ kind }) => kind !== 2);
    expect(children.every(({ parentSpanId, traceId }) => ids.get(parentSpanId)?.traceId === traceId)).toBe(true);
    expect(bytes.length / 500).toBeGreaterThan(470);
    expect(bytes.length / 500).toBeLessThan(510);
  });

  it.each([5, 10, 20, 100])('have %i attributes where that is asked for', (attributes) => {
    const spans = itemsOf('traces', encodeRequest({ ...usualShape('traces', 60), attributes }, 0, Date.now()));
    expect(new Set(spans.map(({ item }) => item.attributes.length))).toEqual(new Set([attributes]));
  });

  it('have as many routes as are asked for', () => {
    const shape = { ...usualShape('traces', 500), operations: 300 };
    const all = Array.from({ length: variantsOf(shape) }, (_, i) => encodeRequest(shape, i, Date.now()));
    const routes = all.flatMap((bytes) => itemsOf('traces', bytes).map(({ item }) => attribute(item, 'http.route')));
    expect(new Set(routes.filter((route) => route !== undefined)).size).toBe(300);
  });
});

describe('generator and sink', () => {
  const sinks: Sink[] = [];
  afterAll(() => {
    for (const sink of sinks) sink.stop();
  });

  async function startSink(): Promise<{ sink: Sink; ports: Record<Protocol, number> }> {
    const sink = new Sink();
    sinks.push(sink);
    return { sink, ports: await sink.start() };
  }

  const ways = SIGNALS.flatMap((signal) =>
    PROTOCOLS.flatMap((protocol) => ENCODINGS.map((encoding) => ({ signal, protocol, encoding }))),
  );

  it.each(ways)('what is sent arrives: $signal, $protocol, $encoding', async ({ signal, protocol, encoding }) => {
    const { sink, ports } = await startSink();
    const target = { protocol, port: ports[protocol], signal, encoding, connections: 2 };
    const generator = await Generator.open({ target, shape: usualShape(signal, 30), streams: 2 });
    // More requests than there are different ones, so that all of them are sent again.
    const sent = await generator.send({ seconds: 0.15 });
    generator.close();
    expect(sent.requests).toBeGreaterThan(0);
    expect(sent.items).toBe(sent.requests * 30);
    expect(sink.received).toMatchObject({ items: sent.items, requests: sent.requests });
    expect(sink.received.trouble).toBeUndefined();
  });

  it('the rate is kept', async () => {
    const { sink, ports } = await startSink();
    const target = {
      protocol: 'http',
      port: ports.http,
      signal: 'traces',
      encoding: 'identity',
      connections: 1,
    } as const;
    const generator = await Generator.open({ target, shape: usualShape('traces', 1), streams: 1 });
    const sent = await generator.send({ seconds: 0.5, rate: 40 });
    generator.close();
    expect(sent.requests).toBe(20);
    expect(sink.received.requests).toBe(20);
  });

  it.each(PROTOCOLS)('an answer that is not OK fails: %s', async (protocol) => {
    const { sink, ports } = await startSink();
    const target = { protocol, port: ports[protocol], signal: 'logs', encoding: 'gzip', connections: 1 } as const;
    const sender = await openSender(target);
    const broken = Buffer.from([1, 0, 0, 0, 3, 9, 9, 9]);
    await expect(sender.send(broken, 0)).rejects.toThrow(protocol === 'grpc' ? /gRPC status 3/ : /HTTP 400/);
    sender.close();
    expect(sink.received.items).toBe(0);
    expect(sink.received.trouble).toBeDefined();
  });
});
