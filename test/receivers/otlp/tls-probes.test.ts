/** What OpenSSL's own client sees of the listeners: `npm run check:tls` looks at more, with testssl.sh. */
import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Router } from '../../../pipeline/routes.ts';
import { serverTlsConfig } from '../../../pipeline/server-tls.ts';
import { AdminServer } from '../../../pipeline/telemetry/admin.ts';
import { type Certificates, makeCertificates } from '../../support/certificates.ts';
import { testContext } from '../../support/context.ts';
import { type Started, started } from './started.ts';

/** Of TLS 1.2, what may be spoken: forward secrecy and authenticated encryption. */
const STRONG = ['AES128-GCM-SHA256', 'AES256-GCM-SHA384', 'CHACHA20-POLY1305'].flatMap((suite) => [
  `ECDHE-ECDSA-${suite}`,
  `ECDHE-RSA-${suite}`,
]);
/** Everything else that this OpenSSL has, as weak as it likes. */
const WEAK = ['ALL', 'COMPLEMENTOFALL', ...STRONG.map((suite) => `!${suite}`), '@SECLEVEL=0'].join(':');

let files: Certificates;
let at: Started;
let admin: AdminServer;
beforeAll(async () => {
  files = makeCertificates();
  files.issue('rsa', 'ca', 'rsa');
  const tls = (name: string) => ({ cert_file: files.file(`${name}.pem`), key_file: files.file(`${name}.key`) });
  at = await started({ tls: tls('server') }, {}, { http: { tls: tls('rsa') } });
  const endpoint = { host: '127.0.0.1', port: 0, tls: serverTlsConfig.parse(tls('server')) };
  const api = { router: new Router(), token: undefined };
  admin = new AdminServer(endpoint, 'service.telemetry.metrics', {}, testContext('admin'), api);
  await admin.start();
});
afterAll(async () => {
  await at.receiver.stop(AbortSignal.timeout(5000));
  await admin.stop();
  files.remove();
});

/** What `openssl s_client` says, as to a server, with these options; `typed` goes to it once hands are shaken. */
function probe(address: string, options: readonly string[], typed: readonly string[] = []): Promise<string> {
  const args = ['s_client', '-connect', address, '-CAfile', files.file('ca.pem'), ...options];
  const client = spawn('openssl', args, { timeout: 20_000 });
  let said = '';
  let rest = [...typed];
  const hear = (piece: Buffer): void => {
    said += piece.toString('latin1');
    // Behind this what is typed is sent, each line when the one before has been answered.
    if (!/Verify return code/.test(said)) return;
    const next = rest.shift();
    if (next === undefined) client.stdin.end();
    else client.stdin.write(next);
  };
  client.stdin.on('error', () => {});
  client.stdout.on('data', hear);
  client.stderr.on('data', hear);
  if (typed.length === 0) client.stdin.end();
  return new Promise((resolve) => client.once('close', () => resolve(said)));
}

const SHAKEN = /^New, TLSv1\.[23], Cipher is /m;

describe.each([
  ['gRPC', () => at.grpc, ['-alpn', 'h2']],
  ['HTTP', () => at.http, ['-alpn', 'http/1.1']],
  ['metrics', () => `127.0.0.1:${admin.port}`, []],
])('%s', (_, address, alpn) => {
  const look = (...options: string[]) => probe(address(), [...alpn, ...options]);

  test.each([
    ['-tls1_2', 'TLSv1.2'],
    ['-tls1_3', 'TLSv1.3'],
  ])('%s: forward secrecy, no compression, renegotiation only as RFC 5746 has it', async (version, name) => {
    const said = await look(version, '-comp');
    expect(said).toMatch(/Verify return code: 0 \(ok\)/);
    expect(said).toMatch(new RegExp(`New, ${name}, Cipher is ${name === 'TLSv1.2' ? 'ECDHE-' : 'TLS_'}`));
    expect(said).toMatch(/Server Temp Key: (X25519|ECDH)/);
    expect(said).toMatch(/Compression: NONE/);
    if (name === 'TLSv1.2') expect(said).toMatch(/Secure Renegotiation IS supported/);
  });

  test.each(['-tls1', '-tls1_1'])('%s is refused', async (version) => {
    const said = await look(version, '-cipher', 'ALL:@SECLEVEL=0');
    expect(said).toMatch(/alert protocol version/);
    expect(said).not.toMatch(SHAKEN);
  });

  test('no weak suite', async () => {
    expect(await look('-tls1_2', '-cipher', STRONG.join(':'))).toMatch(SHAKEN);
    const said = await look('-tls1_2', '-cipher', WEAK);
    expect(said).toMatch(/alert handshake failure/);
    expect(said).not.toMatch(SHAKEN);
  });

  test('a client that wants to shake hands again is refused', async () => {
    const said = await probe(address(), [...alpn, '-tls1_2'], ['R\n']);
    expect(said).toMatch(/RENEGOTIATING/);
    expect(said).toMatch(/no renegotiation/);
  });

  test('the rules are ours: a client that would rather have another suite gets the first of ours', async () => {
    const [weaker, ours] = STRONG.filter((suite) => /AES/.test(suite)).reduce<[string[], string[]]>(
      ([large, small], suite) => (suite.includes('AES256') ? [[...large, suite], small] : [large, [...small, suite]]),
      [[], []],
    );
    expect(await look('-tls1_2', '-cipher', [...weaker, ...ours].join(':'))).toMatch(/Cipher is ECDHE-.*AES128-GCM/);
  });
});
