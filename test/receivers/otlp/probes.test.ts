import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { GrpcMessage } from '../../../receivers/otlp/grpc-message.ts';
import { ProbeBudget } from '../../../receivers/otlp/grpc-health.ts';
import { framed, RawGrpc } from '../../support/grpc-raw.ts';
import { requestBytes } from '../../support/otlp-requests.ts';
import { type Started, started } from './started.ts';

const KIB = 1024;
const PATH = '/grpc.health.v1.Health/Check';
const SERVED = { code: 0, body: framed(Buffer.from([8, 1])) };
const spans = requestBytes('traces', 10);

let at: Started;
const clients: RawGrpc[] = [];

beforeEach(async () => {
  at = await started({}, { max_in_flight: '64KiB' });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await at.receiver.stop(AbortSignal.timeout(5000));
});

function connected(): RawGrpc {
  const client = new RawGrpc(at.grpc);
  clients.push(client);
  return client;
}

const probe = (...pieces: Uint8Array[]) => connected().call({ path: PATH, pieces });
/** One that asks for the whole server by so many bytes: a field that nobody knows. */
const ofBytes = (bytes: number) =>
  Buffer.concat([Buffer.from([0x12, ((bytes - 3) & 0x7f) | 0x80, (bytes - 3) >> 7]), Buffer.alloc(bytes - 3)]);
/** One that says how long it is, sends this much, and stays. Legal to end without an answer. */
const begun = (client: RawGrpc, claimed: number, sent: number) =>
  client.call({ path: PATH, pieces: [framed(Buffer.alloc(sent), 0, claimed)], ends: false }).catch(() => undefined);

test('a probe may have 4096 bytes, compressed or not', async () => {
  const gzip = (bytes: Uint8Array) =>
    connected().call({ path: PATH, headers: { 'grpc-encoding': 'gzip' }, pieces: [framed(gzipSync(bytes), 1)] });
  expect(await probe(framed(ofBytes(4096)))).toMatchObject(SERVED);
  expect(await gzip(ofBytes(4096))).toMatchObject(SERVED);
  expect(await probe(framed(ofBytes(4097)))).toMatchObject({
    code: 8,
    message: expect.stringContaining('4097 bytes, where a health check allows 4096'),
  });
  expect((await gzip(ofBytes(4097))).code).toBe(8);
});

test('one that says that it is longer is refused by its prefix', async () => {
  expect(await begun(connected(), 60 * KIB, 0)).toMatchObject({ code: 8 });
  expect(await begun(connected(), 4097, 1)).toMatchObject({ code: 8 });
});

test('probes that do not end are in the way of no request, nor of a probe for the whole server', async () => {
  const client = connected();
  // Together more than probes may hold, and more than max_in_flight.
  for (let i = 0; i < 100; i++) void begun(client, 4096, 4095);
  const named = framed(Buffer.from([0x0a, 1, 0x78]));
  await expect.poll(async () => (await probe(named)).message).toContain('of 262144 bytes of all health checks');
  expect((await connected().call({ pieces: [framed(spans)] })).code).toBe(0);
  expect(await probe(framed(Buffer.alloc(0)))).toMatchObject(SERVED);
  client.close();
  await expect.poll(async () => (await probe(named)).code).toBe(5);
});

test('what one holds is no more than it may have, and comes back', () => {
  const budget = new ProbeBudget();
  const message = new GrpcMessage(budget.forOne(), 64 * KIB * KIB);
  message.push(framed(Buffer.alloc(1), 0, 4096));
  expect(budget.usedBytes).toBe(4096);
  message.release();
  expect(budget.usedBytes).toBe(0);
});
