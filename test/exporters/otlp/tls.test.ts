import { type handleUnaryCall, Server, ServerCredentials } from '@grpc/grpc-js';
import { copyFileSync } from 'node:fs';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { otlpExporterConfig } from '../../../exporters/otlp/config.ts';
import { OtlpExporter } from '../../../exporters/otlp/otlp.ts';
import { TelemetryBatch } from '../../../pipeline/batch.ts';
import { ManualClock } from '../../../pipeline/clock.ts';
import type { PipelineError } from '../../../pipeline/errors.ts';
import { EXPORT_METHODS } from '../../../proto/otlp/export.ts';
import { type Certificates, makeCertificates } from '../../support/certificates.ts';
import { recordingLogger, testContext } from '../../support/context.ts';
import { requestBytes } from '../../support/otlp-requests.ts';

let certificates: Certificates;
const file = (name: string): string => certificates.file(name);

beforeAll(() => {
  certificates = makeCertificates();
});
afterAll(() => certificates.remove());

const cleanups: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** A grpc-js server over TLS; what it got. */
async function secureServer(asksForCertificate = false): Promise<{ port: number; got: Buffer[] }> {
  const got: Buffer[] = [];
  const server = new Server({ 'grpc.max_receive_message_length': -1 });
  const same = (bytes: Buffer) => bytes;
  const answer: handleUnaryCall<Buffer, Buffer> = (call, done) => {
    got.push(call.request);
    done(null, Buffer.alloc(0));
  };
  const codec = {
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  const method = { path: EXPORT_METHODS.traces, requestStream: false, responseStream: false, ...codec };
  server.addService({ Export: method }, { Export: answer });
  const pair = { private_key: certificates.read('server.key'), cert_chain: certificates.read('server.pem') };
  const credentials = ServerCredentials.createSsl(certificates.read('ca.pem'), [pair], asksForCertificate);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  cleanups.push(() => server.forceShutdown());
  return { port, got };
}

async function send(endpoint: string, tls: object, batch: TelemetryBatch): Promise<string> {
  const config = otlpExporterConfig.parse({ endpoint, tls, compression: 'none' });
  const exporter = new OtlpExporter(config, testContext('otlp/out'));
  await exporter.start();
  cleanups.push(() => exporter.stop(AbortSignal.timeout(2000)));
  return exporter.consume(batch).then(
    () => 'sent',
    (error: PipelineError) => `${error.code} ${error.detail}`,
  );
}

const batch = (count: number) => TelemetryBatch.open('traces', requestBytes('traces', count));

test.each(['localhost', '127.0.0.1'])('tls.ca_file, by the name and by the address: %s', async (host) => {
  const { port, got } = await secureServer();
  const sent = batch(10_000);
  expect(await send(`${host}:${port}`, { ca_file: file('ca.pem') }, sent)).toBe('sent');
  expect(Buffer.compare(got[0] as Buffer, sent.bytes)).toBe(0);
});

test('a certificate of somebody else', async () => {
  const { port, got } = await secureServer();
  expect(await send(`localhost:${port}`, {}, batch(1))).toMatch(/^unreachable .*certificate/);
  expect(await send(`localhost:${port}`, { insecure_skip_verify: true }, batch(1))).toBe('sent');
  expect(got).toHaveLength(1);
});

test('server_name_override', async () => {
  const { port } = await secureServer();
  const tls = { ca_file: file('ca.pem') };
  expect(await send(`127.0.0.1:${port}`, { ...tls, server_name_override: 'backend.test' }, batch(1))).toBe('sent');
  expect(await send(`127.0.0.1:${port}`, { ...tls, server_name_override: 'other.test' }, batch(1))).toMatch(
    /^unreachable .*other\.test/,
  );
});

test('a server that asks for a certificate', async () => {
  const { port } = await secureServer(true);
  const tls = { ca_file: file('ca.pem') };
  const own = { cert_file: file('client.pem'), key_file: file('client.key') };
  expect(await send(`localhost:${port}`, { ...tls, ...own }, batch(1))).toBe('sent');
  expect(await send(`localhost:${port}`, tls, batch(1))).toMatch(/^unreachable/);
});

test('files that change hold for the next connection, without a restart', async () => {
  certificates.authority('other-ca');
  certificates.issue('stranger', 'other-ca');
  const put = (name: string, ...ends: readonly string[]) => {
    for (const end of ends) copyFileSync(file(`${name}.${end}`), file(`live.${end}`));
  };
  put('stranger', 'pem', 'key');
  copyFileSync(file('other-ca.pem'), file('live-ca.pem'));
  const { port, got } = await secureServer(true);
  const clock = new ManualClock();
  const { logger, lines } = recordingLogger();
  const tls = { ca_file: file('live-ca.pem'), cert_file: file('live.pem'), key_file: file('live.key') };
  const config = otlpExporterConfig.parse({ endpoint: `localhost:${port}`, tls: { ...tls, reload_interval: '1s' } });
  const exporter = new OtlpExporter(config, testContext('otlp/out', { clock, logger }));
  await exporter.start();
  const tried = () => exporter.consume(batch(1)).then(() => 'sent', String);

  expect(await tried()).toMatch(/certificate/);
  copyFileSync(file('ca.pem'), file('live-ca.pem'));
  await clock.advanceTo(1000);
  // Now it trusts the server, which does not trust it.
  expect(await tried()).not.toBe('sent');
  put('client', 'pem');
  await clock.advanceTo(3000);
  const told = (level: number) => lines.filter((line) => line['level'] === level).map(({ msg }) => msg);
  expect(told(40)).toEqual([expect.stringMatching(/tls\.cert_file.*key values mismatch.*stay in use$/)]);
  put('client', 'key');
  await clock.advanceTo(4000);
  expect(await tried()).toBe('sent');
  expect([got.length, told(30).length]).toEqual([1, 2]);
  // What is connected stays so.
  put('stranger', 'pem', 'key');
  await clock.advanceTo(5000);
  expect(await tried()).toBe('sent');
  await exporter.stop(AbortSignal.timeout(2000));
  expect(clock.alarms).toBe(0);
});

test.each([
  ['no such authority', { ca_file: '/nowhere/ca.pem' }, 'file_unreadable', /\/nowhere\/ca\.pem \(tls\.ca_file\)/],
  ['an authority that is none', () => ({ ca_file: file('names') }), 'bad_certificate', /names \(tls\.ca_file\)/],
  [
    'the key of another',
    () => ({ cert_file: file('client.pem'), key_file: file('server.key') }),
    'bad_certificate',
    /tls\.cert_file.*tls\.key_file.*mismatch/,
  ],
])('%s is no start', async (_, tls, code, detail) => {
  const config = otlpExporterConfig.parse({ endpoint: 'localhost:1', tls: typeof tls === 'function' ? tls() : tls });
  const exporter = new OtlpExporter(config, testContext('otlp/out'));
  await expect(exporter.start()).rejects.toMatchObject({ code, detail: expect.stringMatching(detail) });
});

test('a server that speaks no HTTP/2', async () => {
  const server = createHttps({ key: certificates.read('server.key'), cert: certificates.read('server.pem') });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => void server.close());
  const { port } = server.address() as AddressInfo;
  expect(await send(`localhost:${port}`, { ca_file: file('ca.pem') }, batch(1))).toMatch(/^unreachable/);
});
