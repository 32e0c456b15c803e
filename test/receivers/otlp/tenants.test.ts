import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ManualClock } from '../../../pipeline/clock.ts';
import { Body } from '../../../receivers/otlp/body.ts';
import { Budget } from '../../../receivers/otlp/budget.ts';
import { otlpReceiverConfig, type TenantsConfig } from '../../../receivers/otlp/config.ts';
import { Content } from '../../../receivers/otlp/content.ts';
import { Tenants } from '../../../receivers/otlp/tenants.ts';
import { EXPORT_METHODS } from '../../../proto/otlp/export.ts';
import { counted, testContext } from '../../support/context.ts';
import { framed, RawGrpc } from '../../support/grpc-raw.ts';
import { requestBytes } from '../../support/otlp-requests.ts';
import { type Started, started } from './started.ts';

const KIB = 1024;
const LIMIT = 64 * KIB;
/** More than half of what a tenant may have in memory, so that a second one does not fit; its columns take less. */
const body = requestOf(37 * KIB, 400);
const PROTOBUF = { 'content-type': 'application/x-protobuf' };

/** What a client is told, alike for every protocol. */
interface Told {
  /** taken, limited, too large, malformed, or a status. */
  readonly outcome: string;
  /** Whether it is told to come again, after how many seconds. */
  readonly pauseSeconds: number | undefined;
}

/** A request of which a part is on its way. */
interface Begun {
  cut(): void;
}

interface Carrier {
  send(at: Started, tenant: string, body: Uint8Array, headers?: Record<string, string>): Promise<Told>;
  /** Sends the head and this much of a body of `body.length` bytes. */
  begin(at: Started, tenant: string, bytes: number): Promise<Begun>;
}

const named = (tenant: string): Record<string, string> => (tenant === '' ? {} : { 'x-scope-orgid': tenant });

function toldByHttp(status: number, retryAfter: string | undefined): Told {
  const outcome = { 200: 'taken', 429: 'limited', 413: 'too large', 400: 'malformed' }[status] ?? `${status}`;
  return { outcome, pauseSeconds: retryAfter === undefined ? undefined : Number(retryAfter) };
}

function placeOf(address: string): { host: string; port: number } {
  const [host = '', port] = address.split(':');
  return { host, port: Number(port) };
}

/** HTTP/1.1, with a length that is told or in chunks. */
function http1(framing: 'length' | 'chunks'): Carrier {
  const fieldsOf = (length: number) =>
    framing === 'length' ? { 'content-length': length } : { 'transfer-encoding': 'chunked' };
  return {
    send: (at, tenant, sent, more = {}) =>
      new Promise((resolve, reject) => {
        const headers = { ...PROTOBUF, ...named(tenant), ...fieldsOf(sent.length), ...more };
        const request = httpRequest({ ...placeOf(at.http), path: '/v1/traces', method: 'POST', headers, agent: false });
        request.on('error', reject);
        request.on('response', (response) => {
          response.resume();
          response.on('end', () =>
            resolve(toldByHttp(response.statusCode ?? 0, response.headers['retry-after'] as string | undefined)),
          );
        });
        request.end(sent);
      }),
    async begin(at, tenant, bytes) {
      const socket = await open(at.http);
      const fields = { host: 'x', ...PROTOBUF, ...named(tenant), ...fieldsOf(body.length) };
      const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(`POST /v1/traces HTTP/1.1\r\n${lines.join('')}\r\n`);
      if (framing === 'chunks') socket.write(`${bytes.toString(16)}\r\n`);
      socket.write(body.subarray(0, bytes));
      return { cut: () => socket.resetAndDestroy() };
    },
  };
}

async function open(address: string): Promise<Socket> {
  const socket = connect(placeOf(address));
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {}).resume();
  await once(socket, 'connect');
  return socket;
}

const http2: Carrier = {
  send(at, tenant, sent, more = {}) {
    const { session, stream } = streamTo(at.http, '/v1/traces', { ...PROTOBUF, ...named(tenant), ...more });
    stream.end(sent);
    return new Promise((resolve, reject) => {
      stream.on('error', reject);
      stream.on('response', (headers) => {
        stream.resume();
        stream.on('end', () => {
          session.destroy();
          resolve(toldByHttp(Number(headers[':status']), headers['retry-after']));
        });
      });
    });
  },
  async begin(at, tenant, bytes) {
    const headers = { ...PROTOBUF, ...named(tenant), 'content-length': `${body.length}` };
    const { session, stream } = streamTo(at.http, '/v1/traces', headers);
    stream.on('error', () => {});
    stream.write(body.subarray(0, bytes));
    return { cut: () => session.destroy() };
  },
};

function streamTo(address: string, path: string, headers: Record<string, string>) {
  const session = connectHttp2(`http://${address}`);
  onTestFinished(() => void session.destroy());
  session.on('error', () => {});
  const stream: ClientHttp2Stream = session.request({ ':method': 'POST', ':path': path, ...headers });
  return { session, stream };
}

const grpc: Carrier = {
  async send(at, tenant, sent, more = {}) {
    const client = new RawGrpc(at.grpc);
    const encoding = more['content-encoding'];
    const headers = { ...named(tenant), ...(encoding !== undefined && { 'grpc-encoding': encoding }) };
    const { code, details } = await client.call({ headers, pieces: [framed(sent, encoding === undefined ? 0 : 1)] });
    client.close();
    const outcome = { 0: 'taken', 14: 'limited', 8: 'too large', 3: 'malformed' }[code] ?? `${code}`;
    const pauseMs = details?.retryDelayMs;
    return { outcome, pauseSeconds: pauseMs === undefined ? undefined : Math.ceil(pauseMs / 1000) };
  },
  async begin(at, tenant, bytes) {
    const headers = { 'content-type': 'application/grpc', te: 'trailers', ...named(tenant) };
    const { session, stream } = streamTo(at.grpc, EXPORT_METHODS.traces, headers);
    stream.on('error', () => {});
    stream.write(framed(body, 0).subarray(0, 5 + bytes));
    return { cut: () => session.destroy() };
  },
};

async function serving(tenants: Record<string, unknown>, own: Record<string, unknown> = {}, clock?: ManualClock) {
  const context = testContext('otlp', clock && { clock });
  const at = await started({}, { tenants, ...own }, { context });
  onTestFinished(() => at.receiver.stop(AbortSignal.timeout(5000)));
  return at;
}

/** Lets what is sent wait in the pipeline. */
function hold(at: Started): { came(requests: number): Promise<void>; release(): void } {
  let release = (): void => {};
  let waiting = 0;
  const wait = new Promise<void>((resolve) => (release = resolve));
  at.sink.answer = () => {
    waiting++;
    return wait;
  };
  return {
    async came(requests) {
      await expect.poll(() => waiting).toBe(requests);
    },
    release,
  };
}

/** So many bytes have come over all connections. */
async function came(at: Started, bytes: number): Promise<void> {
  await expect
    .poll(() => at.receiver.load().reduce((sum, load) => sum + load.bytes, 0), { interval: 5 })
    .toBeGreaterThan(bytes);
}

const refusals = async (at: Started, reason: string) => {
  const labels = { signal: 'traces', reason };
  const of = (transport: string) =>
    counted(at.context, 'windback_receiver_refused_requests_total', { ...labels, transport });
  return (await of('http')) + (await of('grpc'));
};

/** Nothing is held of a tenant where a request that takes all it may have is taken. */
const isWhole = async (carrier: Carrier, at: Started, tenant: string) =>
  expect(await carrier.send(at, tenant, whole)).toMatchObject({ outcome: 'taken' });

/** A request of just so many bytes: spans, and a field that nobody knows. */
function requestOf(bytes: number, count = 1): Buffer {
  const spans = Buffer.from(requestBytes('traces', count));
  const size = bytes - spans.length - 5;
  const head = [0xfa, 0x3f, (size & 0x7f) | 0x80, ((size >> 7) & 0x7f) | 0x80, size >> 14];
  return Buffer.concat([spans, Buffer.from(head), Buffer.alloc(size)]);
}
const whole = requestOf(LIMIT);

test('the requests are of the sizes that these tests want', () => {
  expect(body.length).toBeGreaterThan(LIMIT / 2);
  expect(body.length).toBeLessThan(LIMIT);
  expect(whole).toHaveLength(LIMIT);
});

describe.each([
  ['HTTP/1.1', http1('length')],
  ['HTTP/1.1 in chunks', http1('chunks')],
  ['HTTP/2', http2],
  ['gRPC', grpc],
])('over %s', (_, carrier) => {
  const LIMITED = { outcome: 'limited', pauseSeconds: 1 };
  const TAKEN = { outcome: 'taken', pauseSeconds: undefined };

  test('what one holds is not in the way of another, and comes back with the answer', async () => {
    const at = await serving({ max_in_flight: '64KiB' });
    const pipeline = hold(at);
    const first = carrier.send(at, 'a', body);
    const other = carrier.send(at, 'b', body);
    const unnamed = carrier.send(at, '', body);
    await pipeline.came(3);
    for (const tenant of ['a', 'b', '']) expect(await carrier.send(at, tenant, body)).toEqual(LIMITED);
    expect(at.sink.items('traces')).toBe(0);
    pipeline.release();
    expect(await Promise.all([first, other, unnamed])).toEqual([TAKEN, TAKEN, TAKEN]);
    for (const tenant of ['a', 'b', '']) await isWhole(carrier, at, tenant);
  });

  test('what a refused request had sent comes back', async () => {
    const at = await serving({ max_in_flight: '64KiB' });
    for (let i = 0; i < 20; i++) {
      expect((await carrier.send(at, 'a', requestOf(LIMIT + 1))).outcome).toBe('too large');
      expect((await carrier.send(at, 'a', Buffer.alloc(LIMIT / 2, 0xff))).outcome).toBe('malformed');
      const gzip = { 'content-encoding': 'gzip' };
      expect((await carrier.send(at, 'a', body, gzip)).outcome).toBe('malformed');
    }
    await isWhole(carrier, at, 'a');
  });

  test('what connections had sent that are cut in a body comes back', async () => {
    const at = await serving({ max_in_flight: '64KiB' });
    for (let i = 1; i <= 5; i++) {
      const begun = await carrier.begin(at, 'a', body.length - 1);
      await came(at, body.length - 1);
      expect(await carrier.send(at, 'a', body)).toEqual(LIMITED);
      expect(await carrier.send(at, 'b', body)).toEqual(TAKEN);
      begun.cut();
      await expect.poll(() => refusals(at, 'cancelled')).toBe(i);
      await isWhole(carrier, at, 'a');
    }
  });

  test('more than its tenant may ever have is refused for good, compressed as well', async () => {
    const at = await serving({ overrides: { a: { max_in_flight: '64KiB' } } });
    const larger = requestOf(LIMIT + 1);
    expect(await carrier.send(at, 'a', larger)).toEqual({ outcome: 'too large', pauseSeconds: undefined });
    const gzip = { 'content-encoding': 'gzip' };
    const packed = gzipSync(larger);
    expect(await carrier.send(at, 'a', packed, gzip)).toEqual({ outcome: 'too large', pauseSeconds: undefined });
    expect(await carrier.send(at, 'b', larger)).toEqual(TAKEN);
    expect(await carrier.send(at, 'b', packed, gzip)).toEqual(TAKEN);
    expect(await refusals(at, 'too_large')).toBe(2);
  });

  test('what inflates to more than is free now may come again', async () => {
    const at = await serving({ max_in_flight: '64KiB' });
    const pipeline = hold(at);
    const first = carrier.send(at, 'a', body);
    await pipeline.came(1);
    const gzip = { 'content-encoding': 'gzip' };
    expect(await carrier.send(at, 'a', gzipSync(body), gzip)).toEqual(LIMITED);
    pipeline.release();
    expect(await first).toEqual(TAKEN);
    expect(await carrier.send(at, 'a', gzipSync(body), gzip)).toEqual(TAKEN);
  });

  test('a tenant that has sent more than its rate allows waits as long as it is told', async () => {
    const clock = new ManualClock();
    const at = await serving({ max_bytes_per_second: `${body.length}B` }, {}, clock);
    // Two seconds of it at once, and who has any of it left may pass it.
    for (const sent of [body, whole]) expect(await carrier.send(at, 'a', sent)).toEqual(TAKEN);
    const told = await carrier.send(at, 'a', body);
    expect(told.outcome).toBe('limited');
    const pauseSeconds = told.pauseSeconds ?? 0;
    expect(pauseSeconds).toBe(1);
    expect(await carrier.send(at, 'b', body)).toEqual(TAKEN);
    await clock.advanceTo(pauseSeconds * 1000);
    expect(await carrier.send(at, 'a', body)).toEqual(TAKEN);
    expect(await refusals(at, 'tenant_limit')).toBe(1);
  });
});

test('a tenant is one over all protocols', async () => {
  const at = await serving({ max_in_flight: '64KiB' });
  const pipeline = hold(at);
  const first = grpc.send(at, 'a', body);
  await pipeline.came(1);
  expect((await http2.send(at, 'a', body)).outcome).toBe('limited');
  expect((await http1('length').send(at, 'a', body)).outcome).toBe('limited');
  pipeline.release();
  expect((await first).outcome).toBe('taken');
});

test('another header, and limits of single tenants', async () => {
  const at = await serving({ header: 'Team', max_in_flight: '8KiB', overrides: { big: { max_in_flight: '64KiB' } } });
  const send = (team: string) => http2.send(at, 'ignored', body, { team });
  expect((await send('big')).outcome).toBe('taken');
  expect((await send('small')).outcome).toBe('too large');
  // What every object has is no name of a tenant with limits.
  expect((await send('constructor')).outcome).toBe('too large');
});

test('what is refused names the key and the tenant', () => {
  const tenants = {
    max_in_flight: '100B',
    max_bytes_per_second: '100B',
    overrides: { big: { max_in_flight: '200B' } },
  };
  const config = otlpReceiverConfig.parse({ protocols: { grpc: {} }, tenants }).tenants as TenantsConfig;
  const all = new Tenants(config, new Budget(1000), new ManualClock());
  const begun = (budget: Budget, bytes: number) => new Body(budget, 10_000, bytes);
  const [a, big, unnamed] = ['a', 'big', ''].map((name) => all.budgetFor(named(name))) as [Budget, Budget, Budget];
  expect(() => begun(a, 101)).toThrow('101 bytes, where tenants.max_in_flight of tenant a allows 100');
  expect(() => begun(big, 201)).toThrow('tenants.overrides.big.max_in_flight of tenant big allows 200');
  expect(() => begun(unnamed, 101)).toThrow('of requests without header X-Scope-OrgID allows 100');
  a.take(60);
  expect(() => begun(a, 41)).toThrow('60 of 100 bytes of tenants.max_in_flight of tenant a are in use');
  unnamed.came(200);
  expect(() => all.budgetFor({})).toThrow('requests without header X-Scope-OrgID may send 100 bytes a second');
  const packed = begun(all.budgetFor(named('b')), 40);
  packed.push(gzipSync(Buffer.alloc(101)));
  expect(() => new Content(packed).inflate('gzip', 10_000)).toThrow(': the limit is tenants.max_in_flight of tenant b');
});

test('all tenants together stay within max_in_flight of the receiver', async () => {
  const at = await serving({ max_in_flight: '64KiB' }, { max_in_flight: '128KiB' });
  const pipeline = hold(at);
  const first = ['a', 'b', 'c'].map((tenant) => grpc.send(at, tenant, body));
  await pipeline.came(3);
  // Of its own it has enough.
  expect((await grpc.send(at, 'd', body)).outcome).toBe('limited');
  expect(await refusals(at, 'memory_limit')).toBe(1);
  pipeline.release();
  expect((await Promise.all(first)).map(({ outcome }) => outcome)).toEqual(['taken', 'taken', 'taken']);
});

describe('names that strangers make up', () => {
  const TENANTS_MAX = 10_000;
  /** Of 100 bytes a second each, and of a name of 300 characters more. */
  function tenantsOf(clock = new ManualClock()) {
    const overrides = { ['o'.repeat(300)]: { max_bytes_per_second: '7B' } };
    const tenants = { max_bytes_per_second: '100B', overrides };
    const config = otlpReceiverConfig.parse({ protocols: { grpc: {} }, tenants }).tenants as TenantsConfig;
    const all = new Tenants(config, new Budget(1024 * KIB), clock);
    return (name: string) => all.budgetFor(named(name));
  }

  test('that are too long share the limits of one, but for those that the configuration has', () => {
    const budgetFor = tenantsOf();
    const others = budgetFor('a'.repeat(257));
    expect(budgetFor('b'.repeat(16 * KIB))).toBe(others);
    const own = [budgetFor('a'.repeat(256)), budgetFor('b'.repeat(256)), budgetFor('o'.repeat(300))];
    expect(new Set([others, ...own]).size).toBe(4);
    own[2]?.came(14);
    expect(() => budgetFor('o'.repeat(300))).toThrow('may send 7 bytes a second');
  });

  test('have all tenants looked at once a second at most, for those that are idle', async () => {
    const clock = new ManualClock();
    const budgetFor = tenantsOf(clock);
    const others = budgetFor('a'.repeat(257));
    const busy = Array.from({ length: TENANTS_MAX }, (_, i) => budgetFor(`${i}`));
    for (const budget of busy) budget.take(1);
    expect(budgetFor('new')).toBe(others);
    // Idle, but nobody looks yet.
    for (const budget of busy) budget.give(1);
    await clock.advanceTo(999);
    expect(budgetFor('new')).toBe(others);
    await clock.advanceTo(1000);
    expect(budgetFor('new')).not.toBe(others);
    expect(budgetFor('0')).not.toBe(busy[0]);
  });

  test('keep nothing alive of the heads that they came in', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const budgetFor = tenantsOf();
    const used = () => {
      collect();
      return process.memoryUsage().heapUsed;
    };
    const before = used();
    const headBytes = 16 * KIB;
    for (let i = 0; i < 2000; i++) {
      const head = Buffer.alloc(headBytes, `a head, ${i} `).toString('latin1');
      budgetFor(head.slice(0, 20));
    }
    expect(used() - before).toBeLessThan((2000 * headBytes) / 4);
  });
});
