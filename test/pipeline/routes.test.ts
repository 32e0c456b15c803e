import { request } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PipelineError } from '../../pipeline/errors.ts';
import { Router } from '../../pipeline/routes.ts';
import { AdminServer, metricsPages } from '../../pipeline/telemetry/admin.ts';
import { Meter } from '../../pipeline/telemetry/meter.ts';
import { METRICS } from '../../pipeline/telemetry/metrics-table.ts';
import { testContext } from '../support/context.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
const TOKEN = 'a token of some length';
const PAGES = metricsPages({ meter: new Meter(METRICS), state: () => 'ready' });

let router: Router;
let servers: AdminServer[] = [];
let posted: unknown[];
beforeEach(() => {
  router = new Router();
  posted = [];
  const routes = router.of('verdict');
  routes.add('GET', '/api/things', ({ query }) => ({ json: { limit: query.get('limit') } }));
  routes.add('POST', '/api/things', ({ body }) => {
    posted.push(body);
    return { status: 201, json: { body } };
  });
  routes.add('DELETE', '/api/things', () => ({ json: posted.push('deleted') }));
  routes.add('GET', '/api/things/{id}', ({ params }) => ({ json: params }));
  routes.add('GET', '/api/things/{id}/story', async ({ params }) => ({ text: `the story of ${params.id}\n` }));
  routes.add('GET', '/api/refusing', () => {
    throw new PipelineError('api_not_found', 'thing 7; there is 8');
  });
  routes.add('GET', '/api/broken', () => Promise.reject(new Error('boom')));
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

async function serve(token?: string, host = 'localhost'): Promise<AdminServer> {
  const server = new AdminServer({ host, port: 0 }, 'the.key', PAGES, testContext('admin'), { router, token });
  await server.start();
  servers.push(server);
  return server;
}

interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly host?: string;
}

/** Not `fetch`, which sets Host and Origin itself. */
function ask(server: AdminServer, path: string, { method, headers = {}, body, host = 'localhost' }: Asked = {}) {
  return new Promise<{ status: number; type: string; body: string }>((resolve, reject) => {
    const sent = request({ host, port: server.port, path, method: method ?? 'GET', headers }, (answer) => {
      text(answer).then((said) => {
        resolve({ status: answer.statusCode as number, type: answer.headers['content-type'] ?? '', body: said });
      }, reject);
    });
    // A server that refuses a large body closes the connection while it is still sent.
    sent.on('error', reject);
    sent.end(body);
  });
}

const post = (body: string, headers: Record<string, string> = {}): Asked => ({
  method: 'POST',
  headers: { ...JSON_TYPE, ...headers },
  body,
});

describe('answers', () => {
  test.each([
    ['/api/things?limit=3', '{"limit":"3"}\n'],
    ['/api/things/a%2Fb%20c', '{"id":"a/b c"}\n'],
    ['/api/things/7', '{"id":"7"}\n'],
  ])('%s as JSON', async (path, body) => {
    expect(await ask(await serve(), path)).toEqual({ status: 200, type: 'application/json', body });
  });

  test('text', async () => {
    const answer = await ask(await serve(), '/api/things/7/story');
    expect(answer).toEqual({ status: 200, type: 'text/plain; charset=utf-8', body: 'the story of 7\n' });
  });

  test('what was posted', async () => {
    const server = await serve();
    expect(await ask(server, '/api/things', post('{"a":[1]}'))).toMatchObject({
      status: 201,
      body: '{"body":{"a":[1]}}\n',
    });
    const charset = { 'content-type': 'application/json; charset=utf-8' };
    expect(await ask(server, '/api/things', post('{}', charset))).toMatchObject({ status: 201 });
    expect(await ask(server, '/api/things', { method: 'DELETE' })).toMatchObject({ status: 200 });
    expect(posted).toEqual([{ a: [1] }, {}, 'deleted']);
  });
});

describe('refusals say code, message and what to do', () => {
  test.each([
    ['/api/nothing', {}, 404, 'api_not_found', 'there is /api/things, '],
    ['/api/things/', {}, 404, 'api_not_found', 'no such path'],
    ['/api/constructor', {}, 404, 'api_not_found', 'no such path'],
    ['/api/things/%zz', {}, 400, 'api_invalid', '"%zz"'],
    ['/api/things', { method: 'PUT' }, 405, 'api_method', 'there is GET, POST, DELETE'],
    ['/api/things', post('{"a":'), 400, 'api_invalid', 'not JSON'],
    ['/api/things', post('{}', { 'content-type': 'text/plain' }), 415, 'api_content_type', 'text/plain'],
    ['/api/things', post('{}', { 'content-type': 'application/jsonx' }), 415, 'api_content_type', 'jsonx'],
    ['/api/things', post('{}', { 'content-encoding': 'gzip' }), 415, 'api_content_type', 'gzip'],
    ['/api/things', { method: 'POST' }, 415, 'api_content_type', 'none'],
    ['/api/things', post(`"${'x'.repeat(64 * 1024)}"`), 413, 'api_too_large', 'nothing was changed'],
    ['/api/refusing', {}, 404, 'api_not_found', 'thing 7; there is 8'],
    ['/api/broken', {}, 500, 'internal', 'boom'],
  ] as const)('%s %j: %i', async (path, asked, status, code, message) => {
    const answer = await ask(await serve(), path, asked);
    expect(answer).toMatchObject({ status, type: 'application/json' });
    const said = JSON.parse(answer.body) as Record<string, string>;
    expect(said).toEqual({ code, message: expect.stringContaining(message), todo: expect.stringMatching(/\w/) });
    expect(posted).toEqual([]);
  });

  test('of 64 KiB less nothing is too much', async () => {
    const answer = await ask(await serve(), '/api/things', post(`"${'x'.repeat(64 * 1024 - 2)}"`));
    expect(answer.status).toBe(201);
  });
});

describe('two components of one kind', () => {
  beforeEach(() => router.of('verdict/eu').add('GET', '/api/things', () => ({ json: 'eu' })));

  test('the query says which', async () => {
    const server = await serve();
    expect((await ask(server, '/api/things?component=verdict/eu')).body).toBe('"eu"\n');
    expect((await ask(server, '/api/things?component=verdict')).body).toBe('{"limit":null}\n');
  });

  test('without it, or with another one, they are named', async () => {
    const server = await serve();
    const unclear = await ask(server, '/api/things');
    expect([unclear.status, unclear.body]).toEqual([409, expect.stringContaining('verdict, verdict/eu')]);
    const other = await ask(server, '/api/things?component=verdict/us');
    expect([other.status, other.body]).toEqual([404, expect.stringContaining('verdict, verdict/eu')]);
  });
});

describe('a page in a browser on this machine', () => {
  test.each([
    ['localhost:1', 'http://localhost:1', 201],
    ['LOCALHOST:1', undefined, 201],
    ['127.0.0.1:8888', undefined, 201],
    ['[::1]:8888', 'http://[::1]:8888', 201],
    ['windback.localhost', undefined, 201],
    ['evil.example', 'http://evil.example', 403],
    ['evil.example:8888', undefined, 403],
    ['127.0.0.1.evil.example', undefined, 403],
    ['localhost.evil.example', undefined, 403],
    ['localhost:8888', 'https://evil.example', 403],
    ['localhost:8888', 'http://localhost:9999', 403],
    ['localhost:8888', 'null', 403],
  ])('Host %s, Origin %s: %i', async (host, origin, status) => {
    const headers = { Host: host, ...(origin === undefined ? {} : { Origin: origin }) };
    const server = await serve();
    expect(await ask(server, '/api/things', post('{}', headers))).toMatchObject({ status });
    expect(posted).toHaveLength(status === 201 ? 1 : 0);
    for (const path of ['/api/things', '/metrics'])
      expect(await ask(server, path, { headers })).toMatchObject({ status: status === 201 ? 200 : 403 });
  });
});

describe('a token', () => {
  test.each([
    [undefined, 401],
    ['Bearer wrong', 401],
    [`Bearer ${TOKEN} `, 201],
    [`bearer ${TOKEN}`, 201],
    [`Bearer ${TOKEN}x`, 401],
    [TOKEN, 401],
    ['Bearer ', 401],
  ])('%s: %i', async (authorization, status) => {
    const headers = authorization === undefined ? {} : { authorization };
    const answer = await ask(await serve(TOKEN), '/api/things', post('{}', headers));
    expect(answer.status).toBe(status);
    expect(answer.body).not.toContain(TOKEN);
    expect(posted).toHaveLength(status === 201 ? 1 : 0);
  });

  test('lets a proxy ask under its own name, which a page cannot', async () => {
    const server = await serve(TOKEN);
    const headers = { Host: 'windback.example', Origin: 'https://console.example' };
    const withToken = { ...headers, authorization: `Bearer ${TOKEN}` };
    expect(await ask(server, '/api/things', { headers: withToken })).toMatchObject({ status: 200 });
    expect(await ask(server, '/api/things', post('{}', withToken))).toMatchObject({ status: 201 });
    const wrong = { ...headers, authorization: `Bearer ${TOKEN}x` };
    expect(await ask(server, '/api/things', { headers: wrong })).toMatchObject({ status: 403 });
  });

  test('is not asked of those who only look', async () => {
    expect(await ask(await serve(TOKEN), '/api/things')).toMatchObject({ status: 200 });
  });
});

describe('an address that other machines reach', () => {
  test('shows, but changes nothing without a token', async () => {
    const server = await serve(undefined, '0.0.0.0');
    const headers = { Host: 'windback.example' };
    expect(await ask(server, '/api/things', { headers, host: '127.0.0.1' })).toMatchObject({ status: 200 });
    for (const asked of [post('{}', headers), { method: 'DELETE' }]) {
      const answer = await ask(server, '/api/things', { ...asked, host: '127.0.0.1' });
      expect(answer.status).toBe(403);
      expect(answer.body).toContain('service.telemetry.admin.token');
    }
    expect(posted).toEqual([]);
  });

  const outside = Object.values(networkInterfaces())
    .flat()
    .find((one) => one?.family === 'IPv4' && !one.internal);
  test.skipIf(outside === undefined)('with the token it does, by any name', async () => {
    const server = await serve(TOKEN, outside?.address);
    const headers = { Host: 'windback.example', authorization: `Bearer ${TOKEN}` };
    const asked = { ...post('{}', headers), host: outside?.address as string };
    expect(await ask(server, '/api/things', asked)).toMatchObject({ status: 201 });
  });
});

test('a client that never ends its body does not stop the others', async () => {
  const server = await serve();
  const socket = connect(server.port, 'localhost');
  socket.on('error', () => {});
  socket.write(
    'POST /api/things HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
  );
  expect(await ask(server, '/api/things')).toMatchObject({ status: 200 });
  await server.stop();
  socket.destroy();
  expect(posted).toEqual([]);
});
