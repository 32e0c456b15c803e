import { once } from 'node:events';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, createServer as createTls, type TLSSocket } from 'node:tls';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ManualClock } from '../../../pipeline/clock.ts';
import { EXPORT_METHODS } from '../../../proto/otlp/export.ts';
import { type Certificates, makeCertificates } from '../../support/certificates.ts';
import { recordingLogger, testContext } from '../../support/context.ts';
import { requestBytes } from '../../support/otlp-requests.ts';
import { type Started, started } from './started.ts';

const spans = Buffer.from(requestBytes('traces', 10));
const PROTOBUF = { 'content-type': 'application/x-protobuf' };

let files: Certificates;
beforeAll(() => {
  files = makeCertificates();
  files.authority('other-ca');
  files.issue('next');
  files.issue('rsa', 'ca', 'rsa');
  files.issue('stranger', 'other-ca');
});
afterAll(() => files.remove());

const pair = (name: string) => ({ cert_file: files.file(`${name}.pem`), key_file: files.file(`${name}.key`) });
/** What a client shows of itself. */
const shows = (name: string) => ({ cert: files.read(`${name}.pem`), key: files.read(`${name}.key`) });

async function secure(
  tls: Record<string, unknown> = {},
  both: Record<string, unknown> = {},
  parts: Parameters<typeof started>[2] = {},
): Promise<Started> {
  const at = await started({ tls: { ...pair('server'), ...tls }, ...both }, {}, parts);
  onTestFinished(() => at.receiver.stop(AbortSignal.timeout(5000)));
  return at;
}

function placeOf(address: string): { host: string; port: number } {
  const [host = '', port] = address.split(':');
  return { host, port: Number(port) };
}

/** Sends the spans; resolves to the status, or to the error's code. */
function http1(address: string, options: ConnectionOptions = {}, body: Buffer | undefined = spans, chunked = false) {
  return new Promise<number | string>((resolve) => {
    const request = httpsRequest({
      ...placeOf(address),
      ca: files.read('ca.pem'),
      ...options,
      method: 'POST',
      path: '/v1/traces',
      headers: { ...PROTOBUF, ...(!chunked && { 'content-length': body.length }) },
      agent: false,
    });
    request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    request.on('response', (response: IncomingMessage) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    if (chunked) request.write(body.subarray(0, 5));
    request.end(chunked ? body.subarray(5) : body);
  });
}

function http2(address: string, options: ConnectionOptions = {}, body: Buffer = spans): Promise<number | string> {
  return new Promise((resolve) => {
    const session = connectHttp2(`https://${address}`, { ca: files.read('ca.pem'), ...options });
    session.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    const stream = session.request({ ':method': 'POST', ':path': '/v1/traces', ...PROTOBUF });
    let got: IncomingHttpHeaders = {};
    stream.on('response', (headers) => (got = headers));
    stream.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    stream.resume();
    stream.on('end', () => {
      resolve(Number(got[':status']));
      session.destroy();
    });
    stream.end(body);
  });
}

/** The code of the answer: 0 where it was taken, 14 where there was no connection. */
async function grpc(address: string, shown?: { cert: Buffer; key: Buffer }, body: Buffer = spans): Promise<number> {
  const same = (bytes: Buffer) => bytes;
  const channel = credentials.createSsl(files.read('ca.pem'), shown?.key, shown?.cert);
  const client = new Client(address, channel, { 'grpc.max_send_message_length': -1 });
  const error = await new Promise<ServiceError | null>((resolve) =>
    client.makeUnaryRequest(EXPORT_METHODS.traces, same, same, body, (thrown) => resolve(thrown)),
  );
  client.close();
  return error?.code ?? 0;
}

/** A connection with hands shaken; rejects where the server does not. */
async function shaken(address: string, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connectTls({ ...placeOf(address), ca: files.read('ca.pem'), ...options });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'secureConnect');
  socket.on('error', () => {});
  return socket;
}

const nameShown = async (address: string) => (await shaken(address)).getPeerCertificate().subject.CN;

async function tcp(address: string): Promise<{ socket: Socket; closed: Promise<unknown> }> {
  const socket = connectTcp(placeOf(address));
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {}).resume();
  const closed = new Promise((resolve) => socket.on('close', resolve));
  await once(socket, 'connect');
  return { socket, closed };
}

describe('over TLS', () => {
  test('gRPC, HTTP/1.1 plain and chunked, and HTTP/2 are served', async () => {
    const at = await secure();
    expect(await grpc(at.grpc)).toBe(0);
    expect(await http1(at.http)).toBe(200);
    expect(await http1(at.http, {}, spans, true)).toBe(200);
    expect(await http2(at.http)).toBe(200);
    expect(at.sink.items('traces')).toBe(40);
  });

  test.each([
    ['grpc', ['h2'], 'h2'],
    ['http', ['http/1.1', 'h2'], 'h2'],
    ['http', ['http/1.1'], 'http/1.1'],
    // A client that asks for nothing speaks first.
    ['http', undefined, false],
  ] as const)('%s chooses of %j %s', async (protocol, ALPNProtocols, chosen) => {
    const at = await secure();
    const socket = await shaken(at[protocol], ALPNProtocols && { ALPNProtocols: [...ALPNProtocols] });
    expect(socket.alpnProtocol).toBe(chosen);
  });

  test('gRPC speaks nothing but HTTP/2', async () => {
    const at = await secure();
    await expect(shaken(at.grpc, { ALPNProtocols: ['http/1.1'] })).rejects.toThrow(/alert/);
  });

  test('bodies of many records arrive as they were sent', async () => {
    const at = await secure();
    const large = Buffer.from(requestBytes('traces', 80_000));
    expect(large.length).toBeGreaterThan(5 * 1024 ** 2);
    expect(await Promise.all([grpc(at.grpc, undefined, large), http2(at.http, {}, large)])).toEqual([0, 200]);
    expect(await Promise.all([http1(at.http, {}, large), http1(at.http, {}, large, true)])).toEqual([200, 200]);
    const got = at.sink.telemetry('traces');
    expect(got.map(({ bytes }) => Buffer.compare(bytes, large))).toEqual([0, 0, 0, 0]);
  });

  test('several requests on one connection, plain and others', async () => {
    const at = await secure();
    const socket = await shaken(at.http);
    let said = '';
    socket.on('data', (piece: Buffer) => (said += piece.toString('latin1')));
    const head = 'POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n';
    const plain = [`${head}content-length: ${spans.length}\r\n\r\n`, spans];
    const chunked = [
      `${head}transfer-encoding: chunked\r\n\r\n${spans.length.toString(16)}\r\n`,
      spans,
      '\r\n0\r\n\r\n',
    ];
    // In one write: what node:http is handed has been read already.
    socket.write(Buffer.concat([...plain, ...plain, ...chunked, ...plain].map((piece) => Buffer.from(piece))));
    await expect.poll(() => said.match(/HTTP\/1.1 200 OK/g)?.length).toBe(4);
    expect(at.sink.items('traces')).toBe(40);
  });

  test.each(['grpc', 'http'] as const)('%s: who speaks plainly is refused, and nobody else', async (protocol) => {
    const at = await secure();
    const { socket, closed } = await tcp(at[protocol]);
    let said = '';
    socket.on('data', (piece: Buffer) => (said += piece.toString('latin1')));
    socket.write('POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n');
    await closed;
    expect(said).not.toContain('HTTP');
    expect(await grpc(at.grpc)).toBe(0);
    expect(await http1(at.http)).toBe(200);
  });
});

describe('what is not spoken', () => {
  test('TLS 1.2 where 1.3 is the oldest', async () => {
    const both = await secure();
    expect((await shaken(both.http, { maxVersion: 'TLSv1.2' })).getProtocol()).toBe('TLSv1.2');
    const at = await secure({ min_version: '1.3' });
    await expect(shaken(at.http, { maxVersion: 'TLSv1.2' })).rejects.toThrow(/protocol version/);
    await expect(shaken(at.grpc, { maxVersion: 'TLSv1.2', ALPNProtocols: ['h2'] })).rejects.toThrow(/protocol version/);
    expect((await shaken(at.http)).getProtocol()).toBe('TLSv1.3');
  });

  test.each([
    ['rsa', 'AES128-SHA'],
    ['rsa', 'AES128-GCM-SHA256'],
    ['rsa', 'ECDHE-RSA-AES128-SHA'],
    ['rsa', 'ECDHE-RSA-AES128-SHA256'],
    ['server', 'ECDHE-ECDSA-AES256-SHA384'],
  ])('with the key of %s, %s', async (name, ciphers) => {
    const asked = { ciphers, maxVersion: 'TLSv1.2' } as const;
    // A server that allows it shows that the client asks for it.
    const willing = createTls({ ...shows(name), ciphers });
    await new Promise<void>((resolve) => willing.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void willing.close());
    const { port } = willing.address() as AddressInfo;
    const taken = await shaken(`127.0.0.1:${port}`, asked);
    expect(taken.getCipher().name).toBe(ciphers);
    taken.destroy();
    const at = await secure(pair(name));
    await expect(shaken(at.http, asked)).rejects.toThrow(/handshake failure/);
    await expect(shaken(at.grpc, { ...asked, ALPNProtocols: ['h2'] })).rejects.toThrow(/handshake failure/);
  });

  test.each([
    ['rsa', 'ECDHE-RSA-AES128-GCM-SHA256'],
    ['server', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
  ])('but with the key of %s, %s', async (name, ciphers) => {
    const at = await secure(pair(name));
    const socket = await shaken(at.http, { ciphers, maxVersion: 'TLSv1.2' });
    expect(socket.getCipher().name).toBe(ciphers);
  });
});

describe('mTLS', () => {
  test('a client is let in with a certificate of the authority, and only with one', async () => {
    const at = await secure({ client_ca_file: files.file('ca.pem') });
    expect(await grpc(at.grpc, shows('client'))).toBe(0);
    expect(await http1(at.http, shows('client'))).toBe(200);
    expect(await http2(at.http, shows('client'))).toBe(200);
    expect(at.sink.items('traces')).toBe(30);
    for (const shown of [undefined, shows('stranger')]) {
      expect(await grpc(at.grpc, shown)).toBe(14);
      expect(await http1(at.http, shown)).toMatch(/^(ERR_SSL|ECONN|EPIPE)/);
      // Node tells the reason or, where the end comes first, none.
      expect(await http2(at.http, shown)).not.toBe(200);
    }
    expect(at.sink.items('traces')).toBe(30);
  });

  test('the next authority of clients comes with its file', async () => {
    const ca = files.file('clients.pem');
    copyFileSync(files.file('ca.pem'), ca);
    const clock = new ManualClock();
    const at = await secure({ client_ca_file: ca }, {}, { context: testContext('otlp', { clock }) });
    expect(await http1(at.http, shows('stranger'))).not.toBe(200);
    copyFileSync(files.file('other-ca.pem'), ca);
    await clock.advanceTo(60_000);
    expect(await http1(at.http, shows('stranger'))).toBe(200);
    expect(await http1(at.http, shows('client'))).not.toBe(200);
  });
});

describe('new certificates', () => {
  /** A receiver whose files may change, on a clock of ours. */
  async function renewable() {
    const live = { cert_file: files.file('live.pem'), key_file: files.file('live.key') };
    const put = (name: string, ...ends: readonly string[]) =>
      ends.forEach((end) => copyFileSync(files.file(`${name}.${end}`), files.file(`live.${end}`)));
    put('server', 'pem', 'key');
    const clock = new ManualClock();
    const { logger, lines } = recordingLogger();
    const context = testContext('otlp', { clock, logger });
    const at = await secure({ ...live, reload_interval: '1s' }, {}, { context });
    const told = (level: number) => lines.filter((line) => line['level'] === level && line['msg'] !== 'listening');
    return { at, put, clock, warnings: () => told(40), news: () => told(30) };
  }

  test('hold for new connections, while the old ones go on', async () => {
    const { at, put, clock, warnings, news } = await renewable();
    const old = await shaken(at.http);
    expect(old.getPeerCertificate().subject.CN).toBe('server');
    put('next', 'pem', 'key');
    await clock.advanceTo(999);
    expect(await nameShown(at.http)).toBe('server');
    await clock.advanceTo(1000);
    expect(await nameShown(at.http)).toBe('next');
    expect((await shaken(at.grpc, { ALPNProtocols: ['h2'] })).getPeerCertificate().subject.CN).toBe('next');
    let said = '';
    old.on('data', (piece: Buffer) => (said += piece.toString('latin1')));
    old.write(
      'POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n',
    );
    await expect.poll(() => said).toMatch(/^HTTP\/1.1 200 /);
    await clock.advanceTo(5000);
    // Once for each listener.
    expect(news().map(({ key }) => key)).toEqual(['protocols.grpc.tls', 'protocols.http.tls']);
    expect(warnings()).toEqual([]);
    await at.receiver.stop(AbortSignal.timeout(5000));
    expect(clock.alarms).toBe(0);
  });

  test.each([
    [
      'one of two files came',
      () => copyFileSync(files.file('next.pem'), files.file('live.pem')),
      /key values mismatch/,
    ],
    [
      'half of a file came',
      () => writeFileSync(files.file('live.pem'), files.read('next.pem').subarray(0, 300)),
      /PEM/,
    ],
    ['a file is gone', () => rmSync(files.file('live.pem')), /protocols\.grpc\.tls\.cert_file.*ENOENT/],
  ])('%s: those from before stay, which is said once, until the rest comes', async (_, spoil, reason) => {
    const { at, put, clock, warnings, news } = await renewable();
    spoil();
    await clock.advanceTo(3000);
    expect(warnings().map(({ key }) => key)).toEqual(['protocols.grpc.tls', 'protocols.http.tls']);
    expect(warnings()[0]?.['msg']).toMatch(reason);
    expect(await nameShown(at.http)).toBe('server');
    expect(await grpc(at.grpc)).toBe(0);
    put('next', 'pem', 'key');
    await clock.advanceTo(4000);
    expect(await nameShown(at.http)).toBe('next');
    expect([warnings().length, news().length]).toEqual([2, 2]);
  });
});

describe('files that cannot be used', () => {
  test.each([
    ['no such certificate', { cert_file: '/nowhere/x.pem' }, 'file_unreadable', /\/nowhere\/x\.pem.*\.tls\.cert_file/],
    ['no such key', { key_file: '/nowhere/x.key' }, 'file_unreadable', /\/nowhere\/x\.key.*\.tls\.key_file/],
    ['no such authority', { client_ca_file: '/nowhere/ca.pem' }, 'file_unreadable', /\.tls\.client_ca_file/],
    ['the key of another', () => ({ key_file: files.file('next.key') }), 'bad_certificate', /next\.key.*\.tls\b/],
    ['a key in place of a certificate', () => ({ cert_file: files.file('server.key') }), 'bad_certificate', /\.tls\b/],
    ['an authority that is none', () => ({ client_ca_file: files.file('names') }), 'bad_certificate', /client_ca_file/],
  ] as const)('%s', async (_, wrong, code, detail) => {
    const tls = { ...pair('server'), ...(typeof wrong === 'function' ? wrong() : wrong) };
    const only = (protocol: 'grpc' | 'http') =>
      started({}, { protocols: { [protocol]: { endpoint: '127.0.0.1:0', tls } } }).catch((thrown: unknown) => thrown);
    for (const protocol of ['grpc', 'http'] as const) {
      const error = await only(protocol);
      expect(error).toMatchObject({ code, detail: expect.stringMatching(detail) });
      expect(error).toMatchObject({ detail: expect.stringContaining(`protocols.${protocol}.tls`) });
    }
  });
});

describe('the connection', () => {
  test.each(['grpc', 'http'] as const)('%s: who never shakes hands is cut', async (protocol) => {
    const at = await secure({}, { request_timeout: '200ms' });
    const { closed } = await tcp(at[protocol]);
    await closed;
    expect(await grpc(at.grpc)).toBe(0);
  });

  test('stop does not wait for who never shakes hands, nor for who is idle', async () => {
    const at = await secure();
    const mute = await Promise.all([tcp(at.grpc), tcp(at.http)]);
    const begun = await tcp(at.http);
    // The beginning of a ClientHello.
    begun.socket.write(Buffer.from([22, 3, 1, 2, 0, 1]));
    const idle = await Promise.all([
      shaken(at.http),
      shaken(at.http, { ALPNProtocols: ['h2'] }),
      shaken(at.grpc, { ALPNProtocols: ['h2'] }),
    ]);
    const ended = idle.map((socket) => once(socket.resume(), 'close'));
    const session = connectHttp2(`https://${at.http}`, { ca: files.read('ca.pem') });
    await once(session, 'remoteSettings');
    await http1(at.http);
    const deadline = AbortSignal.timeout(20_000);
    await at.receiver.stop(deadline);
    expect(deadline.aborted).toBe(false);
    await Promise.all([...mute.map(({ closed }) => closed), begun.closed, ...ended]);
  });

  test('stop lets a request under way end', async () => {
    const at = await secure();
    let release: (() => void) | undefined;
    at.sink.answer = () => new Promise((resolve) => (release = resolve));
    for (const send of [http1, http2]) {
      const running = send(at.http);
      await expect.poll(() => release).toBeDefined();
      if (send === http1) release?.();
      else {
        const stopping = at.receiver.stop(AbortSignal.timeout(20_000));
        release?.();
        await stopping;
      }
      expect(await running).toBe(200);
      release = undefined;
    }
  });
});
