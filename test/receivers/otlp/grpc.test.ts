import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Signal } from '../../../pipeline/batch.ts';
import { PipelineError } from '../../../pipeline/errors.ts';
import { EXPORT_METHODS } from '../../../proto/otlp/export.ts';
import { percentEncode } from '../../../receivers/otlp/grpc-answer.ts';
import { counted, Sink } from '../../support/context.ts';
import { framed, RawGrpc } from '../../support/grpc-raw.ts';
import { requestBytes } from '../../support/otlp-requests.ts';
import { type Started, started } from './started.ts';

const LIMIT = 1024 * 1024;
const IN_FLIGHT = 4 * LIMIT;
const spans = requestBytes('traces', 100);

let at: Started;
let client: RawGrpc;

beforeEach(async () => {
  at = await started({ max_request_size: '1MiB', request_timeout: '1500ms' }, { max_in_flight: '4MiB' });
  client = new RawGrpc(at.grpc);
});
afterEach(async () => {
  client.close();
  await at.receiver.stop(AbortSignal.timeout(5000));
});

const refusedRequests = (reason: string) =>
  counted(at.context, 'windback_receiver_refused_requests_total', { transport: 'grpc', signal: 'traces', reason });
const refusedItems = (reason: string) =>
  counted(at.context, 'windback_receiver_refused_items_total', { transport: 'grpc', signal: 'traces', reason });

/** As many requests of the largest size at once as `max_in_flight` holds: they fit only if nothing else is held. */
async function expectNothingHeld(): Promise<void> {
  const largest = framed(Buffer.concat([spans, unknownField(LIMIT - spans.length)]));
  const answers = await Promise.all(
    Array.from({ length: IN_FLIGHT / LIMIT }, () => client.call({ pieces: [largest] })),
  );
  expect(answers.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
}

/** A field that no OTLP message has, `length` bytes long in all. */
function unknownField(length: number): Buffer {
  const header = Buffer.from([0xfa, 0x3f, 0, 0, 0]);
  const size = length - header.length;
  header.set([(size & 0x7f) | 0x80, ((size >> 7) & 0x7f) | 0x80, size >> 14], 2);
  return Buffer.concat([header, Buffer.alloc(size)]);
}

describe('a request that is right', () => {
  test.each([
    ['in one piece', [framed(spans)]],
    [
      'byte by byte',
      [...[...framed(spans).subarray(0, 200)].map((byte) => Buffer.from([byte])), framed(spans).subarray(200)],
    ],
    ['prefix and message apart', [framed(spans).subarray(0, 5), spans]],
    ['prefix in two', [framed(spans).subarray(0, 3), framed(spans).subarray(3)]],
  ])('%s', async (_, pieces) => {
    const answer = await client.call({ pieces });
    expect(answer).toMatchObject({ httpStatus: 200, code: 0, body: Buffer.alloc(5) });
    expect(answer.headers['content-type']).toMatch(/^application\/grpc/);
    expect(Buffer.compare(at.sink.telemetry('traces')[0]?.bytes as Uint8Array, spans)).toBe(0);
  });

  test.each([
    ['gzip', gzipSync(spans)],
    ['zstd', zstdCompressSync(spans)],
    ['zstd', Buffer.concat([zstdCompressSync(spans.subarray(0, 99)), zstdCompressSync(spans.subarray(99))])],
    ['gzip', Buffer.concat([gzipSync(spans.subarray(0, 99)), gzipSync(spans.subarray(99))])],
  ])('compressed with %s', async (encoding, message) => {
    const answer = await client.call({ headers: { 'grpc-encoding': encoding }, pieces: [framed(message, 1)] });
    expect(answer.code).toBe(0);
    expect(Buffer.compare(at.sink.telemetry('traces')[0]?.bytes as Uint8Array, spans)).toBe(0);
  });

  test('a compression that is named but not used', async () => {
    expect((await client.call({ headers: { 'grpc-encoding': 'gzip' }, pieces: [framed(spans)] })).code).toBe(0);
  });

  test('empty: a success that reaches nobody', async () => {
    expect((await client.call({ pieces: [framed(Buffer.alloc(0))] })).code).toBe(0);
    expect(at.sink.batches).toHaveLength(0);
  });

  test.each(['application/grpc', 'application/grpc+proto', 'application/grpc;x=y'])('content type %s', async (type) => {
    expect((await client.call({ headers: { 'content-type': type }, pieces: [framed(spans)] })).code).toBe(0);
  });

  test('each signal has its method', async () => {
    for (const signal of ['traces', 'metrics', 'logs'] as const) {
      await client.call({ path: EXPORT_METHODS[signal], pieces: [framed(requestBytes(signal, 7))] });
      expect(at.sink.items(signal)).toBe(7);
    }
  });
});

describe('a request that is wrong', () => {
  const bomb = Buffer.alloc(200 * LIMIT);
  const gzip = { 'grpc-encoding': 'gzip' };
  const zstd = { 'grpc-encoding': 'zstd' };

  test.each([
    ['malformed protobuf', {}, [framed(Buffer.from([0x0a, 0xff, 0x01]))], 'malformed', /byte/],
    ['cut-off protobuf', {}, [framed(spans.subarray(0, 300))], 'malformed', /past the end/],
    ['no message', {}, [Buffer.alloc(0)], 'malformed', /ends after 0 bytes/],
    ['half a prefix', {}, [Buffer.from([0, 0, 0])], 'malformed', /ends after 3 bytes/],
    ['half a message', {}, [framed(spans).subarray(0, 100)], 'malformed', /only 95 came/],
    ['two messages', {}, [framed(spans), framed(spans)], 'malformed', /one message/],
    ['bytes after the message', {}, [Buffer.concat([framed(spans), Buffer.from([0])])], 'malformed', /one message/],
    ['a flag that does not exist', {}, [framed(spans, 2)], 'malformed', /flag/],
    ['compressed with nothing', {}, [framed(gzipSync(spans), 1)], 'malformed', /grpc-encoding/],
    ['truncated gzip', gzip, [framed(gzipSync(spans).subarray(0, -9), 1)], 'malformed', /unexpected end/],
    ['gzip without its checksum', gzip, [framed(gzipSync(spans).subarray(0, -6), 1)], 'malformed', /unexpected end/],
    ['gzip that is none', gzip, [framed(spans, 1)], 'malformed', /header check/],
    ['empty gzip', gzip, [framed(Buffer.alloc(0), 1)], 'malformed', /unexpected end/],
    ['truncated zstd', zstd, [framed(zstdCompressSync(spans).subarray(0, -5), 1)], 'malformed', /unexpected end/],
    ['zstd that is none', zstd, [framed(spans, 1)], 'malformed', /zstd/],
    ['a gzip bomb', gzip, [framed(gzipSync(bomb), 1)], 'too_large', /1048576/],
    ['a zstd bomb', zstd, [framed(zstdCompressSync(bomb), 1)], 'too_large', /1048576/],
    ['a message over the limit', {}, [framed(Buffer.alloc(LIMIT + 1))], 'too_large', /1048577 bytes/],
    ['a claim of 4 GiB', {}, [framed(Buffer.alloc(9), 0, 0xffff_ffff)], 'too_large', /4294967295 bytes/],
    ['an unknown compression', { 'grpc-encoding': 'snappy' }, [framed(spans, 1)], 'bad_encoding', /snappy/],
  ] as const)('%s', async (_, headers, pieces, reason, text) => {
    const answer = await client.call({ headers, pieces });
    const code = { malformed: 3, too_large: 8, bad_encoding: 12 }[reason];
    expect(answer).toMatchObject({ httpStatus: 200, code });
    expect(answer.message).toMatch(text);
    expect(answer.details).toMatchObject({ code, message: answer.message });
    expect(answer.details?.retryDelayMs).toBeUndefined();
    expect(answer.headers['grpc-accept-encoding']).toBe('identity,gzip,zstd');
    expect(await refusedRequests(reason)).toBe(1);
    expect(at.sink.batches).toHaveLength(0);
    await expectNothingHeld();
  });

  test('an unknown method', async () => {
    expect(await client.call({ path: '/opentelemetry.Nothing/Export' })).toMatchObject({ httpStatus: 200, code: 12 });
  });

  test('not POST', async () => {
    expect(await client.call({ headers: { ':method': 'PUT' } })).toMatchObject({ httpStatus: 200, code: 12 });
  });

  test('not gRPC', async () => {
    const answer = await client.call({ headers: { 'content-type': 'application/json' } });
    expect(answer).toMatchObject({ httpStatus: 415, code: -1 });
  });

  test('over the limit again and again, all of it sent, the connection still works', async () => {
    const large = framed(Buffer.alloc(3 * LIMIT));
    for (let i = 0; i < 20; i++) expect((await client.call({ pieces: [large] })).code).toBe(8);
    await expectNothingHeld();
  });

  test('a client that goes away in the middle', async () => {
    // Before the connection stands, a reset would leave nothing to send.
    await client.call({ pieces: [framed(Buffer.alloc(0))] });
    await client.call({ pieces: [framed(spans).subarray(0, 100)], resets: true }).catch(() => {});
    await expect.poll(() => refusedRequests('cancelled')).toBe(1);
    await expectNothingHeld();
  });

  test('a client that stops in the middle is told after request_timeout', async () => {
    const answer = await client.call({ pieces: [framed(spans).subarray(0, 100)], ends: false });
    expect(answer.code).toBe(4);
    expect(answer.message).toMatch(/1500 ms/);
    expect(await refusedRequests('timeout')).toBe(1);
    await expectNothingHeld();
  });
});

describe('what the pipeline says', () => {
  test.each([
    [new PipelineError('queue_full', 'kafka', { retryAfterMs: 2500 }), 14, 2500],
    [new PipelineError('memory_limit', '512 MiB'), 14, 1000],
    [new PipelineError('rejected', 'no'), 3, undefined],
  ])('%s', async (error, code, retryDelayMs) => {
    at.sink.answer = async () => {
      throw error;
    };
    const answer = await client.call({ pieces: [framed(spans)] });
    expect(answer.code).toBe(code);
    expect(answer.details?.retryDelayMs).toBe(retryDelayMs);
    expect(answer.message).toContain(error.detail);
    expect(await refusedItems(error.code)).toBe(100);
  });

  test('a defect: the client learns that there is one, and nothing else', async () => {
    at.sink.answer = () => Promise.reject(new TypeError('secret of undefined'));
    const answer = await client.call({ pieces: [framed(spans)] });
    expect(answer.code).toBe(13);
    expect(answer.message).not.toContain('secret');
    expect(await refusedItems('internal')).toBe(100);
  });

  test('nothing, until the deadline of the call', async () => {
    at.sink.answer = () => new Promise(() => {});
    const answer = await client.call({ headers: { 'grpc-timeout': '80m' }, pieces: [framed(spans)] });
    expect(answer.code).toBe(4);
  });

  test('bytes in flight are bounded, and room comes back', async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    at.sink.answer = () => held;
    const large = framed(Buffer.concat([spans, unknownField(LIMIT - spans.length)]));
    const first = Array.from({ length: 4 }, () => client.call({ pieces: [large] }));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const refused = await client.call({ pieces: [framed(spans)] });
    expect(refused).toMatchObject({ code: 14 });
    expect(refused.details?.retryDelayMs).toBe(1000);
    expect(refused.message).toContain('max_in_flight');
    release();
    expect((await Promise.all(first)).map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    await expectNothingHeld();
  });
});

test('a message is encoded byte by byte of its UTF-8, but for printable ASCII', () => {
  const text = 'a b%~\n\x7f\x80é😀\ud800.';
  const bytes = [...Buffer.from(text)].map((byte) =>
    byte < 0x20 || byte > 0x7e || byte === 0x25
      ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
      : String.fromCharCode(byte),
  );
  expect(percentEncode(text)).toBe(bytes.join(''));
});

describe('health', () => {
  const path = '/grpc.health.v1.Health/Check';
  const service = (name: string) => framed(Buffer.concat([Buffer.from([0x0a, name.length]), Buffer.from(name)]));

  test.each(['', 'opentelemetry.proto.collector.trace.v1.TraceService'])('%s is served', async (name) => {
    const answer = await client.call({ path, pieces: [name === '' ? framed(Buffer.alloc(0)) : service(name)] });
    expect(answer).toMatchObject({ code: 0, body: framed(Buffer.from([8, 1])) });
  });

  test('a signal is served once a pipeline takes it, which a reload may change', async () => {
    const taken: Signal[] = ['traces'];
    const { grpc, receiver } = await started({}, {}, { sink: new Sink(taken) });
    const own = new RawGrpc(grpc);
    const logs = async () =>
      (await own.call({ path, pieces: [service('opentelemetry.proto.collector.logs.v1.LogsService')] })).code;
    expect(await logs()).toBe(5);
    taken.push('logs');
    expect(await logs()).toBe(0);
    own.close();
    await receiver.stop(AbortSignal.timeout(5000));
  });

  test('an unknown service is not found', async () => {
    expect((await client.call({ path, pieces: [service('shop.Cart')] })).code).toBe(5);
  });

  test('a request that is none', async () => {
    expect((await client.call({ path, pieces: [framed(Buffer.from([0x0a, 9]))] })).code).toBe(3);
  });
});
