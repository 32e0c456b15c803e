/** Memory of requests that is used again: never while somebody reads it, and in every case afterwards. */
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Batch, isTelemetry, TelemetryBatch } from '../../../pipeline/batch.ts';
import { bodies } from '../../../pipeline/buffer-pool.ts';
import { Sink } from '../../support/context.ts';
import { framed, RawGrpc } from '../../support/grpc-raw.ts';
import { requestBytes, requestJson } from '../../support/otlp-requests.ts';
import { type Started, started } from './started.ts';

const spans = requestBytes('traces', 2000);
const small = requestBytes('traces', 10);

/** Reads each request at the end of its `consume`, as late as it may. */
class Reader extends Sink {
  readonly wholes: boolean[] = [];
  wait: Promise<void> = Promise.resolve();

  override async consume(batch: Batch): Promise<void> {
    const before = isTelemetry(batch) ? Buffer.from(batch.bytes) : Buffer.alloc(0);
    const offsets = isTelemetry(batch) ? batch.columns.offset.slice(0, batch.items) : [];
    await this.wait;
    if (!isTelemetry(batch)) return;
    const same = Buffer.compare(batch.bytes, before) === 0 && offsets.every((at, i) => batch.columns.offset[i] === at);
    this.wholes.push(same && TelemetryBatch.open('traces', before).items === batch.items);
  }
}

let sink: Reader;
let at: Started;
let client: RawGrpc;
beforeEach(async () => {
  sink = new Reader();
  at = await started({}, {}, { sink });
  client = new RawGrpc(at.grpc);
});
afterEach(async () => {
  client.close();
  await at.receiver.stop(AbortSignal.timeout(5000));
});

const post = (body: Uint8Array, headers: Record<string, string>): Promise<number> =>
  new Promise((resolve, reject) => {
    const [hostname, port] = at.http.split(':');
    const request = httpRequest({ hostname, port, method: 'POST', path: '/v1/traces', headers });
    request.on('error', reject);
    request.on('response', (response) => response.resume().on('end', () => resolve(response.statusCode ?? 0)));
    request.end(body);
  });

test('many requests at once, of every form: each is whole when it is read', async () => {
  sink.wait = new Promise((resolve) => setTimeout(resolve, 50));
  const json = Buffer.from(JSON.stringify(requestJson('traces', 10)));
  const calls: Promise<unknown>[] = [];
  for (let i = 0; i < 20; i++) {
    calls.push(client.call({ pieces: [framed(i % 2 === 0 ? spans : small)] }));
    calls.push(client.call({ pieces: [framed(gzipSync(small), 1)], headers: { 'grpc-encoding': 'gzip' } }));
    calls.push(post(small, { 'content-type': 'application/x-protobuf' }));
    calls.push(post(gzipSync(spans), { 'content-type': 'application/x-protobuf', 'content-encoding': 'gzip' }));
    calls.push(post(json, { 'content-type': 'application/json' }));
  }
  await Promise.all(calls);
  expect(sink.wholes).toEqual(Array.from({ length: 100 }, () => true));
});

test('a deadline that passes while the pipelines still read', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  sink.wait = promise;
  const late = await client.call({ pieces: [framed(spans)], headers: { 'grpc-timeout': '50m' } });
  expect(late.code).toBe(4);
  // Others come meanwhile, and would take its memory if it was free.
  for (let i = 0; i < 5; i++) await client.call({ pieces: [framed(spans)], headers: { 'grpc-timeout': '20m' } });
  resolve();
  await vi.waitFor(() => expect(sink.wholes).toEqual(Array.from({ length: 6 }, () => true)));
});

test('clients that go away in the middle, over and over: what they had sent is given back once', async () => {
  const [host, port] = at.http.split(':');
  for (let i = 0; i < 10; i++) {
    const leaving = new RawGrpc(at.grpc);
    await leaving.call({ pieces: [framed(spans).subarray(0, 5000)], resets: true }).catch(() => {});
    leaving.close();
    const socket = connect(Number(port), host);
    socket.on('error', () => {});
    socket.write(
      `POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: ${spans.length}\r\n\r\n`,
    );
    socket.write(spans.subarray(0, 5000), () => setTimeout(() => socket.resetAndDestroy(), 5));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect((await client.call({ pieces: [framed(spans)] })).code).toBe(0);
  expect(sink.wholes).toEqual([true]);
});

test('the memory comes back: a hundred requests take no more than a few', async () => {
  for (let i = 0; i < 20; i++) await client.call({ pieces: [framed(spans)] });
  const idle = bodies.idleBytes;
  expect(idle).toBeGreaterThanOrEqual(spans.length);
  for (let i = 0; i < 100; i++) await client.call({ pieces: [framed(spans)] });
  expect(bodies.idleBytes).toBe(idle);
});

test('so does what JSON was, and what it became', async () => {
  const json = Buffer.from(JSON.stringify(requestJson('traces', 2000)));
  const bodiesOf = [json, gzipSync(json)] as const;
  const send = async (): Promise<void> => {
    for (const [i, body] of bodiesOf.entries()) {
      const encoding: Record<string, string> = i === 0 ? {} : { 'content-encoding': 'gzip' };
      expect(await post(body, { 'content-type': 'application/json', ...encoding })).toBe(200);
    }
  };
  for (let i = 0; i < 5; i++) await send();
  const idle = bodies.idleBytes;
  for (let i = 0; i < 20; i++) await send();
  expect(bodies.idleBytes).toBe(idle);
  expect(sink.wholes).toEqual(Array.from({ length: 50 }, () => true));
});

test('JSON as large as max_in_flight allows in all is taken, unless it becomes larger than that', async () => {
  const own = await started({ max_request_size: '1000000B' }, { max_in_flight: '1000000B' });
  const answer = (text: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const [hostname, port] = own.http.split(':');
      const headers = { 'content-type': 'application/json' };
      const request = httpRequest({ hostname, port, method: 'POST', path: '/v1/metrics', headers });
      request.on('error', reject);
      request.on('response', (response) => response.resume().on('end', () => resolve(response.statusCode ?? 0)));
      request.end(text);
    });
  const plain = JSON.stringify(requestJson('metrics', 100));
  expect(await answer(plain + ' '.repeat(1_000_000 - plain.length))).toBe(200);
  const point = (bounds: string): string =>
    `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"explicitBounds":[${bounds}]}]}}]}]}]}`;
  expect(await answer(point(`${'1,'.repeat(50_000)}1`))).toBe(200);
  expect(await answer(point(`${'1,'.repeat(200_000)}1`))).toBe(503);
  expect(await answer(plain)).toBe(200);
  await own.receiver.stop(AbortSignal.timeout(5000));
});

test('a request as large as max_in_flight allows in all is taken', async () => {
  const own = await started({ max_request_size: '5000000B' }, { max_in_flight: '5000000B' });
  const length = 5_000_000 - small.length;
  // A field that nobody knows, with a length of four bytes.
  const filler = Buffer.alloc(length);
  const size = length - 6;
  filler.set([0xfa, 0x3f, (size & 0x7f) | 0x80, ((size >> 7) & 0x7f) | 0x80, ((size >> 14) & 0x7f) | 0x80, size >> 21]);
  const other = new RawGrpc(own.grpc);
  const answer = await other.call({ pieces: [framed(Buffer.concat([small, filler]))] });
  other.close();
  await own.receiver.stop(AbortSignal.timeout(5000));
  expect(answer).toMatchObject({ code: 0 });
});
