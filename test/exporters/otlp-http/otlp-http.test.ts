import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { otlpHttpExporterConfig } from '../../../exporters/otlp-http/config.ts';
import { OtlpHttpExporter } from '../../../exporters/otlp-http/otlp-http.ts';
import { TelemetryBatch, type TelemetrySignal } from '../../../pipeline/batch.ts';
import { RETRY_AFTER_MS_MAX } from '../../../pipeline/otlp-answer.ts';
import { PipelineError } from '../../../pipeline/errors.ts';
import { encodeStatus } from '../../../proto/google/status.ts';
import { decodeToJson } from '../../../proto/otlp/json-decode.ts';
import { Writer } from '../../../proto/wire/writer.ts';
import { otlpReceiverConfig } from '../../../receivers/otlp/config.ts';
import { OtlpReceiver } from '../../../receivers/otlp/otlp.ts';
import { Sink, testContext } from '../../support/context.ts';
import { requestBytes } from '../../support/otlp-requests.ts';

const deadline = () => AbortSignal.timeout(5000);
const cleanups: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function exporterTo(endpoint: string, options: Record<string, unknown> = {}, context = testContext('otlp_http')) {
  const exporter = new OtlpHttpExporter(otlpHttpExporterConfig.parse({ endpoint, ...options }), context);
  await exporter.start();
  cleanups.push(() => exporter.stop(deadline()));
  return exporter;
}

async function httpServer(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server: Server = createServer((request, response) => {
    request.resume();
    request.on('end', () => handler(request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const batch = (signal: TelemetrySignal = 'traces', count = 3) =>
  TelemetryBatch.open(signal, requestBytes(signal, count));

async function failure(attempt: Promise<void>): Promise<PipelineError> {
  const error = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(PipelineError);
  return error as PipelineError;
}

describe('to the otlp receiver', () => {
  const cases = ['proto', 'json'].flatMap((encoding) =>
    ['gzip', 'zstd', 'none'].map((compression) => [encoding, compression]),
  );

  test.each(cases)('everything arrives as it was, %s, %s', async (encoding, compression) => {
    const sink = new Sink();
    const receiver = new OtlpReceiver(
      otlpReceiverConfig.parse({ protocols: { http: { endpoint: '127.0.0.1:0' } } }),
      sink,
      testContext('otlp'),
    );
    await receiver.start();
    cleanups.push(() => receiver.stop(deadline()));
    const exporter = await exporterTo(`http://${receiver.addresses().http}/`, { encoding, compression });
    const sent = (['traces', 'metrics', 'logs'] as const).map((signal) => batch(signal, 2000));
    await Promise.all(sent.map((one) => exporter.consume(one)));
    for (const one of sent) {
      const [arrived] = sink.telemetry(one.signal);
      const json = decodeToJson(one.signal, arrived?.bytes as Uint8Array);
      expect(json).toEqual(decodeToJson(one.signal, one.bytes));
    }
  });
});

describe('what the destination answers', () => {
  test.each([
    [429, 'busy'],
    [502, 'busy'],
    [503, 'busy'],
    [504, 'busy'],
    [400, 'rejected'],
    [401, 'rejected'],
    [404, 'rejected'],
    [408, 'rejected'],
    [413, 'rejected_size'],
    [500, 'rejected'],
    [501, 'rejected'],
    [301, 'rejected'],
  ])('HTTP %i is %s', async (status, expected) => {
    const url = await httpServer((_, response) => {
      response.writeHead(status, { 'content-type': 'application/x-protobuf' });
      response.end(encodeStatus({ code: 3, message: 'because' }));
    });
    const error = await failure((await exporterTo(url)).consume(batch()));
    expect(error.code).toBe(expected);
    expect(error.detail).toContain(`answered ${status}: because`);
    expect(error.retryAfterMs).toBeUndefined();
  });

  test.each([
    ['3', () => '3', 3000],
    ['a date', () => new Date(Date.now() + 60_000).toUTCString(), 60_000],
  ])('Retry-After as %s is a pause', async (_form, retryAfter, expectedMs) => {
    const url = await httpServer((_, response) => response.writeHead(429, { 'retry-after': retryAfter() }).end());
    const error = await failure((await exporterTo(url)).consume(batch()));
    expect(error.code).toBe('busy');
    expect(error.retryAfterMs).toBeGreaterThan(expectedMs - 2000);
    expect(error.retryAfterMs).toBeLessThanOrEqual(expectedMs);
  });

  test.each([
    ['301', RETRY_AFTER_MS_MAX],
    ['99999999999', RETRY_AFTER_MS_MAX],
    ['9'.repeat(400), RETRY_AFTER_MS_MAX],
    ['Fri, 31 Dec 9999 23:59:59 GMT', RETRY_AFTER_MS_MAX],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['-1', undefined],
    ['1e9', undefined],
    ['soon', undefined],
  ])('Retry-After of %s is granted for at most 5 minutes', async (retryAfter, grantedMs) => {
    const url = await httpServer((_, response) => response.writeHead(503, { 'retry-after': retryAfter }).end());
    expect((await failure((await exporterTo(url)).consume(batch()))).retryAfterMs).toBe(grantedMs);
  });

  test('a RetryInfo in the body, too', async () => {
    const url = await httpServer((_, response) => {
      response.writeHead(503, { 'content-type': 'application/x-protobuf' });
      response.end(encodeStatus({ code: 14, message: '', retryDelayMs: 1e12 }));
    });
    expect((await failure((await exporterTo(url)).consume(batch()))).retryAfterMs).toBe(RETRY_AFTER_MS_MAX);
  });

  test('of a large one little is kept', async () => {
    const url = await httpServer((_, response) => {
      response.writeHead(400, { 'content-type': 'text/plain' }).end('x'.repeat(8 * 1024 * 1024));
    });
    const { detail } = await failure((await exporterTo(url)).consume(batch()));
    expect(detail).toMatch(/ answered 400: x{500}$/);
  });

  test('another address is not gone to', async () => {
    let asked = 0;
    const other = await httpServer((_, response) => response.writeHead(200).end(String(asked++)));
    const url = await httpServer((_, response) => response.writeHead(307, { location: `${other}/v1/traces` }).end());
    expect((await failure((await exporterTo(url)).consume(batch()))).code).toBe('rejected');
    expect(asked).toBe(0);
  });

  test.each(['application/json', 'text/plain; charset=utf-8'])('its message in %s is told', async (type) => {
    const body = type === 'application/json' ? '{"code":3,"message":"no such tenant"}' : 'no such tenant\n';
    const url = await httpServer((_, response) => response.writeHead(400, { 'content-type': type }).end(body));
    expect((await failure((await exporterTo(url)).consume(batch()))).detail).toContain(': no such tenant');
  });

  test.each(['null', '3', '"busy"', '[]', '{"message":null}', '{'])(
    'JSON of %s says nothing, the status all',
    async (body) => {
      let status = 503;
      const url = await httpServer((_, response) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(body);
      });
      const exporter = await exporterTo(url);
      expect((await failure(exporter.consume(batch()))).code).toBe('busy');
      status = 200;
      await exporter.consume(batch());
    },
  );

  const partial = (rejected: number, message: string) => {
    const inner = new Writer();
    inner.varintField(1, rejected);
    inner.stringField(2, message);
    const outer = new Writer();
    outer.bytesField(1, inner.finish());
    return outer.finish();
  };

  test.each([
    ['application/x-protobuf', partial(2, 'two too old')],
    ['application/json', '{"partialSuccess":{"rejectedSpans":"2","errorMessage":"two too old"}}'],
  ])('a partial success in %s says how many items were refused, and why', async (type, body) => {
    const url = await httpServer((_, response) => response.writeHead(200, { 'content-type': type }).end(body));
    const exporter = await exporterTo(url);
    const error = await failure(exporter.consume(batch()));
    expect(error).toMatchObject({ code: 'rejected', items: 2 });
    expect(error.detail).toContain('two too old');
  });

  test('paths, headers and connections', async () => {
    const seen: { url: string | undefined; authorization: string | undefined; port: number | undefined }[] = [];
    const url = await httpServer((request, response) => {
      const { authorization } = request.headers;
      seen.push({ url: request.url, authorization, port: request.socket.remotePort });
      response.end();
    });
    const headers = { authorization: 'Bearer x' };
    const exporter = await exporterTo(`${url}/base/`, { headers, logs_endpoint: `${url}/elsewhere` });
    for (const signal of ['traces', 'metrics', 'logs'] as const) await exporter.consume(batch(signal));
    expect(seen.map((one) => one.url)).toEqual(['/base/v1/traces', '/base/v1/metrics', '/elsewhere']);
    expect(seen.every((one) => one.authorization === 'Bearer x')).toBe(true);
    expect(new Set(seen.map((one) => one.port)).size).toBe(1);
  });
});

describe('a destination that is not there', () => {
  test('nobody listens: unreachable', async () => {
    const url = await httpServer(() => {});
    await cleanups.pop()?.();
    const error = await failure((await exporterTo(url)).consume(batch()));
    expect(error.code).toBe('unreachable');
    expect(error.detail).toContain('ECONNREFUSED');
  });

  test('a name that does not resolve: unreachable', async () => {
    const exporter = await exporterTo('http://backend.invalid:4318');
    expect((await failure(exporter.consume(batch()))).code).toBe('unreachable');
  });

  test('the connection breaks before or in the answer: unreachable', async () => {
    const before = await exporterTo(await httpServer((request) => request.socket.destroy()));
    expect((await failure(before.consume(batch()))).code).toBe('unreachable');
    const within = await httpServer((request, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('partly');
      setImmediate(() => request.socket.destroy());
    });
    expect((await failure((await exporterTo(within)).consume(batch()))).code).toBe('unreachable');
  });

  test('another protocol instead of an answer: unreachable', async () => {
    const url = await httpServer((request) => {
      request.socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n');
    });
    expect((await failure((await exporterTo(url)).consume(batch()))).code).toBe('unreachable');
  });

  test('no answer in time: timeout', async () => {
    const exporter = await exporterTo(await httpServer(() => {}), { timeout: '100ms' });
    expect((await failure(exporter.consume(batch()))).code).toBe('timeout');
  });

  test('stop waits for what is under way until the deadline, and then ends it', async () => {
    const exporter = await exporterTo(await httpServer(() => {}), { compression: 'none' });
    const attempt = failure(exporter.consume(batch()));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await exporter.stop(AbortSignal.timeout(50));
    expect((await attempt).code).toBe('stopping');
    await exporter.stop(deadline());
  });
});

test.each(['0s', '25d'])('a time of %s for an attempt is refused', (timeout) => {
  expect(otlpHttpExporterConfig.safeParse({ endpoint: 'http://backend:4318', timeout }).success).toBe(false);
});

test.each(['backend:4318', 'ftp://backend', 'http://user:secret@backend'])('endpoint %s is refused', (endpoint) => {
  expect(otlpHttpExporterConfig.safeParse({ endpoint }).success).toBe(false);
});

test.each([
  ['of the body', { 'Content-Length': '5' }],
  ['of the connection', { connection: 'close' }],
  ['with a space in the name', { 'x key': 'a' }],
  ['with a line break', { authorization: 'a\r\nb: c' }],
  ['beyond ASCII', { tenant: 'caf\u00e9' }],
])('headers %s are refused', (_, headers) => {
  expect(otlpHttpExporterConfig.safeParse({ endpoint: 'http://backend:4318', headers }).success).toBe(false);
});
