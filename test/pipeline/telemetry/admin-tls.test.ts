import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { ManualClock } from '../../../pipeline/clock.ts';
import { Router } from '../../../pipeline/routes.ts';
import { serverTlsConfig } from '../../../pipeline/server-tls.ts';
import { AdminServer, healthPages, metricsPages } from '../../../pipeline/telemetry/admin.ts';
import { Meter } from '../../../pipeline/telemetry/meter.ts';
import { METRICS } from '../../../pipeline/telemetry/metrics-table.ts';
import { type Certificates, makeCertificates } from '../../support/certificates.ts';
import { recordingLogger } from '../../support/context.ts';

let files: Certificates;
beforeAll(() => {
  files = makeCertificates();
  files.issue('next');
});
afterAll(() => files.remove());

const pair = (name: string) => ({ cert_file: files.file(`${name}.pem`), key_file: files.file(`${name}.key`) });
const shows = (name: string) => ({ cert: files.read(`${name}.pem`), key: files.read(`${name}.key`) });

async function serve(tls: Record<string, string> | undefined, host = '127.0.0.1', token?: string) {
  const clock = new ManualClock();
  const { logger, lines } = recordingLogger();
  const view = { meter: new Meter(METRICS), state: () => 'ready' as const };
  const pages = { ...metricsPages(view), ...healthPages(view) };
  const endpoint = { host, port: 0, tls: tls && serverTlsConfig.parse(tls) };
  const api = { router: new Router(), token };
  const server = new AdminServer(endpoint, 'service.telemetry.metrics', pages, { clock, logger }, api);
  onTestFinished(() => server.stop());
  await server.start();
  return { server, clock, warnings: () => lines.filter(({ level }) => level === 40) };
}

/** The status, or the error's code. */
function get({ port }: AdminServer, path: string, options: ConnectionOptions = {}): Promise<number | string> {
  return new Promise((resolve) => {
    const asked = { host: '127.0.0.1', port, path, ca: files.read('ca.pem'), agent: false, ...options };
    request(asked, (response) => void response.resume().on('end', () => resolve(response.statusCode ?? 0)))
      .on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      .end();
  });
}

async function shaken({ port }: AdminServer, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, ca: files.read('ca.pem'), ...options });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'secureConnect');
  return socket.on('error', () => {});
}

test('metrics and health are served over TLS, and to nobody who speaks plainly', async () => {
  const { server } = await serve(pair('server'));
  for (const path of ['/metrics', '/readyz']) expect(await get(server, path)).toBe(200);
  await expect(fetch(`http://127.0.0.1:${server.port}/metrics`)).rejects.toThrow('fetch failed');
  expect(await get(server, '/metrics')).toBe(200);
});

test('the same rules hold as for receivers: no old version, no weak suite', async () => {
  const { server } = await serve(pair('server'));
  await expect(
    shaken(server, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' }),
  ).rejects.toThrow();
  const weak = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-SHA384' } as const;
  await expect(shaken(server, weak)).rejects.toThrow();
});

test('with client_ca_file only those with a certificate are answered', async () => {
  const { server } = await serve({ ...pair('server'), client_ca_file: files.file('ca.pem') });
  expect(await get(server, '/metrics')).not.toBe(200);
  expect(await get(server, '/metrics', shows('client'))).toBe(200);
});

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'who is no longer let in does not come in by a session from before either: %s',
  async (maxVersion) => {
    files.authority('other-ca');
    copyFileSync(files.file('ca.pem'), files.file('clients.pem'));
    const { server, clock } = await serve({ ...pair('server'), client_ca_file: files.file('clients.pem') });
    const options = { ...shows('client'), maxVersion };
    const first = connect({ host: '127.0.0.1', port: server.port, ca: files.read('ca.pem'), ...options });
    onTestFinished(() => void first.destroy());
    const [session] = (await once(first, 'session')) as [Buffer];
    expect((await shaken(server, { ...options, session })).isSessionReused()).toBe(true);
    copyFileSync(files.file('other-ca.pem'), files.file('clients.pem'));
    await clock.advanceTo(60_000);
    expect(await get(server, '/metrics', { ...options, session })).not.toBe(200);
  },
);

test('new files hold for new connections, while the old ones go on', async () => {
  for (const end of ['pem', 'key']) copyFileSync(files.file(`server.${end}`), files.file(`live.${end}`));
  const { server, clock, warnings } = await serve({ ...pair('live'), reload_interval: '1s' });
  const old = await shaken(server);
  expect(old.getPeerCertificate().subject.CN).toBe('server');
  copyFileSync(files.file('next.pem'), files.file('live.pem'));
  await clock.advanceTo(1000);
  expect(warnings()[0]?.['msg']).toMatch(/service\.telemetry\.metrics\.tls.*stay in use$/);
  copyFileSync(files.file('next.key'), files.file('live.key'));
  await clock.advanceTo(2000);
  expect((await shaken(server)).getPeerCertificate().subject.CN).toBe('next');
  old.write('GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n');
  expect(String((await once(old, 'data'))[0])).toMatch(/^HTTP\/1.1 200 /);
  await server.stop();
  expect(clock.alarms).toBe(0);
});

test('stop waits neither for who is idle nor for who never shakes hands', async () => {
  const { server } = await serve(pair('server'));
  const idle = await shaken(server);
  const dumb = connectTcp(server.port, '127.0.0.1').on('error', () => {});
  await once(dumb, 'connect');
  // What has connected is known to the server by now.
  expect(await get(server, '/livez')).toBe(200);
  await server.stop();
  for (const socket of [idle, dumb]) await vi.waitUntil(() => socket.closed);
});

test('files that cannot be used are no start', async () => {
  const tls = { ...pair('server'), cert_file: '/nowhere/x.pem' };
  await expect(serve(tls)).rejects.toMatchObject({
    code: 'file_unreadable',
    detail: expect.stringContaining('service.telemetry.metrics.tls.cert_file'),
  });
  const other = { ...pair('server'), key_file: files.file('client.key') };
  await expect(serve(other)).rejects.toMatchObject({ code: 'bad_certificate' });
});

describe('a token that other machines send', () => {
  test.each([
    ['as it is', undefined, '0.0.0.0', 'a token of some length', 1],
    ['over TLS', 'server', '0.0.0.0', 'a token of some length', 0],
    ['from this machine only', undefined, '127.0.0.1', 'a token of some length', 0],
    ['that there is none of', undefined, '0.0.0.0', undefined, 0],
  ])('%s', async (_, name, host, token, count) => {
    const { warnings } = await serve(name === undefined ? undefined : pair(name), host, token);
    expect(warnings()).toHaveLength(count);
    for (const { msg, todo } of warnings()) {
      expect(msg).toMatch(/crosses the network as it is/);
      expect(todo).toMatch(/service\.telemetry\.metrics\.tls/);
      expect(msg).not.toContain('a token of');
    }
  });
});
