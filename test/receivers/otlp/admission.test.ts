/** Bytes are admitted before they are decoded, on every way in; what does not fit is refused for a while, not for good. */
import { request as httpRequest } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { bodies } from '../../../pipeline/buffer-pool.ts';
import { memoryLimitBytes } from '../../../pipeline/machine-memory.ts';
import { Budget, limitBytesOf } from '../../../receivers/otlp/budget.ts';
import { Body } from '../../../receivers/otlp/body.ts';
import { otlpReceiverConfig } from '../../../receivers/otlp/config.ts';
import { Content } from '../../../receivers/otlp/content.ts';
import { counted } from '../../support/context.ts';
import { framed, RawGrpc } from '../../support/grpc-raw.ts';
import { requestBytes, requestJson } from '../../support/otlp-requests.ts';
import { telemetry } from '../../support/pipeline.ts';
import { type Started, started } from './started.ts';

const MIB = 1024 * 1024;
const ALL = 4 * MIB;
/** Left free while the budget is held: enough for a compressed request, and too little for its content. */
const FREE = 64 * 1024;

const spans = requestBytes('traces', 2000);
const json = Buffer.from(JSON.stringify(requestJson('traces', 2000)));
/** A field that nobody knows, with a length of four bytes. */
const filler = (bytes: number): Buffer => {
  const size = bytes - 6;
  const field = Buffer.alloc(bytes);
  field.set([0xfa, 0x3f, (size & 0x7f) | 0x80, ((size >> 7) & 0x7f) | 0x80, ((size >> 14) & 0x7f) | 0x80, size >> 21]);
  return field;
};

let at: Started;
let client: RawGrpc;
beforeAll(async () => {
  at = await started({}, { max_in_flight: `${ALL}B` });
  client = new RawGrpc(at.grpc);
});
afterAll(async () => {
  client.close();
  await at.receiver.stop(AbortSignal.timeout(5000));
});

interface Outcome {
  readonly isTaken: boolean;
  /** gRPC or HTTP status. */
  readonly status: number;
  readonly pauseMs: number | undefined;
}
type Send = (body: Uint8Array, type: string, encoding: string) => Promise<Outcome>;

const http1 =
  (isChunked: boolean): Send =>
  (body, type, encoding) =>
    new Promise((resolve, reject) => {
      const [hostname, port] = at.http.split(':');
      const length = isChunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': body.length };
      const headers = { connection: 'keep-alive', 'content-type': type, 'content-encoding': encoding, ...length };
      const request = httpRequest({ hostname, port, method: 'POST', path: '/v1/traces', headers });
      request.on('error', reject);
      request.on('response', (response) => {
        const { statusCode = 0, headers: told } = response;
        response.resume();
        resolve(outcomeOf(statusCode, told['retry-after']));
      });
      request.end(body);
    });

const http2: Send = (body, type, encoding) =>
  new Promise((resolve, reject) => {
    const session = connectHttp2(`http://${at.http}`);
    const headers = { ':method': 'POST', ':path': '/v1/traces', 'content-type': type, 'content-encoding': encoding };
    const stream = session.request(headers);
    stream.on('response', (told) => resolve(outcomeOf(Number(told[':status']), told['retry-after'] as string)));
    stream.on('error', reject);
    stream.on('close', () => session.close());
    stream.resume();
    stream.end(body);
  });

function outcomeOf(status: number, retryAfter: string | undefined): Outcome {
  return { isTaken: status === 200, status, pauseMs: retryAfter === undefined ? undefined : Number(retryAfter) * 1000 };
}

const grpc: Send = async (body, _, encoding) => {
  const isCompressed = encoding !== 'identity';
  const headers = isCompressed ? { 'grpc-encoding': encoding } : {};
  const answer = await client.call({ pieces: [framed(body, isCompressed ? 1 : 0)], headers });
  return { isTaken: answer.code === 0, status: answer.code, pauseMs: answer.details?.retryDelayMs };
};

const ENCODERS = {
  identity: (bytes: Uint8Array) => bytes,
  gzip: (bytes: Uint8Array) => gzipSync(bytes),
  zstd: (bytes: Uint8Array) => zstdCompressSync(bytes),
};
const PROTOBUF = 'application/x-protobuf';
const JSON_TYPE = 'application/json';
const WAYS = [
  ['gRPC', grpc, PROTOBUF, 14],
  ['HTTP/1.1', http1(false), PROTOBUF, 503],
  ['HTTP/1.1', http1(false), JSON_TYPE, 503],
  ['HTTP/1.1 in chunks', http1(true), PROTOBUF, 503],
  ['HTTP/1.1 in chunks', http1(true), JSON_TYPE, 503],
  ['HTTP/2', http2, PROTOBUF, 503],
  ['HTTP/2', http2, JSON_TYPE, 503],
] as const;
const CASES = WAYS.flatMap(([name, send, type, refusal]) =>
  (Object.keys(ENCODERS) as (keyof typeof ENCODERS)[]).map(
    (encoding) => [name, type, encoding, send, refusal] as const,
  ),
);

test.each(CASES)('%s, %s, %s: refused with a pause while others hold the budget, then taken', async (...one) => {
  const [, type, encoding, send, refusal] = one;
  const body = ENCODERS[encoding](type === JSON_TYPE ? json : spans);
  const held = Promise.withResolvers<void>();
  const isHeld = Promise.withResolvers<void>();
  at.sink.answer = () => {
    isHeld.resolve();
    return held.promise;
  };
  const first = client.call({ pieces: [framed(Buffer.concat([spans, filler(ALL - FREE - spans.length)]))] });
  await isHeld.promise;
  // What is refused must not come as far as this.
  at.sink.answer = () => Promise.reject(new Error('it was decoded'));
  expect(await send(body, type, encoding)).toEqual({ isTaken: false, status: refusal, pauseMs: 1000 });
  at.sink.answer = () => Promise.resolve();
  held.resolve();
  expect((await first).code).toBe(0);
  expect(await send(body, type, encoding)).toEqual({
    isTaken: true,
    status: refusal === 14 ? 0 : 200,
    pauseMs: undefined,
  });
});

test.each([
  ['identity', framed(Buffer.alloc(0), 0, ALL + 1), {}],
  ['gzip', framed(gzipSync(Buffer.alloc(ALL + 1)), 1), { 'grpc-encoding': 'gzip' }],
  ['zstd', framed(zstdCompressSync(Buffer.alloc(ALL + 1)), 1), { 'grpc-encoding': 'zstd' }],
])('what is larger than the whole budget is refused for good: %s', async (_, piece, headers) => {
  const answer = await client.call({ pieces: [piece], headers });
  expect(answer).toMatchObject({ code: 8 });
  expect(answer.details?.retryDelayMs).toBeUndefined();
});

describe('many items in few bytes', () => {
  const body = (items: number) => framed(telemetry(items).bytes);

  test('are refused for good where there never is memory for them', async () => {
    const answer = await client.call({ pieces: [body(100_000)] });
    expect(answer).toMatchObject({ code: 8, message: expect.stringMatching(/entries in one request/) });
    expect(answer.details?.retryDelayMs).toBeUndefined();
  });

  test('take of the budget what their columns need, and give it back', async () => {
    const items = Math.floor((0.6 * ALL) / (telemetry(1000).memoryBytes / 1000));
    const held = Promise.withResolvers<void>();
    const isHeld = Promise.withResolvers<void>();
    at.sink.answer = () => {
      isHeld.resolve();
      return held.promise;
    };
    const first = client.call({ pieces: [body(items)] });
    await isHeld.promise;
    expect(await client.call({ pieces: [body(items)] })).toMatchObject({ code: 14, details: { retryDelayMs: 1000 } });
    const labels = { receiver: 'otlp', transport: 'grpc', signal: 'traces', reason: 'memory_limit' };
    expect(await counted(at.context, 'windback_receiver_refused_items_total', labels)).toBe(items);
    at.sink.answer = () => Promise.resolve();
    held.resolve();
    expect((await first).code).toBe(0);
    expect((await client.call({ pieces: [body(items)] })).code).toBe(0);
  });
});

describe('max_in_flight', () => {
  test('is a part of the memory limit unless told otherwise', () => {
    const { max_in_flight } = otlpReceiverConfig.parse({ protocols: { grpc: {} } });
    expect(max_in_flight).toBe('auto');
    const limit = limitBytesOf(max_in_flight);
    expect(limit).toBe(Math.min(Math.floor(memoryLimitBytes() / 16), 256 * MIB));
    expect(limitBytesOf(5)).toBe(5);
  });

  test('is told where a body is larger', () => {
    expect(() => new Body(new Budget(100), 1000, 101)).toThrow('101 bytes, where max_in_flight allows 100');
    const body = new Body(new Budget(100), 1000, undefined);
    expect(() => body.push(Buffer.alloc(101))).toThrow('max_in_flight allows 100');
  });

  test('that another thread gives back while a body is inflated is no reason to refuse that for good', () => {
    const others: number[] = [];
    const held = {
      own: 0,
      get all(): number {
        return this.own + (others.shift() ?? 0);
      },
    };
    const body = new Body(new Budget(MIB, held), MIB, undefined);
    body.push(zstdCompressSync(Buffer.alloc(MIB / 2)));
    // At the first look only: by the next one they have let go.
    others.push(0.9 * MIB);
    expect(() => new Content(body).inflate('zstd', MIB)).toThrow(
      expect.objectContaining({ code: 'memory_limit' }) as Error,
    );
  });

  test('comes back where no memory could be had, for the first piece or for a later one', () => {
    const budget = new Budget(MIB);
    for (const before of [0, 4096]) {
      const body = new Body(budget, MIB, undefined);
      if (before > 0) body.push(Buffer.alloc(before));
      const take = vi.spyOn(bodies, 'take').mockImplementationOnce(() => {
        throw new RangeError('Array buffer allocation failed');
      });
      expect(() => body.push(Buffer.alloc(16_384))).toThrow('allocation failed');
      take.mockRestore();
      body.release();
      expect(budget.usedBytes).toBe(0);
      body.release();
      expect(budget.usedBytes).toBe(0);
    }
  });
});
