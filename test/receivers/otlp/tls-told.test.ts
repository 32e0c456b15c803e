/** What the operator hears of TLS: the client alone would know, and not always why. */
import { once } from 'node:events';
import { request } from 'node:https';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { ManualClock } from '../../../pipeline/clock.ts';
import type { Context } from '../../../pipeline/component.ts';
import { type Certificates, makeCertificates } from '../../support/certificates.ts';
import { counted, recordingLogger, testContext } from '../../support/context.ts';
import { type Started, started } from './started.ts';

let files: Certificates;
beforeAll(() => {
  files = makeCertificates();
  files.authority('other-ca');
  files.issue('stranger', 'other-ca');
});
afterAll(() => files.remove());

const shows = (name: string) => ({ cert: files.read(`${name}.pem`), key: files.read(`${name}.key`) });

async function secure(tls: Record<string, unknown>, context: Context): Promise<Started> {
  const own = { cert_file: files.file('server.pem'), key_file: files.file('server.key') };
  const at = await started({ tls: { ...own, ...tls } }, {}, { context });
  onTestFinished(() => at.receiver.stop(AbortSignal.timeout(5000)));
  return at;
}

/** Resolves when there is an answer, or none is to come. */
function ask(address: string, shown: { cert?: Buffer; key?: Buffer }): Promise<void> {
  const [host = '', port] = address.split(':');
  return new Promise((resolve) => {
    const sent = request({ host, port, ca: files.read('ca.pem'), ...shown, agent: false }, (answer) => {
      answer.resume().once('close', () => resolve());
    });
    sent.once('error', () => resolve());
    sent.end();
  });
}

test('a client that is not let in is counted, and told of once a minute', async () => {
  const { logger, lines } = recordingLogger();
  const clock = new ManualClock();
  const context = testContext('otlp', { logger, clock });
  const at = await secure({ client_ca_file: files.file('ca.pem') }, context);
  const told = () => lines.filter(({ msg }) => String(msg).startsWith('a TLS handshake failed')).length;
  const failed = () =>
    counted(context, 'windback_receiver_failed_handshakes_total', { receiver: 'otlp', transport: 'http' });
  for (let i = 1; i <= 3; i++) {
    await ask(at.http, shows('stranger'));
    await expect.poll(failed).toBe(i);
  }
  expect(told()).toBe(1);
  await clock.advanceTo(61_000);
  await ask(at.http, shows('stranger'));
  await expect.poll(told).toBe(2);
  expect(lines.at(-1)).toMatchObject({ level: 40, key: 'protocols.http.tls', client: '127.0.0.1', failed: 3 });
  // Whoever only looks whether the port is open is not one of them.
  const socket = connect(Number(at.http.split(':')[1]), '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
  await ask(at.http, shows('client'));
  expect(await failed()).toBe(4);
});

test.each([
  ['of another authority', () => shows('stranger'), /certificate is not accepted/, /SELF_SIGNED|UNABLE|LEAF/],
  ['that it does not show', () => ({}), /peer did not return a certificate/, /PEER_DID_NOT_RETURN_A_CERTIFICATE/],
])('a certificate %s is the reason', async (_, shown, why, code) => {
  const { logger, lines } = recordingLogger();
  const at = await secure({ client_ca_file: files.file('ca.pem') }, testContext('otlp', { logger }));
  await ask(at.http, shown());
  const told = () => lines.find(({ msg }) => String(msg).startsWith('a TLS handshake failed'));
  await expect.poll(told).toMatchObject({
    msg: expect.stringMatching(why),
    code: expect.stringMatching(code),
    client: '127.0.0.1',
  });
});

test('a certificate that has expired, or is not valid yet, is told of', async () => {
  for (const [nowMs, why] of [
    [Date.now() + 100 * 86_400_000, 'has expired'],
    [Date.now() - 100 * 86_400_000, 'is not valid yet'],
  ] as const) {
    const { logger, lines } = recordingLogger();
    vi.useFakeTimers({ toFake: ['Date'], now: nowMs });
    onTestFinished(() => void vi.useRealTimers());
    await secure({}, testContext('otlp', { logger }));
    const told = lines.filter(({ msg }) => msg === `the certificate of this listener ${why}`);
    expect(told.map(({ key }) => key)).toEqual(['protocols.grpc.tls.cert_file', 'protocols.http.tls.cert_file']);
  }
});
