import { type handleUnaryCall, Metadata, Server, ServerCredentials, type ServiceError, status } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import { TelemetryBatch, type TelemetrySignal } from '../../../pipeline/batch.ts';
import { RETRY_AFTER_MS_MAX } from '../../../pipeline/otlp-answer.ts';
import { PipelineError } from '../../../pipeline/errors.ts';
import { encodeStatus } from '../../../proto/google/status.ts';
import { EXPORT_METHODS } from '../../../proto/otlp/export.ts';
import { Writer } from '../../../proto/wire/writer.ts';
import { otlpExporterConfig } from '../../../exporters/otlp/config.ts';
import { OtlpExporter } from '../../../exporters/otlp/otlp.ts';
import { otlpReceiverConfig } from '../../../receivers/otlp/config.ts';
import { OtlpReceiver } from '../../../receivers/otlp/otlp.ts';
import { Sink, testContext } from '../../support/context.ts';
import { requestBytes } from '../../support/otlp-requests.ts';

const deadline = () => AbortSignal.timeout(5000);
const cleanups: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function exporterTo(address: string, options: Record<string, unknown> = {}, context = testContext('otlp/out')) {
  const config = otlpExporterConfig.parse({ endpoint: address, tls: { insecure: true }, ...options });
  const exporter = new OtlpExporter(config, context);
  await exporter.start();
  cleanups.push(() => exporter.stop(deadline()));
  return exporter;
}

type Handler = (request: Buffer, metadata: Metadata) => Buffer | Partial<ServiceError> | undefined;

/** A grpc-js server whose trace service answers with what the handler gives: bytes, an error, or never. */
async function grpcServer(handler: Handler): Promise<string> {
  const server = new Server();
  const same = (bytes: Buffer) => bytes;
  const method = {
    path: EXPORT_METHODS.traces,
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  const answerCall: handleUnaryCall<Buffer, Buffer> = (call, done) => {
    const answer = handler(call.request, call.metadata);
    if (answer === undefined) return;
    if (Buffer.isBuffer(answer)) done(null, answer);
    else done(answer);
  };
  server.addService({ Export: method }, { Export: answerCall });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  cleanups.push(() => server.forceShutdown());
  return `127.0.0.1:${port}`;
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
  test.each(['gzip', 'none'])('everything arrives as it was, compression %s', async (compression) => {
    const sink = new Sink();
    const receiver = new OtlpReceiver(
      otlpReceiverConfig.parse({ protocols: { grpc: { endpoint: '127.0.0.1:0' } } }),
      sink,
      testContext('otlp'),
    );
    await receiver.start();
    cleanups.push(() => receiver.stop(deadline()));
    const exporter = await exporterTo(`http://${receiver.addresses().grpc}`, { compression, tls: {} });
    const sent = (['traces', 'metrics', 'logs'] as const).map((signal) => batch(signal, 5000));
    await Promise.all(sent.map((one) => exporter.consume(one)));
    for (const one of sent) {
      const [arrived] = sink.telemetry(one.signal);
      expect(Buffer.compare(arrived?.bytes as Uint8Array, one.bytes)).toBe(0);
    }
  });
});

describe('what the destination answers', () => {
  const retryInfo = (retryDelayMs: number, code: number) => {
    const metadata = new Metadata();
    metadata.set('grpc-status-details-bin', Buffer.from(encodeStatus({ code, message: '', retryDelayMs })));
    return metadata;
  };

  test.each([
    [status.CANCELLED, 'busy'],
    [status.ABORTED, 'busy'],
    [status.OUT_OF_RANGE, 'busy'],
    [status.UNAVAILABLE, 'busy'],
    [status.DATA_LOSS, 'busy'],
    [status.DEADLINE_EXCEEDED, 'timeout'],
    [status.RESOURCE_EXHAUSTED, 'rejected'],
    [status.INVALID_ARGUMENT, 'rejected'],
    [status.UNAUTHENTICATED, 'rejected'],
    [status.UNIMPLEMENTED, 'rejected'],
    [status.INTERNAL, 'rejected'],
    [status.UNKNOWN, 'rejected'],
  ])('gRPC code %i is %s', async (code, expected) => {
    const exporter = await exporterTo(await grpcServer(() => ({ code, details: 'because' })));
    const error = await failure(exporter.consume(batch()));
    expect(error.code).toBe(expected);
    expect(error.detail).toContain('because');
    expect(error.detail).toContain(status[code]);
  });

  test.each([
    'grpc: received message larger than max (5000000 vs. 4194304)',
    'gRPC message exceeds maximum size 4194304: 5000000',
    'the request is larger than this receiver allows: 5000000 bytes, where max_request_size allows 4194304',
    'Received message exceeds the maximum message size (5000000 vs 4194304)',
  ])('that the message is too large is understood: %s', async (details) => {
    const exporter = await exporterTo(await grpcServer(() => ({ code: status.RESOURCE_EXHAUSTED, details })));
    expect((await failure(exporter.consume(batch()))).code).toBe('rejected_size');
  });

  test('that a quota is used up is no matter of size', async () => {
    const details = 'the maximum of spans a day is reached';
    const exporter = await exporterTo(await grpcServer(() => ({ code: status.RESOURCE_EXHAUSTED, details })));
    expect((await failure(exporter.consume(batch()))).code).toBe('rejected');
  });

  test.each([status.RESOURCE_EXHAUSTED, status.UNAVAILABLE])('RetryInfo with code %i is a pause', async (code) => {
    const handler = () => ({ code, details: 'later', metadata: retryInfo(2500, code) });
    const exporter = await exporterTo(await grpcServer(handler));
    const error = await failure(exporter.consume(batch()));
    expect(error.code).toBe('busy');
    expect(error.retryAfterMs).toBe(2500);
  });

  test.each([
    ['6 minutes', 6 * 60_000],
    ['a month', 30 * 86_400_000],
    ['as much as it can', Number.MAX_SAFE_INTEGER],
  ])('a pause of %s is granted for 5 minutes', async (_, toldMs) => {
    const code = status.UNAVAILABLE;
    const exporter = await exporterTo(await grpcServer(() => ({ code, metadata: retryInfo(toldMs, code) })));
    expect((await failure(exporter.consume(batch()))).retryAfterMs).toBe(RETRY_AFTER_MS_MAX);
  });

  test('a partial success says how many items were refused, and why', async () => {
    const inner = new Writer();
    inner.varintField(1, 2);
    inner.stringField(2, 'two too old');
    const answer = new Writer();
    answer.bytesField(1, inner.finish());
    const exporter = await exporterTo(await grpcServer(() => Buffer.from(answer.finish())));
    const error = await failure(exporter.consume(batch()));
    expect(error).toMatchObject({ code: 'rejected', items: 2 });
    expect(error.detail).toContain('two too old');
  });

  test('headers go with every request', async () => {
    let seen: Metadata | undefined;
    const address = await grpcServer((_, metadata) => {
      seen = metadata;
      return Buffer.alloc(0);
    });
    const exporter = await exporterTo(address, { headers: { authorization: 'Bearer x', 'trace-bin': 'AQI=' } });
    await exporter.consume(batch());
    expect(seen?.get('authorization')).toEqual(['Bearer x']);
    expect(seen?.get('trace-bin')).toEqual([Buffer.from([1, 2])]);
  });
});

describe('a destination that is not there', () => {
  test('nobody listens: unreachable, and once somebody does, delivered', async () => {
    const server = new Server();
    const port = await new Promise<number>((resolve) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, bound) => resolve(bound)),
    );
    server.forceShutdown();
    const exporter = await exporterTo(`127.0.0.1:${port}`);
    expect((await failure(exporter.consume(batch()))).code).toBe('unreachable');
    const sink = new Sink();
    const config = otlpReceiverConfig.parse({ protocols: { grpc: { endpoint: `127.0.0.1:${port}` } } });
    const receiver = new OtlpReceiver(config, sink, testContext('otlp'));
    await receiver.start();
    cleanups.push(() => receiver.stop(deadline()));
    await expect
      .poll(
        () =>
          exporter.consume(batch()).then(
            () => 'sent',
            (error: PipelineError) => error.code,
          ),
        { timeout: 10_000 },
      )
      .toBe('sent');
    expect(sink.items('traces')).toBe(3);
  });

  test('a name that does not resolve: unreachable', async () => {
    const exporter = await exporterTo('backend.invalid:4317');
    expect((await failure(exporter.consume(batch()))).code).toBe('unreachable');
  });

  test('no answer in time: timeout', async () => {
    const exporter = await exporterTo(await grpcServer(() => undefined), { timeout: '100ms' });
    expect((await failure(exporter.consume(batch()))).code).toBe('timeout');
  });

  test('stop waits for what is under way until the deadline, and then ends it', async () => {
    const exporter = await exporterTo(await grpcServer(() => undefined));
    const attempt = failure(exporter.consume(batch()));
    await exporter.stop(AbortSignal.timeout(50));
    expect((await attempt).row.retryable).toBe(true);
    await exporter.stop(deadline());
  });

  test('a certificate that is not there: named', async () => {
    const exporter = new OtlpExporter(
      otlpExporterConfig.parse({ endpoint: 'backend:4317', tls: { ca_file: '/nowhere/ca.pem' } }),
      testContext('otlp/out'),
    );
    const error = await failure(exporter.start());
    expect(error.code).toBe('file_unreadable');
    expect(error.detail).toContain('/nowhere/ca.pem');
  });
});

test.each([
  ['of the connection', { connection: 'close' }],
  ['of HTTP/2', { ':path': '/other' }],
  ['of gRPC', { 'grpc-timeout': '1S' }],
  ['with a line break', { authorization: 'a\r\nb: c' }],
  ['beyond ASCII', { tenant: 'café' }],
])('headers %s are refused', (_, headers) => {
  expect(otlpExporterConfig.safeParse({ endpoint: 'backend:4317', headers }).success).toBe(false);
});

test('no time for an attempt is refused', () => {
  expect(otlpExporterConfig.safeParse({ endpoint: 'backend:4317', timeout: '0s' }).success).toBe(false);
});

test.each(['backend', 'backend:65536', 'ftp://backend:1', 'http://user:secret@backend:4317'])(
  'endpoint %s is refused',
  (endpoint) => {
    expect(otlpExporterConfig.safeParse({ endpoint }).success).toBe(false);
  },
);
