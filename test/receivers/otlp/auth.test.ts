import { request as httpRequest } from 'node:http';
import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Authenticator } from '../../../pipeline/auth/authenticator.ts';
import { BasicAuth } from '../../../pipeline/auth/basic.ts';
import { BearerTokenAuth } from '../../../pipeline/auth/bearer-token.ts';
import { basicAuthConfig, bearerTokenAuthConfig } from '../../../pipeline/auth/config.ts';
import { ManualClock } from '../../../pipeline/clock.ts';
import type { Context } from '../../../pipeline/component.ts';
import { OtlpReceiver } from '../../../receivers/otlp/otlp.ts';
import { otlpReceiverConfig } from '../../../receivers/otlp/config.ts';
import { makeCertificates } from '../../support/certificates.ts';
import { counted, recordingLogger, Sink, testContext } from '../../support/context.ts';
import { framed, RawGrpc } from '../../support/grpc-raw.ts';
import { requestBytes } from '../../support/otlp-requests.ts';
import { type Started, started } from './started.ts';

const HEALTH = '/grpc.health.v1.Health/Check';
const spans = requestBytes('traces', 10);
const TYPE = { 'content-type': 'application/x-protobuf' };
const RIGHT = { authorization: 'Bearer s3cret' };
const WRONG = { authorization: 'Bearer wr0ng' };

let at: Started;
let client: RawGrpc;
let lines: Record<string, unknown>[];
let basic: BasicAuth;

/** A context with an authenticator of each kind. */
async function letsIn(): Promise<Context> {
  const recording = recordingLogger();
  lines = recording.lines;
  const context = testContext('otlp', { logger: recording.logger, clock: new ManualClock() });
  const bearer = new BearerTokenAuth('bearertokenauth', bearerTokenAuthConfig.parse({ token: 's3cret' }));
  basic = new BasicAuth('basicauth', basicAuthConfig.parse({ htpasswd: { inline: 'ann:s3cret' } }));
  for (const each of [bearer, basic]) await each.start(context.clock, context.logger);
  return {
    ...context,
    authenticators: new Map<string, Authenticator>([
      ['bearertokenauth', bearer],
      ['basicauth', basic],
    ]),
  };
}

beforeEach(async () => {
  const cors = { allowed_origins: ['https://shop.example'] };
  const auth = { authenticator: 'bearertokenauth' };
  at = await started({ auth }, {}, { context: await letsIn(), http: { cors } });
  client = new RawGrpc(at.grpc);
});
afterEach(async () => {
  client.close();
  await at.receiver.stop(AbortSignal.timeout(5000));
});

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

async function plain(headers: Record<string, string>, method = 'POST', body = spans): Promise<Reply> {
  const sent = method === 'POST' ? { body: Buffer.from(body) } : {};
  const reply = await fetch(`http://${at.http}/v1/traces`, { method, headers: { ...TYPE, ...headers }, ...sent });
  return { status: reply.status, headers: Object.fromEntries(reply.headers), text: await reply.text() };
}

function chunked(headers: Record<string, string>): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const [hostname, port] = at.http.split(':');
    const sent = { hostname, port, path: '/v1/traces', method: 'POST', headers: { ...TYPE, ...headers }, agent: false };
    const request = httpRequest(sent, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    request.on('error', reject);
    request.write(spans.subarray(0, 3));
    request.end(spans.subarray(3));
  });
}

function http2(headers: Record<string, string>): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`http://${at.http}`);
    session.on('error', reject);
    const stream = session.request({ ':method': 'POST', ':path': '/v1/traces', ...TYPE, ...headers });
    let got: IncomingHttpHeaders = {};
    let text = '';
    stream.on('response', (response) => (got = response));
    stream.setEncoding('utf8').on('data', (piece: string) => (text += piece));
    stream.on('error', reject);
    stream.on('end', () => {
      session.close();
      resolve({ status: Number(got[':status']), headers: got, text });
    });
    stream.end(spans);
  });
}

const refused = (transport: string, reason = 'unauthenticated') =>
  counted(at.context, 'windback_receiver_refused_requests_total', { transport, signal: 'traces', reason });

describe.each([
  ['HTTP/1.1', plain],
  ['HTTP/1.1 by node:http', chunked],
  ['HTTP/2', http2],
])('over %s', (_, send) => {
  test('who has the token is let in', async () => {
    expect((await send(RIGHT)).status).toBe(200);
    expect(at.sink.items('traces')).toBe(10);
    expect(await refused('http')).toBe(0);
  });

  test.each([
    ['no token', {}],
    ['a wrong one', WRONG],
  ])('%s: 401, which says what is wanted, and is counted', async (__, headers) => {
    const reply = await send(headers);
    expect(reply.status).toBe(401);
    expect(reply.headers['www-authenticate']).toBe('Bearer realm="windback"');
    expect(reply.headers['retry-after']).toBeUndefined();
    expect(at.sink.batches).toEqual([]);
    expect(await refused('http')).toBe(1);
  });
});

describe('over HTTP', () => {
  test('the answer has the form of the request', async () => {
    const reply = await plain({ 'content-type': 'application/json' });
    expect(reply.headers['content-type']).toBe('application/json');
    expect(JSON.parse(reply.text)).toMatchObject({ code: 16, message: expect.stringContaining('is not let in') });
  });

  test('a page may ask first, without credentials, and reads why it was refused', async () => {
    const origin = 'https://shop.example';
    const asked = await plain({ origin, 'access-control-request-method': 'POST' }, 'OPTIONS');
    expect(asked.status).toBe(204);
    const reply = await plain({ origin });
    expect(reply.status).toBe(401);
    expect(reply.headers['access-control-allow-origin']).toBe(origin);
    expect(reply.headers['www-authenticate']).toBeDefined();
  });

  test('of a request that is refused nothing is held, however long it is', async () => {
    const [host = '', port] = at.http.split(':');
    const socket = connect({ host, port: Number(port) });
    let said = '';
    socket.on('data', (piece: Buffer) => (said += piece.toString('latin1')));
    const head = 'POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n';
    socket.write(`${head}content-length: 1000000\r\n\r\n`);
    await expect.poll(() => said).toMatch(/^HTTP\/1.1 401 /);
    // Its rest is thrown away, and the next request is one of its own.
    socket.write(Buffer.alloc(1_000_000, 'x'));
    socket.write(`${head}authorization: Bearer s3cret\r\ncontent-length: ${spans.length}\r\n\r\n`);
    socket.write(spans);
    await expect.poll(() => said).toMatch(/HTTP\/1.1 200 /);
    socket.destroy();
    expect(at.sink.items('traces')).toBe(10);
  });
});

describe('over gRPC', () => {
  test('who has the token is let in', async () => {
    expect((await client.call({ headers: RIGHT, pieces: [framed(spans)] })).code).toBe(0);
    expect(at.sink.items('traces')).toBe(10);
  });

  test.each([
    ['no token', {}],
    ['a wrong one', WRONG],
  ])('%s: UNAUTHENTICATED, counted', async (_, headers) => {
    const answer = await client.call({ headers, pieces: [framed(spans)] });
    expect(answer).toMatchObject({ httpStatus: 200, code: 16, details: { code: 16 } });
    expect(answer.details?.retryDelayMs).toBeUndefined();
    expect(at.sink.batches).toEqual([]);
    expect(await refused('grpc')).toBe(1);
  });

  test('a probe passes without', async () => {
    const answer = await client.call({ path: HEALTH, pieces: [framed(Buffer.alloc(0))] });
    // SERVING.
    expect(answer).toMatchObject({ code: 0, body: framed(Buffer.from([0x08, 1])) });
  });

  test('one connection goes through many refusals', async () => {
    for (let i = 0; i < 200; i++) expect((await client.call({ pieces: [framed(spans)] })).code).toBe(16);
    expect((await client.call({ headers: RIGHT, pieces: [framed(spans)] })).code).toBe(0);
  });
});

describe('basicauth', () => {
  const as = (user: string, password: string) => ({
    authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
  });

  test('too many strangers: come again, over both protocols; who is known goes on', async () => {
    await at.receiver.stop(AbortSignal.timeout(5000));
    client.close();
    const both = { auth: { authenticator: 'basicauth' } };
    at = await started(both, {}, { context: await letsIn() });
    client = new RawGrpc(at.grpc);
    const call = (headers: Record<string, string>) => client.call({ headers, pieces: [framed(spans)] });
    expect((await plain(as('ann', 's3cret'))).status).toBe(200);
    const wrong = await plain(as('ann', 'wr0ng'));
    expect([wrong.status, wrong.headers['www-authenticate']]).toEqual([401, basic.challenge]);
    // On this clock no second passes, and names that are unknown have four places.
    const asked = await Promise.all(Array.from({ length: 6 }, (_, i) => plain(as('eve', `wr0ng${i}`))));
    const busy = asked.filter(({ status }) => status === 503);
    expect([busy.length, asked.filter(({ status }) => status === 401).length]).toEqual([2, 4]);
    expect(busy[0]?.headers).toMatchObject({ 'retry-after': '4' });
    expect(busy[0]?.headers['www-authenticate']).toBeUndefined();
    const answer = await call(as('eve', 'wr0ng'));
    expect(answer).toMatchObject({ code: 14, details: { retryDelayMs: 4000 } });
    expect(await refused('http', 'auth_busy')).toBe(2);
    expect(await refused('grpc', 'auth_busy')).toBe(1);
    expect((await plain(as('ann', 's3cret'))).status).toBe(200);
    expect((await call(as('ann', 's3cret'))).code).toBe(0);
  });
});

test('nothing that is said or logged holds a secret', async () => {
  const said: unknown[] = [];
  for (const send of [plain, chunked, http2]) said.push(await send(WRONG), await send(RIGHT));
  for (const headers of [WRONG, RIGHT, { authorization: 'wr0ng' }]) {
    const { code, message, details } = await client.call({ headers, pieces: [framed(spans)] });
    said.push({ code, message, details: details?.message });
  }
  expect(at.sink.items('traces')).toBe(40);
  expect(lines.length).toBeGreaterThan(0);
  expect(JSON.stringify([said, lines])).not.toMatch(/s3cret|wr0ng/);
});

test('where other machines reach it, it warns of what is open to them', async () => {
  const files = makeCertificates();
  onTestFinished(() => files.remove());
  const parts = { context: await letsIn() };
  const auth = { authenticator: 'basicauth' };
  const tls = { cert_file: files.file('server.pem'), key_file: files.file('server.key') };
  const client_ca_file = files.file('ca.pem');
  for (const [both, warned] of [
    [{}, /nothing asks them/],
    [{ tls }, /nothing asks them/],
    [{ auth }, /not encrypted/],
    [{ auth, tls }, undefined],
    [{ tls: { ...tls, client_ca_file } }, undefined],
  ] as const) {
    lines.length = 0;
    const open = await started({ endpoint: '0.0.0.0:0', ...both }, {}, parts);
    await open.receiver.stop(AbortSignal.timeout(5000));
    const said = lines.filter(({ level }) => level === 40).map(({ msg }) => msg);
    const expected = warned === undefined ? [] : [expect.stringMatching(warned), expect.stringMatching(warned)];
    expect(said).toEqual(expected);
  }
});

test('an authenticator that is not there is no start', async () => {
  const config = otlpReceiverConfig.parse({
    protocols: { http: { endpoint: '127.0.0.1:0', auth: { authenticator: 'basicauth/b' } } },
  });
  const receiver = new OtlpReceiver(config, new Sink(), await letsIn());
  await expect(receiver.start()).rejects.toMatchObject({
    code: 'config',
    detail: expect.stringContaining('basicauth/b'),
  });
});
