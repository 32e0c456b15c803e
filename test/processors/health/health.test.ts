import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TelemetryBatch } from '../../../pipeline/batch.ts';
import { PipelineError } from '../../../pipeline/errors.ts';
import type { DeltaSeries, HealthDelta } from '../../../proto/windback/health.ts';
import { binOf, upperBoundNs } from '../../../proto/windback/latency-bins.ts';
import { counted } from '../../support/context.ts';
import { type Attributes, decoded, logs, type LogSpec, type SpanSpec, traces } from '../../support/telemetry.ts';
import { Folding, NOW, RESOURCE, totals } from './support.ts';

const spans = (...items: SpanSpec[]) => traces({ resource: RESOURCE, items });
const records = (...items: LogSpec[]) => logs({ resource: RESOURCE, items });

async function fold(batch: TelemetryBatch, config: Record<string, unknown> = {}) {
  const folding = new Folding(config);
  await folding.consume(batch);
  return folding;
}

describe('a request failed', () => {
  const isBad = async (spec: Partial<SpanSpec>, config: Record<string, unknown> = {}) => {
    const { all, bad } = totals(await (await fold(spans({ end: NOW, ...spec }), config)).series(), 'span');
    expect(all).toBe(1);
    return bad === 1;
  };

  it.each<[string, Partial<SpanSpec>, boolean]>([
    ['status unset', {}, false],
    ['status ok', { status: 1 }, false],
    ['status error', { status: 2 }, true],
    ['HTTP 200', { attributes: { 'http.response.status_code': 200 } }, false],
    ['HTTP 404', { attributes: { 'http.response.status_code': 404 } }, false],
    ['HTTP 499', { attributes: { 'http.response.status_code': 499 } }, false],
    ['HTTP 500', { attributes: { 'http.response.status_code': 500 } }, true],
    ['HTTP 503, the old name', { attributes: { 'http.status_code': 503 } }, true],
    ['HTTP 200 with status error', { status: 2, attributes: { 'http.response.status_code': 200 } }, true],
    ['HTTP 500 with status ok', { status: 1, attributes: { 'http.response.status_code': 500 } }, true],
    ['gRPC 0', { attributes: { 'rpc.grpc.status_code': 0 } }, false],
    ['gRPC 5 NOT_FOUND', { attributes: { 'rpc.grpc.status_code': 5 } }, false],
    ['gRPC 13 INTERNAL', { attributes: { 'rpc.grpc.status_code': 13 } }, true],
    ['gRPC 14 as text', { attributes: { 'rpc.grpc.status_code': '14' } }, true],
    ['gRPC UNAVAILABLE', { attributes: { 'rpc.response.status_code': 'UNAVAILABLE' } }, true],
    ['gRPC unavailable', { attributes: { 'rpc.status_code': 'unavailable' } }, true],
    ['gRPC NOT_FOUND', { attributes: { 'rpc.response.status_code': 'NOT_FOUND' } }, false],
    ['another RPC system', { attributes: { 'rpc.response.status_code': 'E_OOPS' } }, false],
    ['a consumer that fails', { kind: 5, status: 2 }, true],
  ])('%s: %s %s', async (_name, spec, expected) => {
    expect(await isBad(spec)).toBe(expected);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])('gRPC %i by the conventions', async (code) => {
    const serverErrors = [2, 4, 12, 13, 14, 15];
    expect(await isBad({ attributes: { 'rpc.grpc.status_code': code } })).toBe(serverErrors.includes(code));
  });

  it('counts 4xx where it is asked to', async () => {
    const config = { count_http_4xx: true };
    expect(await isBad({ attributes: { 'http.response.status_code': 404 } }, config)).toBe(true);
    expect(await isBad({ attributes: { 'http.response.status_code': 302 } }, config)).toBe(false);
  });
});

describe('a batch that was scanned without attributes, before anybody asked for them', () => {
  const attributes = { 'http.response.status_code': 500, 'http.route': '/pay' };

  it('is scanned with them', async () => {
    const { signal, bytes } = spans({ end: NOW, name: 'GET', attributes });
    const [series] = await (await fold(TelemetryBatch.open(signal, bytes, undefined, false))).series();
    expect(series).toMatchObject({ operation: '/pay', all: 1, bad: 1 });
  });
});

describe('what is a request', () => {
  it('is a server or consumer span, and nothing else', async () => {
    const kinds = [0, 1, 2, 3, 4, 5].map((kind) => ({ end: NOW, kind, name: `kind ${kind}` }));
    const folding = await fold(spans(...kinds));
    expect((await folding.series()).map(({ operation }) => operation)).toEqual(['kind 2', 'kind 5']);
    expect([await folding.folded('traces'), await folding.ignored('traces', 'not_a_request')]).toEqual([2, 4]);
  });

  it.each<[Partial<SpanSpec>, string]>([
    [{ name: 'GET', attributes: { 'http.request.method': 'GET', 'http.route': '/pay/:id' } }, 'GET /pay/:id'],
    [{ name: 'GET', attributes: { 'http.route': '/pay', 'http.method': 'PUT' } }, 'PUT /pay'],
    [{ name: 'GET /pay', attributes: { 'http.route': '/pay' } }, '/pay'],
    [{ name: 'GET', attributes: { 'http.request.method': 'GET' } }, 'GET'],
    [{ name: 'GET /raw/1', attributes: { 'http.request.method': 'GET' } }, 'GET /raw/1'],
    [{ name: 'shop.Cart/Add', attributes: { 'rpc.system': 'grpc' } }, 'shop.Cart/Add'],
    [{ kind: 5, name: 'receive', attributes: { 'messaging.destination.name': 'orders' } }, 'orders'],
    [{ name: 'crünch' }, 'crünch'],
    [{ name: '' }, ''],
  ])('is named: %j', async (spec, operation) => {
    const [found] = await (await fold(spans({ end: NOW, ...spec }))).series();
    expect(found?.operation).toBe(operation);
  });

  it('names the cohort and the instance', async () => {
    const [found] = await (await fold(spans({ end: NOW }))).series();
    expect(found).toMatchObject({
      namespace: 'shop',
      service: 'checkout',
      environment: 'prod',
      version: '1',
      instance: 'pod-1',
      kind: 'span',
    });
  });

  it('is folded into `other` beyond max_operations, per service key', async () => {
    const config = { max_operations: 3 };
    const folding = new Folding(config);
    const many = Array.from({ length: 10 }, (_, i) => ({ end: NOW, name: `op ${i % 5}` }));
    await folding.consume(spans(...many));
    await folding.consume(traces({ resource: { ...RESOURCE, 'service.name': 'cart' }, items: many.slice(3, 5) }));
    const found = (await folding.series()).map(({ service, operation, all }) => `${service} ${operation} ${all}`);
    expect(found.sort()).toEqual([
      'cart op 3 1',
      'cart op 4 1',
      'checkout op 0 2',
      'checkout op 1 2',
      'checkout op 2 2',
      'checkout other 4',
    ]);
  });

  it('is told apart by name, however many there are up to the limit', async () => {
    const folding = new Folding();
    const many = Array.from({ length: 250 }, (_, i) => ({ end: NOW, name: `operation ${i}` }));
    await folding.consume(spans(...many));
    await folding.consume(spans(...many));
    const found = new Map((await folding.series()).map(({ operation, all }) => [operation, all]));
    expect(found.size).toBe(201);
    expect(found.get('operation 0')).toBe(2);
    expect(found.get('operation 199')).toBe(2);
    expect(found.get('other')).toBe(100);
  });

  it('keeps names apart that only look alike when joined', async () => {
    const named = (method: string, route: string) => ({
      end: NOW,
      attributes: { 'http.request.method': method, 'http.route': route },
    });
    const found = await (await fold(spans(named('GET', '/x'), named('GET/', 'x'), named('G', 'ET/x')))).series();
    expect(found.map(({ operation }) => operation)).toEqual(['GET /x', 'GET/ x', 'G ET/x']);
  });

  it('is only counted, as nobody knows whose, without a version', async () => {
    const folding = await fold(traces({ resource: { 'service.name': 'x' }, items: [{ end: NOW }, { end: NOW }] }));
    const nothing = { bad: 0, bins: { bin: [], count: [] }, exemplars: [] };
    expect(await folding.series()).toMatchObject([{ version: 'unknown', operation: 'other', all: 2, ...nothing }]);
    expect(await folding.ignored('traces', 'unknown_version')).toBe(2);
  });

  it('has its duration, exact to the bin', async () => {
    const found = await (await fold(spans({ end: NOW, durationMs: 100 }, { end: NOW, durationMs: 100 }))).series();
    expect(found[0]?.bins).toEqual({ bin: [binOf(100e6)], count: [2] });
    expect(upperBoundNs(binOf(100e6)) / 100e6).toBeLessThan(1.022);
  });

  it('leaves trace ids of failed ones, the smallest', async () => {
    const id = (i: number) => i.toString(16).padStart(32, '0');
    const failed = Array.from({ length: 30 }, (_, i) => ({ end: NOW, status: 2, traceId: id(((i * 7) % 30) + 1) }));
    const twice = failed.slice(0, 15);
    const [found] = await (await fold(spans(...failed, ...twice, { end: NOW, traceId: id(0xff) }))).series();
    expect(found?.exemplars).toEqual(Array.from({ length: 10 }, (_, i) => id(i + 1)));
  });
});

describe('time', () => {
  const slots = async (folding: Folding) => (await folding.deltas()).map(({ slot }) => slot);

  it('is the second in which a request ended', async () => {
    const folding = await fold(
      spans({ end: NOW - 2.001, durationMs: 5000 }, { end: NOW - 2 }, { end: NOW - 1.5 }, { end: NOW - 0.999_999 }),
    );
    const found = (await folding.deltas()).map(({ slot, series }) => [slot - NOW, totals(series, 'span').all]);
    expect(found).toEqual([
      [-3, 1],
      [-2, 2],
      [-1, 1],
    ]);
  });

  it('is that of the arrival where a clock is off by more than max_skew, and that is counted', async () => {
    const folding = await fold(spans({ end: NOW - 61 }, { end: NOW + 61 }, { end: NOW - 60 }, { end: NOW + 60 }), {
      max_skew: '1m',
    });
    expect(await slots(folding)).toEqual([NOW - 60, NOW, NOW + 60]);
    expect([await folding.ignored('traces', 'clock_skew'), await folding.folded('traces')]).toEqual([2, 4]);
  });

  it.each([
    ['unset', 0],
    ['1970', 1000],
    ['2200', 7_258_118_400],
    ['over a day off', NOW - 90_000],
  ])('that is absurd (%s) is counted and not judged', async (_name, end) => {
    const folding = await fold(spans({ end, durationMs: 0 }));
    expect(await folding.series()).toEqual([]);
    expect(await folding.ignored('traces', 'absurd_time')).toBe(1);
    const logged = await fold(records({ time: end, severity: 17 }));
    expect(await logged.series()).toEqual([]);
    expect(await logged.ignored('logs', 'absurd_time')).toBe(1);
  });

  it('that ends before it began is counted and not judged', async () => {
    const folding = await fold(spans({ end: NOW, durationMs: -1 }, { end: NOW, durationMs: 0 }));
    expect(totals(await folding.series(), 'span').all).toBe(1);
    expect(await folding.ignored('traces', 'absurd_duration')).toBe(1);
  });
});

describe('logs', () => {
  it('are bad from severity ERROR on', async () => {
    const severities = [0, 9, 13, 16, 17, 20, 21, 24];
    const folding = await fold(records(...severities.map((severity) => ({ time: NOW, severity }))));
    expect(totals(await folding.series(), 'log')).toEqual({ all: 8, bad: 4 });
    const [found] = await folding.series();
    expect(found).toMatchObject({ operation: '', kind: 'log', bins: { bin: [], count: [] } });
  });

  it('leave the trace ids of errors', async () => {
    const traceId = 'ab'.repeat(16);
    const [found] = await (
      await fold(records({ time: NOW, severity: 17, traceId }, { time: NOW, severity: 9 }))
    ).series();
    expect(found?.exemplars).toEqual([traceId]);
  });

  it('carry deployment events, which are no records', async () => {
    const attributes: Attributes = {
      'service.version': '2',
      'deployment.previous_version': '1',
      'deployment.status': 'started',
      'deployment.instances': 1,
      'deployment.instances.total': 4,
    };
    const folding = await fold(records({ time: NOW - 3.5, eventName: 'deployment', attributes }));
    expect(await folding.events()).toEqual([
      {
        namespace: 'shop',
        service: 'checkout',
        environment: 'prod',
        version: '2',
        previousVersion: '1',
        status: 'started',
        weight: 0.25,
        atSeconds: NOW - 4,
      },
    ]);
    expect(await folding.series()).toEqual([]);
  });

  it.each<[Attributes, number | null]>([
    [{ 'deployment.weight': 0.3 }, 0.3],
    [{ 'deployment.weight': 1 }, 1],
    // Percent or a slip? One per cent would read as all of it, so nothing above 1 is a share.
    [{ 'deployment.weight': 30 }, null],
    [{ 'deployment.weight': 0 }, 0],
    [{ 'deployment.weight': '0.25' }, 0.25],
    [{ 'deployment.weight': -1 }, null],
    [{ 'deployment.weight': 'half' }, null],
    [{ 'deployment.instances': 3, 'deployment.instances.total': 0 }, null],
    [{ 'deployment.instances': 5, 'deployment.instances.total': 4 }, 1],
    [{}, null],
  ])('read the share from %j', async (attributes, weight) => {
    const event = { time: NOW, eventName: 'deployment', attributes: { 'service.version': '2', ...attributes } };
    expect((await (await fold(records(event))).events())[0]?.weight).toBe(weight);
  });

  it('count a deployment event that names no version as malformed, and take one from an unknown version', async () => {
    const folding = new Folding();
    await folding.consume(records({ time: NOW, eventName: 'deployment' }));
    expect(await folding.ignored('logs', 'malformed')).toBe(1);
    await folding.consume(
      logs({
        resource: { 'service.name': 'ci' },
        items: [{ time: NOW, eventName: 'deployment', attributes: { 'service.version': '3' } }, { time: NOW }],
      }),
    );
    expect((await folding.events()).map(({ service, version }) => `${service} ${version}`)).toEqual(['ci 3']);
    expect(await folding.ignored('logs', 'unknown_version')).toBe(1);
  });
});

describe('the pipeline', () => {
  it('gets every request as it was, and deltas only of what it has taken', async () => {
    const folding = new Folding();
    const batch = spans({ end: NOW });
    const before = decoded(batch);
    folding.sink.answer = async ({ signal }) => {
      if (signal !== 'health') throw new PipelineError('queue_full', 'told to');
    };
    await expect(folding.consume(batch)).rejects.toMatchObject({ code: 'queue_full' });
    expect(await folding.series()).toEqual([]);
    folding.sink.answer = async () => {};
    await folding.consume(batch);
    expect(totals(await folding.series(), 'span').all).toBe(1);
    expect(decoded(folding.sink.telemetry('traces')[0] as TelemetryBatch).resourceSpans[0].scopeSpans).toEqual(
      before.resourceSpans[0].scopeSpans,
    );
  });

  it('gets the deltas every flush_interval, ascending by slot, and each once', async () => {
    const folding = new Folding({ flush_interval: '2s' });
    await folding.folder.start();
    await folding.consume(spans({ end: NOW - 1 }, { end: NOW - 30 }, { end: NOW - 2 }));
    await folding.clock.advanceTo(NOW * 1000 + 1999);
    expect(folding.sink.batches.filter(({ signal }) => signal === 'health')).toHaveLength(0);
    await folding.clock.advanceTo(NOW * 1000 + 6000);
    const flushed = folding.sink.batches.filter(({ signal }) => signal === 'health');
    expect(flushed).toHaveLength(1);
    expect((await folding.deltas()).map(({ slot }) => slot)).toEqual([NOW - 30, NOW - 2, NOW - 1]);
    expect(await counted(folding.context, 'windback_health_deltas_total', { processor: 'health' })).toBe(3);
  });

  it('never has more series than max_series in one flush, and begins anew after it', async () => {
    const folding = new Folding({ max_series: 3 });
    await folding.folder.start();
    const many = Array.from({ length: 5 }, (_, i) => ({ end: NOW, name: `op ${i}` }));
    await folding.consume(spans(...many));
    await folding.clock.advanceTo(NOW * 1000 + 1000);
    await folding.consume(spans(many[4] as SpanSpec));
    expect(await folding.series()).toHaveLength(4);
    expect(await folding.ignored('traces', 'over_limit')).toBe(2);
  });

  it('is told of deltas that nobody takes', async () => {
    const folding = new Folding();
    folding.sink.answer = async ({ signal }) => {
      if (signal === 'health') throw new PipelineError('stopping', 'told to');
    };
    await folding.consume(spans({ end: NOW }));
    await folding.folder.stop();
    const labels = { processor: 'health', signal: 'health', reason: 'stopping' };
    expect(await counted(folding.context, 'windback_processor_dropped_items_total', labels)).toBe(1);
  });
});

describe('merging', () => {
  /** Deltas added up: what the judge makes of them, whatever their grouping. */
  function merged(deltas: readonly HealthDelta[]): unknown[] {
    const sums = new Map<string, { all: number; bad: number; bins: Map<number, number>; exemplars: string[] }>();
    for (const { slot, series } of deltas) for (const one of series) addUp(sums, slot, one);
    return [...sums]
      .map(([key, { bins, ...rest }]) => [key, rest, [...bins].sort(([a], [b]) => a - b)])
      .sort(([a], [b]) => ((a as string) < (b as string) ? -1 : 1));
  }

  function addUp(sums: Map<string, any>, slot: number, series: DeltaSeries): void {
    const { version, instance, operation, kind, all, bad, bins, exemplars } = series;
    const key = JSON.stringify([slot, version, instance, operation, kind]);
    const sum = sums.get(key) ?? { all: 0, bad: 0, bins: new Map<number, number>(), exemplars: [] };
    sum.all += all;
    sum.bad += bad;
    bins.bin.forEach((bin, i) => sum.bins.set(bin, (sum.bins.get(bin) ?? 0) + (bins.count[i] as number)));
    sum.exemplars = [...new Set([...sum.exemplars, ...exemplars])].sort().slice(0, 10);
    sums.set(key, sum);
  }

  const span = fc.record({
    name: fc.constantFrom('a', 'b', 'c'),
    end: fc.integer({ min: NOW - 5, max: NOW }),
    durationMs: fc.integer({ min: 0, max: 2000 }),
    status: fc.constantFrom(0, 2),
    kind: fc.constantFrom(2, 3, 5),
    traceId: fc.nat(0xffff).map((n) => (n + 1).toString(16).padStart(32, '0')),
  });
  const item = fc.record({ version: fc.constantFrom('1', '2'), instance: fc.constantFrom('x', 'y'), span });

  it('gives the same sums for any partition and order of the same telemetry', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(item, { maxLength: 60 }),
        fc.integer({ min: 1, max: 4 }),
        fc.nat(),
        async (items, n, salt) => {
          const request = ({ version, instance, span: spec }: (typeof items)[number]) =>
            traces({
              resource: { ...RESOURCE, 'service.version': version, 'service.instance.id': instance },
              items: [spec],
            });
          const one = new Folding();
          for (const each of items) await one.consume(request(each));
          const several = Array.from({ length: n }, () => new Folding());
          for (const [i, each] of [...items].reverse().entries()) {
            await several[(i * 7 + salt) % n]?.consume(request(each));
          }
          const parts = await Promise.all(several.map((folding) => folding.deltas()));
          expect(merged(parts.flat())).toEqual(merged(await one.deltas()));
        },
      ),
      { seed: 6, numRuns: 60 },
    );
  });
});
