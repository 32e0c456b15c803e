import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { once } from 'node:events';
import { connect } from 'node:net';
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PipelineError } from '../../../pipeline/errors.ts';
import { FRAME } from '../../../pipeline/http2/protocol.ts';
import { decodeStatus } from '../../../proto/google/status.ts';
import { counted } from '../../support/context.ts';
import { requestBytes, requestJson } from '../../support/otlp-requests.ts';
import { type Started, started } from './started.ts';

const LIMIT = 1024 * 1024;
const spans = requestBytes('traces', 100);
const json = Buffer.from(JSON.stringify(requestJson('traces', 100)));
const PROTOBUF = { 'content-type': 'application/x-protobuf' };
const JSON_TYPE = { 'content-type': 'application/json' };

let at: Started;
beforeEach(async () => {
  const cors = { allowed_origins: ['https://*.shop.example'], allowed_headers: ['x-tenant'] };
  at = await started(
    { max_request_size: '1MiB', request_timeout: '1500ms' },
    { max_in_flight: '4MiB' },
    { http: { cors } },
  );
});
afterEach(() => at.receiver.stop(AbortSignal.timeout(5000)));

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string | number>;
  readonly body?: Uint8Array;
}

/** HTTP/1.1, chunked where `headers` tell no content-length and the body comes in pieces. */
function http1({ method = 'POST', path = '/v1/traces', headers = {}, body }: Sent): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const [hostname, port] = at.http.split(':');
    const request = httpRequest({ hostname, port, method, path, headers, agent: false });
    request.on('error', reject);
    request.on('response', (response: IncomingMessage) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(pieces) }),
      );
    });
    request.end(body);
  });
}

/** HTTP/2 with prior knowledge. */
function http2({ method = 'POST', path = '/v1/traces', headers = {}, body }: Sent): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`http://${at.http}`);
    session.on('error', reject);
    const stream = session.request({ ':method': method, ':path': path, ...headers });
    const pieces: Buffer[] = [];
    let got: IncomingHttpHeaders = {};
    stream.on('response', (response) => {
      got = response;
    });
    stream.on('error', reject);
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    stream.on('end', () => {
      session.close();
      resolve({ status: Number(got[':status']), headers: got, body: Buffer.concat(pieces) });
    });
    stream.end(body);
  });
}

/** What a socket answers to these bytes, until it is closed or has been silent for a while. */
function raw(pieces: readonly (string | Buffer)[], silenceMs = 600): Promise<string> {
  return new Promise((resolve) => {
    const [host, port] = at.http.split(':');
    const socket = connect({ host: host as string, port: Number(port) });
    let said = '';
    socket.setTimeout(silenceMs, () => socket.destroy());
    socket.on('data', (piece) => {
      said += piece.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(said));
    void (async () => {
      for (const piece of pieces) {
        socket.write(piece);
        await new Promise((done) => setTimeout(done, 5));
      }
    })();
  });
}

const refused = (reason: string, signal = 'traces') =>
  counted(at.context, 'windback_receiver_refused_requests_total', { transport: 'http', signal, reason });

const arrived = () => at.sink.items('traces');

async function expectNothingHeld(): Promise<void> {
  const largest = Buffer.from(`${json.subarray(0, -1).toString()}${' '.repeat(LIMIT - json.length)}}`);
  const replies = await Promise.all([1, 2, 3, 4].map(() => http1({ headers: JSON_TYPE, body: largest })));
  expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
}

describe.each([
  ['HTTP/1.1', http1],
  ['HTTP/2', http2],
] as const)('%s', (_, send) => {
  test.each([
    ['protobuf', PROTOBUF, spans, ''],
    ['protobuf with a parameter', { 'content-type': 'Application/X-Protobuf; charset=utf-8' }, spans, ''],
    ['JSON', JSON_TYPE, json, '{}'],
    ['JSON with a parameter', { 'content-type': 'application/json;charset=UTF-8' }, json, '{}'],
    ['protobuf, gzip', { ...PROTOBUF, 'content-encoding': 'gzip' }, gzipSync(spans), ''],
    ['JSON, gzip', { ...JSON_TYPE, 'content-encoding': 'GZIP' }, gzipSync(json), '{}'],
    ['protobuf, zstd', { ...PROTOBUF, 'content-encoding': 'zstd' }, zstdCompressSync(spans), ''],
    ['protobuf, deflate', { ...PROTOBUF, 'content-encoding': 'deflate' }, deflateSync(spans), ''],
    ['protobuf, identity', { ...PROTOBUF, 'content-encoding': 'identity' }, spans, ''],
  ] as const)('takes %s', async (__, headers, body, answer) => {
    const reply = await send({ headers, body });
    expect(reply.status).toBe(200);
    expect(reply.body.toString()).toBe(answer);
    expect(reply.headers['content-type']).toBe(answer === '' ? 'application/x-protobuf' : 'application/json');
    expect(arrived()).toBe(100);
  });

  test('each signal has its path', async () => {
    for (const signal of ['traces', 'metrics', 'logs'] as const) {
      const body = requestBytes(signal, 7);
      expect((await send({ path: `/v1/${signal}?x=y`, headers: PROTOBUF, body })).status).toBe(200);
      expect(at.sink.items(signal)).toBe(7);
    }
  });

  test('empty: a success that reaches nobody', async () => {
    expect((await send({ headers: PROTOBUF })).status).toBe(200);
    expect((await send({ headers: JSON_TYPE, body: Buffer.from('{}') })).status).toBe(200);
    expect(at.sink.batches).toHaveLength(0);
  });

  test.each([
    ['malformed protobuf', PROTOBUF, Buffer.from([0x0a, 0xff, 0x01]), 400, 'malformed', /byte/],
    ['malformed JSON', JSON_TYPE, json.subarray(0, -5), 400, 'malformed', /JSON/],
    ['no JSON at all', JSON_TYPE, undefined, 400, 'malformed', /JSON/],
    ['JSON that is no UTF-8', JSON_TYPE, Buffer.from([0x22, 0xff, 0x22]), 400, 'malformed', /UTF-8/],
    [
      'a trace id of the wrong length',
      JSON_TYPE,
      Buffer.from(json.toString().replace('aaaa', 'a')),
      400,
      'malformed',
      /spans\[0\]\.traceId: must be 32 hex/,
    ],
    ['gzip that is none', { ...PROTOBUF, 'content-encoding': 'gzip' }, spans, 400, 'malformed', /header check/],
    [
      'truncated gzip',
      { ...JSON_TYPE, 'content-encoding': 'gzip' },
      gzipSync(json).subarray(0, -9),
      400,
      'malformed',
      /unexpected end/,
    ],
    [
      'a gzip bomb',
      { ...PROTOBUF, 'content-encoding': 'gzip' },
      gzipSync(Buffer.alloc(100 * LIMIT)),
      413,
      'too_large',
      /1048576/,
    ],
    [
      'a zstd bomb',
      { ...JSON_TYPE, 'content-encoding': 'zstd' },
      zstdCompressSync(Buffer.alloc(100 * LIMIT)),
      413,
      'too_large',
      /1048576/,
    ],
    ['a body over the limit', PROTOBUF, Buffer.alloc(5 * LIMIT), 413, 'too_large', /1048576/],
    ['an unknown type', { 'content-type': 'text/plain' }, spans, 415, 'bad_content_type', /text\/plain/],
    ['no type', {}, spans, 415, 'bad_content_type', /none/],
    ['an unknown encoding', { ...PROTOBUF, 'content-encoding': 'br' }, spans, 415, 'bad_encoding', /br/],
  ] as const)('refuses %s', async (__, headers, body, status, reason, text) => {
    const reply = await send({ headers, ...(body !== undefined && { body }) });
    expect(reply.status).toBe(status);
    const isProtobuf = (headers as Record<string, string>)['content-type'] === 'application/x-protobuf';
    expect(reply.headers['content-type']).toBe(isProtobuf ? 'application/x-protobuf' : 'application/json');
    const said = isProtobuf ? decodeStatus(reply.body) : JSON.parse(reply.body.toString());
    expect(said.message).toMatch(text);
    expect(said.code).toBe({ malformed: 3, too_large: 8, bad_content_type: 3, bad_encoding: 12 }[reason]);
    expect(reply.headers['retry-after']).toBeUndefined();
    expect(await refused(reason)).toBe(1);
    expect(at.sink.batches).toHaveLength(0);
    await expectNothingHeld();
  });

  test('refuses other methods, and says which', async () => {
    const reply = await send({ method: 'GET', headers: JSON_TYPE });
    expect(reply.status).toBe(405);
    expect(reply.headers.allow).toBe('POST, OPTIONS');
    expect(JSON.parse(reply.body.toString()).code).toBe(12);
  });

  test('refuses other paths', async () => {
    const reply = await send({ path: '/v1/profiles', headers: PROTOBUF, body: spans });
    expect(reply.status).toBe(404);
    expect(decodeStatus(reply.body).message).toContain('/v1/profiles');
    expect(await refused('unknown_path', 'unknown')).toBe(1);
  });

  test('tells what the pipeline says', async () => {
    at.sink.answer = () => Promise.reject(new PipelineError('queue_full', 'kafka', { retryAfterMs: 2500 }));
    const reply = await send({ headers: PROTOBUF, body: spans });
    expect(reply.status).toBe(503);
    expect(reply.headers['retry-after']).toBe('3');
    expect(decodeStatus(reply.body)).toMatchObject({ code: 14, retryDelayMs: 2500 });
    const inJson = await send({ headers: JSON_TYPE, body: json });
    expect(JSON.parse(inJson.body.toString()).details).toEqual([
      { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '2.5s' },
    ]);
    at.sink.answer = () => Promise.reject(new TypeError('secret of undefined'));
    const defect = await send({ headers: JSON_TYPE, body: json });
    expect(defect.status).toBe(500);
    expect(defect.body.toString()).not.toContain('secret');
  });

  test('lets pages of the named origins send', async () => {
    const origin = 'https://www.shop.example';
    const asked = { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-tenant' };
    const preflight = await send({ method: 'OPTIONS', headers: asked });
    expect(preflight.status).toBe(204);
    expect(preflight.headers['access-control-allow-origin']).toBe(origin);
    expect(preflight.headers['access-control-allow-headers']).toMatch(/content-type.*x-tenant/);
    const sent = await send({ headers: { ...JSON_TYPE, origin }, body: json });
    expect(sent.headers['access-control-allow-origin']).toBe(origin);
    const foreign = await send({ method: 'OPTIONS', headers: { ...asked, origin: 'https://shop.example.evil' } });
    expect(foreign.headers['access-control-allow-origin']).toBeUndefined();
  });
});

describe('the connection', () => {
  const head = (length: number) =>
    `POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: ${length}\r\n`;

  test('too large by its content-length: refused before it is sent', async () => {
    expect(await raw([`${head(2 * LIMIT)}\r\n`])).toMatch(/^HTTP\/1.1 413 /);
  });

  test('100-continue: asked for only if the request can be taken', async () => {
    const taken = await raw([
      `${head(spans.length)}expect: 100-continue\r\nconnection: close\r\n\r\n`,
      Buffer.from(spans),
    ]);
    expect(taken).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 /);
    expect(await raw([`${head(2 * LIMIT)}expect: 100-continue\r\n\r\n`])).toMatch(/^HTTP\/1.1 413 /);
  });

  test('several requests on one connection, the first of which is refused', async () => {
    const one = Buffer.concat([Buffer.from(`${head(spans.length)}\r\n`), spans]);
    const large = Buffer.concat([Buffer.from(`${head(2 * LIMIT)}\r\n`), Buffer.alloc(2 * LIMIT)]);
    const said = await raw([Buffer.concat([large, one, one])]);
    expect(said.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 413', 'HTTP/1.1 200', 'HTTP/1.1 200']);
  });

  test('the first bytes may come one by one', async () => {
    const one = Buffer.concat([Buffer.from(`${head(spans.length)}connection: close\r\n\r\n`), spans]);
    expect(await raw([...[...one.subarray(0, 9)].map((byte) => Buffer.from([byte])), one.subarray(9)])).toMatch(
      / 200 /,
    );
    const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
    const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    const said = await raw([...preface, settings]);
    expect(said.length).toBeGreaterThan(9);
    expect(said.charCodeAt(3)).toBe(4);
  });

  test('a chunked body over the limit', async () => {
    const chunk = Buffer.concat([Buffer.from('40000\r\n'), Buffer.alloc(0x40000), Buffer.from('\r\n')]);
    const start =
      'POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ntransfer-encoding: chunked\r\n\r\n';
    expect(await raw([start, ...Array.from({ length: 6 }, () => chunk)])).toMatch(/^HTTP\/1.1 413 /);
    await expectNothingHeld();
  });

  test('a body that does not end', async () => {
    expect(await raw([`${head(1000)}\r\n`, 'x'], 10_000)).toMatch(/^HTTP\/1.1 504 /);
    expect(await refused('timeout')).toBe(1);
    await expectNothingHeld();
  });

  test('a client that goes away in the middle', async () => {
    await raw([`${head(100_000)}\r\n`, Buffer.alloc(1000)], 50);
    await expect.poll(() => refused('cancelled')).toBe(1);
    await expectNothingHeld();
  });

  test('a connection that says nothing, or begins and goes on saying nothing, is closed', async () => {
    // Resolves when it is closed, long before the client would.
    expect(await raw([], 60_000)).toBe('');
    expect(await raw(['POST /v1'], 60_000)).toMatch(/^HTTP\/1.1 408 /);
    // Over HTTP/2 the server speaks first.
    expect((await raw(['PRI * HT'], 60_000)).charCodeAt(3)).toBe(FRAME.settings);
  });

  test('what is not HTTP, and headers that are too long', async () => {
    expect(await raw(['hello\r\n\r\n'])).toMatch(/^HTTP\/1.1 400 [^]*"code":3/);
    expect(await raw([`${head(1)}x: ${'y'.repeat(20_000)}\r\n\r\n`])).toMatch(/^HTTP\/1.1 431 /);
    expect(await raw([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.alloc(100, 0xff)])).toBeDefined();
    await expectNothingHeld();
  });
});

describe('a connection that node:http takes over', () => {
  const fields = 'HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n';
  const plain = Buffer.concat([Buffer.from(`POST /v1/traces ${fields}content-length: ${spans.length}\r\n\r\n`), spans]);
  const chunked = (more = '') =>
    Buffer.concat([
      Buffer.from(`POST /v1/traces ${fields}${more}transfer-encoding: chunked\r\n\r\n${spans.length.toString(16)}\r\n`),
      spans,
      Buffer.from('\r\n0\r\n\r\n'),
    ]);
  const LAST = 'connection: close\r\n';
  const statuses = (said: string) => said.match(/(?<=HTTP\/1.1 )\d+/g)?.join(' ');

  test.each([1500, 5000, 1_000_000])('goes on with any requests, in pieces of %i bytes', async (bytes) => {
    const all = Buffer.concat([plain, chunked(), plain, chunked(), plain, plain, chunked(LAST)]);
    const pieces = Array.from({ length: Math.ceil(all.length / bytes) }, (_, i) =>
      all.subarray(i * bytes).subarray(0, bytes),
    );
    expect(statuses(await raw(pieces, 5000))).toBe('200 200 200 200 200 200 200');
    expect(arrived()).toBe(7 * 100);
  });

  test('answers what is no POST', async () => {
    const get = Buffer.from(`GET /v1/traces ${fields}\r\n`);
    const last = Buffer.from(`OPTIONS /v1/traces ${fields}${LAST}\r\n`);
    const said = await raw([plain, get, plain, last], 5000);
    expect(statuses(said)).toBe('200 405 200 204');
    expect(said).toMatch(/\r\nallow: POST, OPTIONS\r\n/);
  });

  test('stop ends one that is idle', async () => {
    const talk = raw([plain, chunked()], 20_000);
    await expect.poll(arrived).toBe(200);
    const deadline = AbortSignal.timeout(10_000);
    await at.receiver.stop(deadline);
    expect(deadline.aborted).toBe(false);
    expect(statuses(await talk)).toBe('200 200');
  });

  test('ends with its next answer where it is shed', async () => {
    at.sink.answer = async () => void setTimeout(() => at.receiver.load().map(({ id }) => at.receiver.shed(id)), 20);
    // Empty lines take their time, and are nothing.
    const pause = Array.from({ length: 20 }, () => '\r\n');
    expect(statuses(await raw([chunked(), ...pause, chunked(), chunked()], 5000))).toBe('200 200');
  });

  test('stop waits for the answer of one that is busy, which says that it is the last', async () => {
    let release: (() => void) | undefined;
    at.sink.answer = () => new Promise((resolve) => (release = resolve));
    const talk = raw([chunked()], 20_000);
    await expect.poll(() => release).toBeDefined();
    const deadline = AbortSignal.timeout(10_000);
    let hasStopped = false;
    const stopping = at.receiver.stop(deadline).then(() => (hasStopped = true));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(hasStopped).toBe(false);
    release?.();
    await stopping;
    expect(deadline.aborted).toBe(false);
    expect(await talk).toMatch(/^HTTP\/1.1 200 OK\r\n[^]*connection: close\r\n[^]*\r\n\r\n$/i);
  });
});

test('100-continue over HTTP/2: asked for only if the request can be taken', async () => {
  const session = connectHttp2(`http://${at.http}`);
  const ask = (headers: Record<string, string>) =>
    session.request({ ':method': 'POST', ':path': '/v1/traces', expect: '100-continue', ...headers });
  const taken = ask(PROTOBUF);
  await once(taken, 'continue');
  expect(arrived()).toBe(0);
  taken.end(spans);
  expect((await once(taken, 'response'))[0][':status']).toBe(200);
  expect(arrived()).toBe(100);
  const refused = ask({ 'content-type': 'text/plain' });
  let asked = false;
  refused.on('continue', () => (asked = true));
  expect((await once(refused, 'response'))[0][':status']).toBe(415);
  expect(asked).toBe(false);
  session.destroy();
});
