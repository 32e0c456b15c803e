import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { Sockets } from '../../../exporters/kafka/sockets.ts';
import { ManualClock } from '../../../pipeline/clock.ts';
import { ClientTls, clientTlsConfig } from '../../../pipeline/client-tls.ts';
import { makeCertificates } from '../../support/certificates.ts';
import { recordingLogger } from '../../support/context.ts';

test('certificates that change hold for the next connection to a broker', async () => {
  const files = makeCertificates();
  files.issue('next');
  onTestFinished(() => files.remove());
  const put = (name: string) => {
    for (const end of ['pem', 'key']) copyFileSync(files.file(`${name}.${end}`), files.file(`live.${end}`));
  };
  put('client');
  const tls = { cert: files.read('server.pem'), key: files.read('server.key'), ca: files.read('ca.pem') };
  const server = createServer({ ...tls, requestCert: true }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  const own = { ca_file: files.file('ca.pem'), cert_file: files.file('live.pem'), key_file: files.file('live.key') };
  const certificates = await ClientTls.load(clientTlsConfig.parse(own));
  const clock = new ManualClock();
  onTestFinished(certificates.keepFresh(clock, recordingLogger().logger));
  const sockets = new Sockets(certificates);
  const shown = async () => {
    const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
    const socket = sockets.open({ host: 'localhost', port, ssl: true as never, onConnect() {} });
    onTestFinished(() => void socket.destroy());
    return (await accepted)[0].getPeerCertificate().subject.CN;
  };
  expect(await shown()).toBe('client');
  put('next');
  expect(await shown()).toBe('client');
  await clock.advanceTo(60_000);
  expect(await shown()).toBe('next');
});
