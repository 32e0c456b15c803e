import { once } from 'node:events';
import { connect } from 'node:net';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { PipelineError } from '../../../pipeline/errors.ts';
import { EXPORT_METHODS } from '../../../proto/otlp/export.ts';
import { otlpReceiver } from '../../../receivers/otlp/factory.ts';
import { OtlpReceiver } from '../../../receivers/otlp/otlp.ts';
import { counted, recordingLogger, Sink, testContext } from '../../support/context.ts';
import { framed, RawGrpc } from '../../support/grpc-raw.ts';
import { requestBytes } from '../../support/otlp-requests.ts';
import { started } from './started.ts';

const soon = () => AbortSignal.timeout(5000);
const spans = requestBytes('traces', 10);
const PROTOBUF = { 'content-type': 'application/x-protobuf' };
const post = (address: string, body: Uint8Array) =>
  fetch(`http://${address}/v1/traces`, { method: 'POST', headers: PROTOBUF, body: Buffer.from(body) });

function isOpen(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const [host, port] = address.split(':');
    const socket = connect({ host: host as string, port: Number(port) });
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

describe('configuration', () => {
  const parse = (config: unknown) => otlpReceiver.config.safeParse(config);

  test('a protocol that is null has its defaults', () => {
    const { protocols } = otlpReceiver.config.parse({ protocols: { grpc: null } });
    expect(protocols.grpc?.endpoint).toEqual({ host: 'localhost', port: 4317 });
    expect(protocols.grpc?.max_request_size).toBe(64 * 1024 ** 2);
    expect(protocols.http).toBeUndefined();
  });

  test.each([
    ['no protocol', { protocols: {} }],
    ['an unknown protocol', { protocols: { htttp: {} } }],
    ['an unknown key', { protocols: { grpc: { endpont: 'x:1' } } }],
    ['no time for a request', { protocols: { http: { request_timeout: '0s' } } }],
    ['more time than a timer can hold', { protocols: { grpc: { request_timeout: '25d' } } }],
    ['a path without a slash', { protocols: { http: { traces_url_path: 'v1/traces' } } }],
  ])('%s is refused', (_, config) => {
    expect(parse(config).success).toBe(false);
  });

  test("the Collector's key for the size holds", async () => {
    const at = await started({}, {}, {});
    await at.receiver.stop(soon());
    const config = otlpReceiver.config.parse({
      protocols: { grpc: { endpoint: '127.0.0.1:0', max_recv_msg_size_mib: 1 } },
    });
    const receiver = new OtlpReceiver(config, new Sink(), testContext('otlp'));
    await receiver.start();
    const client = new RawGrpc(receiver.addresses().grpc as string);
    expect((await client.call({ pieces: [framed(Buffer.alloc(1024 ** 2 + 1))] })).code).toBe(8);
    client.close();
    await receiver.stop(soon());
  });
});

describe('start', () => {
  test('a port in use names the address and the key, and leaves nothing open', async () => {
    const first = await started();
    const config = otlpReceiver.config.parse({
      protocols: { grpc: { endpoint: '127.0.0.1:0' }, http: { endpoint: first.http } },
    });
    const second = new OtlpReceiver(config, new Sink(), testContext('otlp'));
    const error = await second.start().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(PipelineError);
    expect((error as PipelineError).code).toBe('port_in_use');
    expect((error as PipelineError).detail).toBe(`${first.http} (protocols.http.endpoint)`);
    const { grpc = '' } = second.addresses();
    await second.stop(soon());
    expect(await isOpen(grpc)).toBe(false);
    await first.receiver.stop(soon());
  });

  test('an address that is not ours', async () => {
    const config = otlpReceiver.config.parse({ protocols: { grpc: { endpoint: 'nowhere.invalid:4317' } } });
    const error = await new OtlpReceiver(config, new Sink(), testContext('otlp')).start().catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'cannot_listen' });
  });

  test('says where it listens, and warns where others can reach it', async () => {
    const { logger, lines } = recordingLogger();
    const config = otlpReceiver.config.parse({
      protocols: { grpc: { endpoint: 'localhost:0' }, http: { endpoint: ':0' } },
    });
    const receiver = new OtlpReceiver(config, new Sink(), testContext('otlp', { logger }));
    await receiver.start();
    const { grpc, http } = receiver.addresses();
    expect(lines).toMatchObject([
      { level: 30, address: grpc },
      { level: 30, address: http },
      { level: 40, address: http },
    ]);
    await receiver.stop(soon());
  });

  test('a signal that no pipeline takes is refused, not forgotten', async () => {
    const at = await started({}, {}, { sink: new Sink(['traces']) });
    const client = new RawGrpc(at.grpc);
    const answer = await client.call({ path: EXPORT_METHODS.logs, pieces: [framed(requestBytes('logs', 1))] });
    expect(answer.code).toBe(12);
    expect(answer.message).toContain('no pipeline takes logs');
    const reply = await fetch(`http://${at.http}/v1/logs`, { method: 'POST', headers: PROTOBUF });
    expect(reply.status).toBe(404);
    expect(await reply.text()).toContain('no pipeline takes logs');
    for (const transport of ['grpc', 'http']) {
      const labels = { transport, signal: 'logs', reason: 'unknown_path' };
      expect(await counted(at.context, 'windback_receiver_refused_requests_total', labels)).toBe(1);
    }
    client.close();
    await at.receiver.stop(soon());
  });
});

test.each(['grpc', 'http'] as const)('%s: connections beyond max_connections are closed at once', async (protocol) => {
  const at = await started({ max_connections: 2 });
  onTestFinished(() => at.receiver.stop(AbortSignal.timeout(5000)));
  const [host = '', port] = at[protocol].split(':');
  const open = async () => {
    const socket = connect({ host, port: Number(port) }).on('error', () => {});
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
    return socket.resume();
  };
  const first = [await open(), await open()];
  const more = [await open(), await open()];
  await vi.waitUntil(() => more.every(({ closed }) => closed));
  expect(first.map(({ closed }) => closed)).toEqual([false, false]);
  first[0]?.destroy();
  await vi.waitUntil(() => at.receiver.load().length === 1);
  const next = await open();
  await vi.waitUntil(() => at.receiver.load().length === 2);
  expect(next.closed).toBe(false);
});

describe('stop', () => {
  test('before start, during it, and twice', async () => {
    const config = otlpReceiver.config.parse({
      protocols: { grpc: { endpoint: '127.0.0.1:0' }, http: { endpoint: '127.0.0.1:0' } },
    });
    const receiver = new OtlpReceiver(config, new Sink(), testContext('otlp'));
    await receiver.stop(soon());
    const starting = receiver.start();
    await receiver.stop(soon());
    await starting;
    await receiver.stop(soon());
    expect(receiver.addresses()).toEqual({});
  });

  test('what is under way is finished and answered, and nothing new is taken', async () => {
    const at = await started();
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    at.sink.answer = () => held;
    const client = new RawGrpc(at.grpc);
    const running = client.call({ pieces: [framed(spans)] });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const stopping = at.receiver.stop(soon());
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await isOpen(at.grpc)).toBe(false);
    expect(await isOpen(at.http)).toBe(false);
    release();
    expect((await running).code).toBe(0);
    await stopping;
    expect(at.sink.items('traces')).toBe(10);
    client.close();
  });

  test('the same over HTTP/1.1, with idle connections open', async () => {
    const at = await started();
    await post(at.http, spans);
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    at.sink.answer = () => held;
    const running = post(at.http, spans);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const stopping = at.receiver.stop(soon());
    release();
    const reply = await running;
    expect(reply.status).toBe(200);
    expect(reply.headers.get('connection')).toBe('close');
    await stopping;
  });

  test('the deadline cuts what does not end', async () => {
    const at = await started();
    at.sink.answer = () => new Promise(() => {});
    const client = new RawGrpc(at.grpc);
    const running = [client.call({ pieces: [framed(spans)] }), post(at.http, spans)].map((call) =>
      call.then(
        () => 'answered',
        () => 'cut',
      ),
    );
    const [host, port] = at.http.split(':');
    const silent = connect({ host: host as string, port: Number(port) });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await at.receiver.stop(AbortSignal.timeout(100));
    expect(await Promise.all(running)).toEqual(['cut', 'cut']);
    client.close();
    silent.destroy();
  });

  test('a deadline that has passed already', async () => {
    const at = await started();
    await post(at.http, spans);
    await at.receiver.stop(AbortSignal.abort());
    expect(await isOpen(at.http)).toBe(false);
  });
});

describe('grpc-js, with nothing of OpenTelemetry in between', () => {
  const same = (bytes: Buffer) => bytes;

  test('status, message and details arrive; one connection goes through many refusals', async () => {
    const at = await started({ max_request_size: '1MiB' });
    const client = new Client(at.grpc, credentials.createInsecure(), { 'grpc.max_send_message_length': -1 });
    const call = (bytes: Uint8Array) =>
      new Promise<ServiceError | null>((resolve) =>
        client.makeUnaryRequest(EXPORT_METHODS.traces, same, same, Buffer.from(bytes), (error) => resolve(error)),
      );
    for (let i = 0; i < 30; i++) expect(await call(Buffer.alloc(4 * 1024 ** 2))).toMatchObject({ code: 8 });
    expect(await call(Buffer.from([0x0a, 9]))).toMatchObject({ code: 3, details: expect.stringContaining('byte') });
    at.sink.answer = () => Promise.reject(new PipelineError('queue_full', 'ä % \n'));
    const refused = await call(spans);
    expect(refused?.details).toContain('ä % \n');
    expect(refused?.metadata.get('grpc-status-details-bin')).toHaveLength(1);
    at.sink.answer = async () => {};
    expect(await call(spans)).toBeNull();
    client.close();
    await at.receiver.stop(soon());
  });

  test('200 requests of 1 MiB at once on one connection', async () => {
    const at = await started({}, { max_in_flight: '1GiB' });
    const client = new Client(at.grpc, credentials.createInsecure(), { 'grpc.max_send_message_length': -1 });
    const bytes = Buffer.from(requestBytes('traces', 6000));
    const answers = await Promise.all(
      Array.from(
        { length: 200 },
        () =>
          new Promise((resolve) =>
            client.makeUnaryRequest(EXPORT_METHODS.traces, same, same, bytes, (error) => resolve(error)),
          ),
      ),
    );
    expect(answers.filter((error) => error !== null)).toEqual([]);
    expect(at.sink.items('traces')).toBe(200 * 6000);
    client.close();
    await at.receiver.stop(soon());
  });
});
