import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { kafkaExporterConfig } from '../../../exporters/kafka/config.ts';
import { KafkaExporter } from '../../../exporters/kafka/kafka.ts';
import { type Batch, TelemetryBatch } from '../../../pipeline/batch.ts';
import { PipelineError } from '../../../pipeline/errors.ts';
import { DECISION_SCHEMA } from '../../../proto/windback/decision.ts';
import { requestType } from '../../../proto/otlp/schema.ts';
import { deployment } from '../../../processors/deployment/factory.ts';
import { counted, recordingLogger, Sink, testContext } from '../../support/context.ts';
import { decisionEvent } from '../../support/decision-event.ts';
import { kafkaForTests, type TestKafka } from '../../support/kafka.ts';
import { requestBytes } from '../../support/otlp-requests.ts';
import { attributesOf, decoded, logs, metrics, nanos, traces } from '../../support/telemetry.ts';
import { readTopic } from './reader.ts';
import { decisionOf, decisions, startExporter, startQueued } from './started.ts';

let kafka: TestKafka;
const warnings: Error[] = [];
const keepWarning = (warning: Error) => void warnings.push(warning);

beforeAll(async () => {
  process.on('warning', keepWarning);
  kafka = await kafkaForTests();
});
afterAll(async () => {
  process.off('warning', keepWarning);
  await kafka?.stop();
});

async function failure(attempt: Promise<void>): Promise<PipelineError> {
  const error = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(PipelineError);
  return error as PipelineError;
}

describe('decisions', () => {
  test('are CloudEvents in binary mode', async () => {
    const topic = await kafka.freshTopic('decisions');
    const { exporter } = await startExporter({ brokers: kafka.brokers, topic });
    const event = decisionEvent('d-1');
    await exporter.consume(decisions(event));
    const [read, ...more] = await readTopic(kafka.brokers, topic);
    expect(more).toEqual([]);
    expect(read?.key).toBe('shop/cart/prod');
    expect(read?.headers).toEqual({
      ce_specversion: '1.0',
      ce_id: 'd-1',
      ce_source: '/windback/test',
      ce_type: 'dev.windback.decision.rollback.v1',
      ce_subject: 'shop/cart/prod',
      ce_time: '2026-01-01T00:05:00.000Z',
      ce_dataschema: DECISION_SCHEMA,
      'content-type': 'application/json',
    });
    expect(JSON.parse(String(read?.value))).toEqual(event.data);
  });

  test.each(['none', 'gzip'])('keep their order per service, compression %s', async (compression) => {
    const topic = await kafka.freshTopic('ordered', { partitions: 3 });
    const { exporter } = await startQueued({ brokers: kafka.brokers, topic, producer: { compression } });
    const services = ['cart', 'checkout', 'frontend', 'payment', 'search'];
    const events = Array.from({ length: 300 }, (_, i) => decisionOf(services[i % 5] as string, `d-${i}`));
    for (let i = 0; i < events.length; ) {
      const count = 1 + (i % 40);
      await exporter.consume(decisions(...events.slice(i, i + count)));
      i += count;
    }
    await exporter.stop(AbortSignal.timeout(5000));
    const reads = await readTopic(kafka.brokers, topic);
    for (const service of services) {
      const key = `shop/${service}/prod`;
      const sent = events.filter(({ subject }) => subject === key).map(({ id }) => id);
      const mine = reads.filter((read) => read.key === key);
      expect(mine.map(({ headers }) => headers['ce_id'])).toEqual(sent);
      expect(new Set(mine.map(({ partition }) => partition)).size).toBe(1);
    }
    expect(reads).toHaveLength(events.length);
  });

  test('create the topic where the broker allows it', async () => {
    const topic = `created-${crypto.randomUUID()}`;
    const { exporter } = await startExporter({ brokers: kafka.brokers, topic });
    await exporter.consume(decisions(decisionEvent('d-1')));
    expect(await readTopic(kafka.brokers, topic)).toHaveLength(1);
  });
});

describe('telemetry', () => {
  const resource = { 'service.name': 'cart', 'service.namespace': 'shop', 'service.version': '1.4.2' };
  const end = Date.now() / 1000;
  const sum = {
    name: 'requests',
    sum: {
      aggregationTemporality: 2,
      isMonotonic: true,
      dataPoints: [{ timeUnixNano: nanos(end), asInt: '5', attributes: [] }],
    },
  };
  const batches = {
    traces: () => traces({ resource, items: [{ end }, { end, status: 2, attributes: { n: 1 } }] }),
    metrics: () => metrics({ resource, items: [sum] }),
    logs: () => logs({ resource, items: [{ time: end, severity: 17 }] }),
  };

  async function tagged(batch: TelemetryBatch, target: 'resource' | 'item'): Promise<TelemetryBatch> {
    const sink = new Sink();
    const config = deployment.config.parse({ target });
    await deployment.create(config, sink, testContext('deployment')).consume(batch);
    return sink.telemetry(batch.signal)[0] as TelemetryBatch;
  }

  const cases = (['traces', 'metrics', 'logs'] as const).flatMap((signal) =>
    (['resource', 'item'] as const).map((target) => [signal, target] as const),
  );
  test.each(cases)('%s arrive as OTLP protobuf with the tag on the %s', async (signal, target) => {
    const topic = await kafka.freshTopic(signal);
    const { exporter } = await startExporter({ brokers: kafka.brokers, [signal]: { topic } });
    const batch = await tagged(batches[signal](), target);
    await exporter.consume(batch);
    const [read] = await readTopic(kafka.brokers, topic);
    expect(read?.key).toBeNull();
    const type = requestType(signal);
    const arrived: any = type.toObject(type.decode(read!.value), { longs: String, arrays: true, defaults: false });
    expect(arrived).toEqual(decoded(batch));
    const group = arrived.resourceSpans?.[0] ?? arrived.resourceMetrics?.[0] ?? arrived.resourceLogs?.[0];
    const scope = group.scopeSpans?.[0] ?? group.scopeMetrics?.[0] ?? group.scopeLogs?.[0];
    const items = scope.spans ?? scope.logRecords ?? scope.metrics[0].sum.dataPoints;
    const carriers: any[] = target === 'resource' ? [group.resource] : items;
    for (const carrier of carriers) expect(attributesOf(carrier)).toMatchObject({ 'deployment.version': '1.4.2' });
  });

  test('of all signals goes out at once, spread over partitions', async () => {
    const topic = await kafka.freshTopic('mixed', { partitions: 3 });
    const options = { traces: { topic }, metrics: { topic }, logs: { topic }, topic };
    const { exporter, context } = await startQueued({ brokers: kafka.brokers, ...options });
    const sent: Batch[] = Array.from({ length: 60 }, (_, i) => Object.values(batches)[i % 3]!());
    await Promise.all([...sent, decisions(decisionEvent('d-1'))].map((batch) => exporter.consume(batch)));
    await exporter.stop(AbortSignal.timeout(5000));
    const reads = await readTopic(kafka.brokers, topic);
    expect(reads).toHaveLength(61);
    expect(new Set(reads.map(({ partition }) => partition)).size).toBe(3);
    const labels = { exporter: 'kafka', signal: 'traces' };
    expect(await counted(context, 'windback_exporter_sent_items_total', labels)).toBe(40);
  });
});

describe('what is too large', () => {
  const huge = 'x'.repeat(200_000);

  test('for the exporter is refused for good, and the next one goes through', async () => {
    const topic = await kafka.freshTopic('limited');
    const { logger, lines } = recordingLogger();
    const context = testContext('kafka', { logger });
    const producer = { max_message_bytes: '100KiB' };
    const { exporter } = await startQueued({ brokers: kafka.brokers, topic, producer }, context);
    await exporter.consume(decisions(decisionOf('cart', 'd-1', huge)));
    await exporter.consume(decisions(decisionOf('cart', 'd-2')));
    await exporter.stop(AbortSignal.timeout(5000));
    expect((await readTopic(kafka.brokers, topic)).map(({ headers }) => headers['ce_id'])).toEqual(['d-2']);
    const labels = { exporter: 'kafka', signal: 'decisions', reason: 'rejected_size' };
    expect(await counted(context, 'windback_exporter_dropped_items_total', labels)).toBe(1);
    expect(lines.find(({ level }) => level === 50)?.['msg']).toMatch(
      /^dropped: the destination takes only smaller requests: topic limited-\S+: a message of 20\d{4} bytes is larger than producer.max_message_bytes, 102400 bytes; telemetry is halved/,
    );
  });

  test('for the broker is refused for good, and nothing before or after it is lost', async () => {
    const topic = await kafka.freshTopic('small', { config: { 'max.message.bytes': '50000' } });
    const context = testContext('kafka');
    const { exporter } = await startQueued({ brokers: kafka.brokers, topic }, context);
    for (let i = 0; i < 12; i++) {
      await exporter.consume(decisions(decisionOf('cart', `d-${i}`, i % 3 === 1 ? huge : undefined)));
    }
    await exporter.stop(AbortSignal.timeout(5000));
    const ids = (await readTopic(kafka.brokers, topic)).map(({ headers }) => headers['ce_id']);
    expect(ids).toEqual([0, 2, 3, 5, 6, 8, 9, 11].map((i) => `d-${i}`));
    const labels = { exporter: 'kafka', signal: 'decisions', reason: 'rejected_size' };
    expect(await counted(context, 'windback_exporter_dropped_items_total', labels)).toBe(4);
  });

  test('names what the broker said', async () => {
    const topic = await kafka.freshTopic('small', { config: { 'max.message.bytes': '50000' } });
    const { exporter } = await startExporter({ brokers: kafka.brokers, topic });
    const error = await failure(exporter.consume(decisions(decisionOf('cart', 'd-1', huge))));
    expect(error.code).toBe('rejected_size');
    expect(error.detail).toContain(`topic ${topic} at ${kafka.brokers.join(',')}: MESSAGE_TOO_LARGE: `);
  });

  test('takes no other decision of its batch with it', async () => {
    const topic = await kafka.freshTopic('shared');
    const { logger, lines } = recordingLogger();
    const context = testContext('kafka', { logger });
    const producer = { max_message_bytes: '100KiB' };
    const { exporter } = await startQueued({ brokers: kafka.brokers, topic, producer }, context);
    const events = ['d-1', 'd-2', 'd-3'].map((id, i) => decisionOf('cart', id, i === 1 ? huge : undefined));
    await exporter.consume(decisions(...events, decisionOf('search', 'd-4')));
    await exporter.stop(AbortSignal.timeout(5000));
    const ids = (await readTopic(kafka.brokers, topic)).map(({ headers }) => headers['ce_id']);
    expect(ids.toSorted()).toEqual(['d-1', 'd-3', 'd-4']);
    expect(ids.indexOf('d-1')).toBeLessThan(ids.indexOf('d-3'));
    const labels = { exporter: 'kafka', signal: 'decisions', reason: 'rejected_size' };
    expect(await counted(context, 'windback_exporter_dropped_items_total', labels)).toBe(1);
    const sent = { exporter: 'kafka', signal: 'decisions' };
    expect(await counted(context, 'windback_exporter_sent_items_total', sent)).toBe(3);
    expect(lines.filter(({ level }) => level === 50)).toHaveLength(1);
  });

  test('for the broker only as several decisions, goes out in halves, in order and once', async () => {
    const topic = await kafka.freshTopic('halves', { config: { 'max.message.bytes': '20000' } });
    const context = testContext('kafka');
    const { exporter } = await startQueued({ brokers: kafka.brokers, topic }, context);
    const events = Array.from({ length: 60 }, (_, i) => decisionOf('cart', `d-${i}`, i === 33 ? huge : undefined));
    await exporter.consume(decisions(...events, decisionOf('search', 'd-60')));
    await exporter.consume(decisions(decisionOf('cart', 'd-61')));
    await exporter.stop(AbortSignal.timeout(10_000));
    const ids = (await readTopic(kafka.brokers, topic)).map(({ headers }) => headers['ce_id']);
    expect(ids).toEqual(Array.from({ length: 62 }, (_, i) => `d-${i}`).filter((id) => id !== 'd-33'));
    const labels = { exporter: 'kafka', signal: 'decisions', reason: 'rejected_size' };
    expect(await counted(context, 'windback_exporter_dropped_items_total', labels)).toBe(1);
  });

  test('as telemetry, for the exporter or for the broker, arrives in halves', async () => {
    const config = { 'max.message.bytes': '20000' };
    const topics = [await kafka.freshTopic('spans', { config }), await kafka.freshTopic('spans')];
    for (const [i, topic] of topics.entries()) {
      const producer = i === 0 ? {} : { max_message_bytes: '20000B' };
      const { exporter } = await startQueued({ brokers: kafka.brokers, traces: { topic }, producer });
      const bytes = requestBytes('traces', 500);
      expect(bytes.length).toBeGreaterThan(30_000);
      await exporter.consume(TelemetryBatch.open('traces', bytes));
      await exporter.stop(AbortSignal.timeout(10_000));
      const records = await readTopic(kafka.brokers, topic as string);
      const items = records.map(({ value }) => TelemetryBatch.open('traces', Buffer.from(value)).items);
      expect([items.length > 1, items.reduce((sum, each) => sum + each, 0)]).toEqual([true, 500]);
    }
  });

  test('as a batch, not as a decision, goes out in parts', async () => {
    const topic = await kafka.freshTopic('parts', { config: { 'max.message.bytes': '50000' } });
    const producer = { max_message_bytes: '50000B' };
    const { exporter } = await startExporter({ brokers: kafka.brokers, topic, producer });
    const events = Array.from({ length: 200 }, (_, i) => decisionOf('cart', `d-${i}`));
    await exporter.consume(decisions(...events));
    const ids = (await readTopic(kafka.brokers, topic)).map(({ headers }) => headers['ce_id']);
    expect(ids).toEqual(events.map(({ id }) => id));
  });
});

describe('without a broker', () => {
  test('starts at once, says so once, and stops', async () => {
    const port = await freePort();
    const { logger, lines } = recordingLogger();
    const { exporter } = await startExporter({ brokers: [`localhost:${port}`] }, testContext('kafka', { logger }));
    const error = await failure(exporter.consume(decisions(decisionEvent())));
    expect(error.code).toBe('unreachable');
    expect(error.detail).toMatch(
      new RegExp(`^topic deployment-decisions at localhost:${port}: Connection error.*ECONNREFUSED`),
    );
    const warned = lines.filter(({ level }) => Number(level) > 20);
    expect(warned.map(({ msg }) => msg)).toEqual([
      expect.stringMatching(/^the destination cannot be reached: connecting at localhost.*ECONNREFUSED.*; tried again/),
    ]);
    await exporter.stop(AbortSignal.timeout(1000));
    await exporter.stop(AbortSignal.timeout(1000));
    expect((await failure(exporter.consume(decisions(decisionEvent())))).code).toBe('stopping');
  });

  test('a peer that never answers costs one attempt no more than timeout', async () => {
    const silent = createServer((socket) => socket.resume().on('error', () => {})).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const { exporter } = await startExporter({ brokers: [`127.0.0.1:${port}`], timeout: '500ms' });
    const error = await failure(exporter.consume(decisions(decisionEvent())));
    expect(error.code).toBe('timeout');
    void exporter.consume(decisions(decisionEvent())).catch(() => {});
    await exporter.stop(AbortSignal.timeout(100));
    await expect.poll(() => connections(silent)).toBe(0);
    silent.close();
  });

  test('stops before it was started, and while it starts', async () => {
    const never = new KafkaExporter(kafkaExporterConfig.parse({}), testContext('kafka'));
    await never.stop(AbortSignal.timeout(100));
    const exporter = new KafkaExporter(kafkaExporterConfig.parse({}), testContext('kafka'));
    const starting = failure(exporter.start());
    await exporter.stop(AbortSignal.timeout(100));
    expect((await starting).code).toBe('stopping');
  });
});

test('Node has warned of nothing', () => {
  expect(warnings).toEqual([]);
});

test.each([
  [{ brokers: [] }, 'brokers'],
  [{ brokers: ['localhost'] }, 'brokers.0'],
  [{ topic: 'a b' }, 'topic'],
  [{ traces: { encoding: 'otlp_json' } }, 'traces.encoding'],
  [{ producer: { compression: 'zstd' } }, 'producer.compression'],
  [{ timeout: '0s' }, 'timeout'],
  [{ timeout: '25d' }, 'timeout'],
])('the configuration %j is refused', (options, path) => {
  const { error } = kafkaExporterConfig.safeParse(options);
  expect(error?.issues.map((issue) => issue.path.join('.'))).toEqual([path]);
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function connections(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
}
