import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { ServiceState } from '../../../pipeline/service.ts';
import { AdminServer, healthPages, metricsPages } from '../../../pipeline/telemetry/admin.ts';
import { Meter } from '../../../pipeline/telemetry/meter.ts';
import { METRICS } from '../../../pipeline/telemetry/metrics-table.ts';
import { testContext } from '../../support/context.ts';

let state: ServiceState = 'new';
let servers: AdminServer[] = [];

async function serve(pages: 'health' | 'metrics', port = 0): Promise<AdminServer> {
  const view = { meter: new Meter(METRICS), state: () => state };
  const made = pages === 'health' ? healthPages(view) : metricsPages(view);
  const server = new AdminServer({ host: 'localhost', port }, 'the.key', made, testContext('admin'));
  await server.start();
  servers.push(server);
  return server;
}

afterEach(async () => {
  await Promise.all(servers.map((server) => server.stop()));
  servers = [];
});

async function get(server: AdminServer, path: string): Promise<[number, string | null, string]> {
  const answer = await fetch(`http://localhost:${server.port}${path}`);
  return [answer.status, answer.headers.get('content-type'), await answer.text()];
}

describe('health', () => {
  test.each([
    ['new', 503, 'new'],
    ['starting', 503, 'starting'],
    ['ready', 200, 'ok'],
    ['stopping', 503, 'stopping'],
    ['stopped', 503, 'stopped'],
  ] as const)('%s', async (now, status, said) => {
    state = now;
    const server = await serve('health');
    for (const path of ['/readyz', '/', '/readyz?verbose=1']) {
      expect(await get(server, path)).toEqual([status, 'application/json', `{"status":"${said}"}\n`]);
    }
    expect(await get(server, '/livez')).toEqual([200, 'application/json', '{"status":"ok"}\n']);
  });
});

test('metrics, in the text format', async () => {
  const [status, type, body] = await get(await serve('metrics'), '/metrics');
  expect([status, type]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
  expect(body).toMatch(/^windback_process_uptime_seconds \d/m);
});

test('another path is told what there is', async () => {
  const [status, , body] = await get(await serve('metrics'), '/nowhere');
  expect([status, body]).toEqual([404, 'not found; there is /metrics\n']);
});

test.each(['//', '/%', 'http://[', '*', '/\\'])(
  'a request for %s is answered, and the process lives',
  async (target) => {
    const server = await serve('health');
    const answer = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect(server.port, 'localhost', () => {
        socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      });
      socket.on('data', (piece) => (text += piece.toString()));
      socket.on('end', () => resolve(text)).on('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1.1 4/);
  },
);

test('a port in use names the key that sets it', async () => {
  const { port } = await serve('health');
  await expect(serve('health', port)).rejects.toMatchObject({
    code: 'port_in_use',
    detail: `localhost:${port} (the.key.endpoint)`,
  });
});

test('stopping is legal before start and twice', async () => {
  const server = new AdminServer({ host: 'localhost', port: 0 }, 'the.key', {}, testContext('admin'));
  await server.stop();
  await server.start();
  await server.stop();
  await server.stop();
});
