import { copyFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { otlpHttpExporterConfig } from '../../../exporters/otlp-http/config.ts';
import { OtlpHttpExporter } from '../../../exporters/otlp-http/otlp-http.ts';
import { TelemetryBatch } from '../../../pipeline/batch.ts';
import { ManualClock } from '../../../pipeline/clock.ts';
import { type Certificates, makeCertificates } from '../../support/certificates.ts';
import { testContext } from '../../support/context.ts';
import { requestBytes } from '../../support/otlp-requests.ts';

let files: Certificates;
beforeAll(() => {
  files = makeCertificates();
  files.issue('next');
});
afterAll(() => files.remove());

/** A server that asks for certificates; whose it saw, request by request, and over how many connections. */
async function secureServer() {
  const seen: string[] = [];
  const sockets = new Set<TLSSocket>();
  let answer = (respond: () => void): void => respond();
  const tls = { cert: files.read('server.pem'), key: files.read('server.key'), ca: files.read('ca.pem') };
  const server = createServer({ ...tls, requestCert: true }, (request, response) => {
    const socket = request.socket as TLSSocket;
    sockets.add(socket);
    seen.push(String(socket.getPeerCertificate().subject?.CN));
    request.resume().on('end', () => answer(() => response.writeHead(200).end()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const open = () => [...sockets].filter((socket) => !socket.closed).length;
  return { port, seen, open, hold: (by: typeof answer) => (answer = by) };
}

test('files that change hold for the next connection; those from before end when they are idle', async () => {
  const put = (name: string) => {
    for (const end of ['pem', 'key']) copyFileSync(files.file(`${name}.${end}`), files.file(`live.${end}`));
  };
  put('client');
  const server = await secureServer();
  const clock = new ManualClock();
  const tls = { ca_file: files.file('ca.pem'), cert_file: files.file('live.pem'), key_file: files.file('live.key') };
  const config = otlpHttpExporterConfig.parse({ endpoint: `https://localhost:${server.port}`, tls });
  const exporter = new OtlpHttpExporter(config, testContext('otlp_http', { clock }));
  await exporter.start();
  const send = () => exporter.consume(TelemetryBatch.open('traces', requestBytes('traces', 1)));
  await send();
  await send();
  expect([server.seen, server.open()]).toEqual([['client', 'client'], 1]);

  let release = (): void => {};
  server.hold((respond) => (release = respond));
  const underWay = send();
  await expect.poll(() => server.seen.length).toBe(3);
  put('next');
  await clock.advanceTo(60_000);
  server.hold((respond) => respond());
  await send();
  expect(server.seen.at(-1)).toBe('next');
  expect(server.open()).toBe(2);
  release();
  await underWay;
  await expect.poll(() => server.open()).toBe(1);
  await exporter.stop(AbortSignal.timeout(2000));
  expect(clock.alarms).toBe(0);
});
