import { describe, expect, it } from 'vitest';
import { hostOf } from '../../../processors/health/callees.ts';
import type { DeltaSeries } from '../../../proto/windback/health.ts';
import { type Attributes, type SpanSpec, traces } from '../../support/telemetry.ts';
import { CLIENT, CONSUMER, dropped, fold, INTERNAL, joined, PRODUCER, SERVER, span } from './calls-support.ts';
import { Folding, NOW, RESOURCE } from './support.ts';

const call = (own: number, parent: number | undefined, callee: string, rest: Partial<SpanSpec> = {}): SpanSpec =>
  span(CLIENT, own, parent, { attributes: { 'peer.service': callee }, ...rest });
const request = (own: number, rest: Partial<SpanSpec> = {}): SpanSpec => span(SERVER, own, undefined, rest);

describe('the calls of a request', () => {
  it('are those under its span and under the internal spans between, by callee', async () => {
    const folding = await fold([
      [call(1, 10, 'cart'), call(2, 10, 'cart'), call(3, 11, 'payment'), span(INTERNAL, 10, 11), request(11)],
      [call(4, 12, 'cart'), request(12), request(13)],
    ]);
    const series = await folding.series();
    expect(joined(series)).toEqual(['calls op cart 2 0 1x1 2x1', 'calls op payment 1 0 1x1']);
    expect(series.find(({ kind }) => kind === 'calls')).toMatchObject({
      namespace: 'shop',
      service: 'checkout',
      version: '1',
      instance: 'pod-1',
      exemplars: [],
    });
  });

  it('count in the second in which the request ended, whenever they were made', async () => {
    const folding = await fold([[call(1, 2, 'cart', { end: NOW - 3 }), request(2, { end: NOW - 1 })]]);
    const deltas = await folding.deltas();
    expect(deltas.map(({ slot, series }) => [slot - NOW, joined(series).length])).toEqual([[-1, 1]]);
  });

  it('are joined across batches, and those of producers and of consumers are too', async () => {
    const folding = await fold([
      [span(PRODUCER, 1, 2, { attributes: { 'messaging.destination.name': 'orders' } })],
      [span(0, 2, 3)],
      [span(CONSUMER, 3, undefined)],
    ]);
    expect(joined(await folding.series())).toEqual(['calls op orders 1 0 1x1']);
  });

  it('are 63 at most', async () => {
    const many = Array.from({ length: 80 }, (_, i) => call(i + 1, 100, 'db'));
    expect(joined(await (await fold([[...many, request(100)]])).series())).toEqual(['calls op db 1 0 63x1']);
  });

  it('are one where a call consists of another one', async () => {
    const sdk = { attributes: { 'rpc.service': 'S3' } };
    const folding = await fold([[call(1, 2, 'bucket'), span(CLIENT, 2, 3, sdk), request(3)]]);
    expect(joined(await folding.series())).toEqual(['calls op S3 1 0 1x1']);
    expect(await dropped(folding, 'nested')).toBe(1);
  });

  it('are told by the call inside where the one outside does not say whom it calls', async () => {
    const folding = await fold([[call(1, 2, 'cart'), span(CLIENT, 2, 4), span(CLIENT, 3, 4), request(4)]]);
    expect(joined(await folding.series())).toEqual(['calls op cart 1 0 1x1', 'calls op unknown 1 0 1x1']);
  });

  it('do not mix with those of another sender that uses the same ids', async () => {
    const folding = new Folding();
    const other = (changed: Attributes) => ({ ...RESOURCE, ...changed });
    for (const resource of [other({ 'service.name': 'x' }), other({ 'service.instance.id': 'pod-2' })]) {
      await folding.consume(traces({ resource, items: [call(1, 2, 'cart')] }));
    }
    await folding.consume(traces({ resource: RESOURCE, items: [request(2)] }));
    expect(joined(await folding.series())).toEqual([]);
  });

  it('are found again among thousands that wait, each with its sender', async () => {
    const folding = new Folding();
    const resources = Array.from({ length: 400 }, (_, i) => ({ ...RESOURCE, 'service.instance.id': `pod-${i}` }));
    const send = (items: (own: number) => SpanSpec) =>
      folding.consume(traces(...resources.map((resource) => ({ resource, items: [10, 20, 30, 40].map(items) }))));
    await send((own) => call(own + 1, own, `callee ${own}`));
    await send((own) => call(own + 2, own, `callee ${own}`));
    await send((own) => request(own));
    const found = (await folding.series()).filter(({ kind }) => kind === 'calls');
    expect(found).toHaveLength(1600);
    expect(found.filter(({ all, bins }) => all === 1 && bins.bin[0] === 2)).toHaveLength(1600);
    expect(await pending(folding)).toBe(0);
  });

  it('are not counted without a version', async () => {
    const folding = new Folding();
    await folding.consume(traces({ resource: { 'service.name': 'x' }, items: [call(1, 2, 'cart'), request(2)] }));
    expect(joined(await folding.series())).toEqual([]);
  });
});

describe('where the failure of a request came from', () => {
  const bad = { status: 2 };
  const origins = async (...spans: SpanSpec[]) => {
    const found = joined(await (await fold([spans])).series());
    return found.filter((one) => one.startsWith('origin'));
  };

  it('is each callee of which a call failed, once, with the trace', async () => {
    const traceId = 'ab'.repeat(16);
    const folding = await fold([
      [
        call(1, 9, 'cart', bad),
        call(2, 9, 'cart', bad),
        call(3, 9, 'cart'),
        call(4, 8, 'payment', bad),
        call(5, 9, 'db'),
        span(INTERNAL, 8, 9),
        request(9, { ...bad, traceId }),
      ],
    ]);
    const series = (await folding.series()).filter(({ kind }) => kind === 'origin');
    expect(joined(series)).toEqual(['origin op cart 1 1', 'origin op payment 1 1']);
    expect(series.map(({ exemplars }) => exemplars)).toEqual([[traceId], [traceId]]);
  });

  it('is nobody where the request did not fail, or no call did', async () => {
    expect(await origins(call(1, 2, 'cart', bad), request(2))).toEqual([]);
    expect(await origins(call(1, 2, 'cart'), request(2, bad))).toEqual([]);
  });

  it.each<[Attributes, boolean]>([
    [{ 'http.response.status_code': 503 }, true],
    [{ 'http.status_code': 404 }, true],
    [{ 'http.response.status_code': 302 }, false],
    [{ 'rpc.grpc.status_code': 5 }, true],
    [{ 'rpc.response.status_code': 'NOT_FOUND' }, true],
    [{ 'rpc.grpc.status_code': 0 }, false],
  ])('reads the status of a call: %j %s', async (status, failed) => {
    const attributes = { 'peer.service': 'cart', ...status };
    const found = await origins(span(CLIENT, 1, 2, { attributes }), request(2, bad));
    expect(found).toEqual(failed ? ['origin op cart 1 1'] : []);
  });
});

describe('calls that cannot be joined', () => {
  it('wait for a minute of arrival, and are counted then', async () => {
    const folding = new Folding();
    const send = (...items: SpanSpec[]) => folding.consume(traces({ resource: RESOURCE, items }));
    await send(call(1, 10, 'cart'), call(2, 11, 'cart'), call(3, 11, 'payment'));
    await folding.clock.advanceTo((NOW + 60) * 1000);
    await send(request(10));
    await folding.clock.advanceTo((NOW + 61) * 1000);
    await send(request(11));
    expect(joined(await folding.series())).toEqual(['calls op cart 1 0 1x1']);
    expect(await dropped(folding, 'expired')).toBe(2);
  });

  it('wait anew with each further call, and are not the oldest then', async () => {
    const folding = new Folding({ max_pending_calls: 2 });
    const send = (...items: SpanSpec[]) => folding.consume(traces({ resource: RESOURCE, items }));
    await send(call(1, 10, 'cart'), call(2, 11, 'cart'));
    await folding.clock.advanceTo((NOW + 50) * 1000);
    await send(call(3, 10, 'cart'), call(4, 12, 'cart'));
    await folding.clock.advanceTo((NOW + 100) * 1000);
    await send(request(10), request(11), request(12));
    expect(joined(await folding.series())).toEqual(['calls op cart 2 0 1x1 2x1']);
    expect([await dropped(folding, 'table_full'), await dropped(folding, 'expired')]).toEqual([1, 0]);
  });

  it('are the oldest when there are more than max_pending_calls', async () => {
    const calls = [call(1, 11, 'a'), call(2, 11, 'a'), call(3, 12, 'a'), call(4, 13, 'a')];
    const folding = await fold([[...calls, request(11), request(12), request(13)]], { max_pending_calls: 2 });
    expect(joined(await folding.series())).toEqual(['calls op a 2 0 1x2']);
    expect(await dropped(folding, 'table_full')).toBe(2);
  });

  it('are those of no request', async () => {
    const root = span(INTERNAL, 5, undefined);
    const zero = call(3, 0, 'cart');
    const folding = await fold([[call(1, undefined, 'cart'), zero, call(4, 5, 'a'), call(6, 5, 'b'), root]]);
    expect(joined(await folding.series())).toEqual([]);
    expect(await dropped(folding, 'no_request')).toBe(4);
    expect(await pending(folding)).toBe(0);
  });

  it('are those beyond max_series', async () => {
    const folding = await fold([[call(1, 3, 'a'), call(2, 3, 'b'), request(3)]], { max_series: 2 });
    expect(await folding.series()).toHaveLength(2);
    expect(await dropped(folding, 'over_limit')).toBe(1);
  });

  it('never fill the table, whatever names they bear', async () => {
    const calls = Array.from({ length: 100 }, (_, i) => call(i + 1, 500, `callee ${i}`));
    const folding = await fold([calls]);
    expect(await pending(folding)).toBe(33);
    await folding.consume(traces({ resource: RESOURCE, items: [request(500)] }));
    const found = joined(await folding.series());
    expect(found).toHaveLength(33);
    expect(found).toContain('calls op other 1 0 63x1');
    expect(await pending(folding)).toBe(0);
  });
});

async function pending(folding: Folding): Promise<number> {
  const text = await folding.context.meter.text();
  return Number(/^windback_health_pending_calls\{[^}]*\} (\d+)$/m.exec(text)?.[1]);
}

describe('whom a service calls', () => {
  it.each([
    ['payment.shop.svc.cluster.local:50051', 'payment'],
    ['Payment', 'payment'],
    ['payment:80', 'payment'],
    ['10.1.2.3:8080', '10.1.2.3'],
    ['10.1.2.3', '10.1.2.3'],
    ['fd00::17', 'fd00::17'],
    ['[fd00::17]:443', 'fd00::17'],
    ['dns:///payment.shop:50051', 'payment'],
    ['api.stripe.com:443', 'api.stripe.com'],
    ['stripe.com', 'stripe.com'],
    ['db.prod.internal:5432', 'db'],
    ['/run/payment.sock', '/run/payment.sock'],
    ['.', '.'],
    [':80', ':80'],
  ])('by the address %s is %s', (address, name) => {
    expect(hostOf(address)).toBe(name);
  });

  it.each<[Attributes, string]>([
    [{ 'server.address': 'cart.shop:80', 'peer.service': 'cart.v2' }, 'cart.v2'],
    [{ 'net.peer.name': 'cart.shop:80' }, 'cart'],
    [{ 'rpc.service': 'shop.Cart', 'db.system': 'redis' }, 'shop.Cart'],
    [{ 'db.system.name': 'redis' }, 'redis'],
  ])('is named by %j', async (attributes, name) => {
    const folding = await fold([[span(CLIENT, 1, 2, { attributes }), request(2)]]);
    expect(joined(await folding.series())).toEqual([`calls op ${name} 1 0 1x1`]);
  });

  const caller = (own: number, address: string) => [
    span(CLIENT, own, own + 1, { attributes: { 'server.address': address } }),
    request(own + 1),
  ];
  const answer = (service: string, parent: number, kind = SERVER) =>
    traces({
      resource: { ...RESOURCE, 'service.name': service },
      items: [span(kind, parent + 1000, parent, { name: 'answer' })],
    });
  const names = (series: readonly DeltaSeries[]) =>
    series.filter(({ kind, service }) => kind === 'calls' && service === 'checkout').map(({ name }) => name);

  // Ids of which the first four bits of the first byte are 0 are in the sample.
  it.each(['before', 'after'])('is learnt from the telemetry of the service, come %s the call', async (order) => {
    const folding = new Folding();
    if (order === 'before') await folding.consume(answer('payment-svc', 16));
    await folding.consume(traces({ resource: RESOURCE, items: caller(16, '10.0.0.7:80') }));
    if (order === 'after') await folding.consume(answer('payment-svc', 16));
    await folding.consume(traces({ resource: RESOURCE, items: caller(32, '10.0.0.7:80') }));
    await folding.consume(traces({ resource: RESOURCE, items: caller(48, '10.0.0.8:80') }));
    const learnt = ['payment-svc', '10.0.0.8'];
    expect(names(await folding.series())).toEqual(order === 'before' ? learnt : ['10.0.0.7', ...learnt]);
  });

  it('is told apart by caller', async () => {
    const folding = new Folding();
    const resource = { ...RESOURCE, 'service.name': 'other' };
    await folding.consume(traces({ resource, items: caller(16, '10.0.0.7') }));
    await folding.consume(answer('payment-svc', 16));
    await folding.consume(traces({ resource: RESOURCE, items: caller(32, '10.0.0.7') }));
    expect(names(await folding.series())).toEqual(['10.0.0.7']);
  });

  it('is the address again once a second service answers there, as behind a proxy', async () => {
    const folding = new Folding();
    for (const [own, service] of [
      [16, 'cart'],
      [32, 'payment'],
      [48, 'cart'],
    ] as const) {
      await folding.consume(traces({ resource: RESOURCE, items: caller(own, 'proxy:80') }));
      await folding.consume(answer(service, own));
    }
    await folding.consume(traces({ resource: RESOURCE, items: caller(64, 'proxy:80') }));
    const found = (await folding.series()).filter(({ kind, service }) => kind === 'calls' && service === 'checkout');
    expect(found.map(({ name, all }) => `${name} ${all}`)).toEqual(['proxy 3', 'cart 1']);
  });

  it('is one callee where two addresses are those of one service', async () => {
    const folding = new Folding();
    for (const [own, address] of [
      [16, '10.0.0.7'],
      [32, '10.0.0.8'],
    ] as const) {
      await folding.consume(answer('payment', own));
      await folding.consume(traces({ resource: RESOURCE, items: [caller(own, address)[0] as SpanSpec] }));
    }
    const ask = (own: number, address: string, status: number) =>
      span(CLIENT, own, 200, { attributes: { 'server.address': address }, status });
    for (const failing of ['10.0.0.7', '10.0.0.8']) {
      const both = ['10.0.0.7', '10.0.0.8'].map((address, i) => ask(100 + i, address, address === failing ? 2 : 0));
      await folding.consume(traces({ resource: RESOURCE, items: [...both, request(200, { status: 2 })] }));
    }
    expect(joined(await folding.series())).toEqual(['calls op payment 2 0 2x2', 'origin op payment 2 2']);
  });

  it('is not whoever reads the message from the queue', async () => {
    const folding = new Folding();
    const produce = (own: number) =>
      span(PRODUCER, own, own + 1, { attributes: { 'server.address': 'broker', 'messaging.destination.name': 'q' } });
    await folding.consume(traces({ resource: RESOURCE, items: [produce(16), request(17)] }));
    await folding.consume(answer('mailer', 16));
    await folding.consume(answer('mailer', 16, CONSUMER));
    await folding.consume(traces({ resource: RESOURCE, items: [produce(32), request(33)] }));
    const found = (await folding.series()).filter(({ kind }) => kind === 'calls');
    expect(found.map(({ name, all }) => `${name} ${all}`)).toEqual(['broker 2']);
  });

  it('is learnt anew when a service has named more than a thousand, and stays a name', async () => {
    const folding = new Folding();
    const callsOf = (i: number) => span(CLIENT, 5000 + i, 9000 + i, { attributes: { 'peer.service': `callee ${i}` } });
    const all = Array.from({ length: 1500 }, (_, i) => [callsOf(i), request(9000 + i)]).flat();
    await folding.consume(traces({ resource: RESOURCE, items: all }));
    expect(new Set(names(await folding.series())).size).toBe(1500);
  });
});
