import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Consumer, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Broker, startBroker } from '../../deploy/kafka/broker.ts';
import { fetchMetadata } from '../../deploy/kafka/protocol.ts';
import { kafkaForTests, ownBrokerForTests } from '../support/kafka.ts';

const run = promisify(execFile);
const brokerScript = new URL('../../deploy/kafka/broker.ts', import.meta.url).pathname;

function client(brokers: string[]): Kafka {
  return new Kafka({ clientId: 'test', brokers, logLevel: logLevel.NOTHING });
}

async function produce(brokers: string[], topic: string, value: string): Promise<void> {
  const producer = client(brokers).producer({ idempotent: true });
  await producer.connect();
  await producer.send({ topic, acks: -1, messages: [{ key: 'key', value, headers: { kind: 'test' } }] });
  await producer.disconnect();
}

async function consume(brokers: string[], topic: string, count: number): Promise<string[]> {
  const consumer: Consumer = client(brokers).consumer({ groupId: `group-${topic}-${count}` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const values: string[] = [];
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        eachMessage: async ({ message }) => {
          values.push(`${message.key}=${message.value} ${message.headers?.['kind']}`);
          if (values.length === count) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return values;
}

describe('a broker of its own', () => {
  let broker: Broker;
  beforeAll(async () => {
    broker = await ownBrokerForTests();
  });
  afterAll(() => broker?.stop());

  test('takes records and keeps them across an orderly stop and a crash, at the same address', async () => {
    const [address] = broker.brokers;
    await broker.createTopic('kept');
    await produce(broker.brokers, 'kept', 'one');
    expect(await consume(broker.brokers, 'kept', 1)).toEqual(['key=one test']);

    await broker.takeDown();
    await expect(fetchMetadata(address!)).rejects.toThrow();
    expect(await broker.isRunning()).toBe(false);
    await broker.bringUp();
    await produce(broker.brokers, 'kept', 'two');

    await broker.kill();
    await broker.bringUp();
    expect(await consume(broker.brokers, 'kept', 2)).toEqual(['key=one test', 'key=two test']);
  });

  test('hangs while frozen and goes on when thawed', async () => {
    await broker.freeze();
    await expect(fetchMetadata(broker.brokers[0]!, 300)).rejects.toThrow('did not answer in 300 ms');
    await broker.thaw();
    expect((await fetchMetadata(broker.brokers[0]!)).brokers).toEqual(broker.brokers);
  });

  test('creates topics with partitions and configuration, and says why it cannot', async () => {
    await broker.createTopic('three', { partitions: 3, config: { 'retention.ms': '60000' } });
    const { partitions } = await fetchMetadata(broker.brokers[0]!);
    expect(partitions.filter((p) => p.topic === 'three')).toHaveLength(3);
    await expect(broker.createTopic('three')).rejects.toThrow(
      "cannot create topic three: Topic 'three' already exists",
    );
    await expect(broker.createTopic('bad', { config: { 'no.such': '1' } })).rejects.toThrow('no.such');
  });

  test('refuses a port in use and says what to do', async () => {
    await expect(startBroker({ port: broker.port })).rejects.toThrow(
      `port ${broker.port} is in use: choose another one`,
    );
  });

  test('fails with the log of the broker when it cannot start', async () => {
    await expect(startBroker({ settings: { 'num.io.threads': '0' } })).rejects.toThrow('num.io.threads');
  });
});

test('kafkaForTests gives a Kafka that answers, and fresh topics', async () => {
  const kafka = await kafkaForTests();
  const topic = await kafka.freshTopic('orders', { partitions: 2 });
  expect(topic).toMatch(/^orders-/);
  await produce(kafka.brokers, topic, 'one');
  expect(await consume(kafka.brokers, topic, 1)).toEqual(['key=one test']);
  await kafka.stop();
});

describe('the command', () => {
  // A folder of its own for data: the brokers of other tests, which come and go meanwhile, are in the usual one.
  const folder = mkdtempSync(join(tmpdir(), 'windback-test-'));
  const environment = { ...process.env, KAFKA_BROKERS: '', TMPDIR: folder };
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Starts the command and resolves with its first line on stdout. */
  async function startCommand(port: number) {
    const command = spawn(process.execPath, [brokerScript, '--port', String(port)], { env: environment });
    const [line] = await once(createInterface(command.stdout), 'line');
    return { command, line: String(line) };
  }

  async function freePort(): Promise<number> {
    const { createServer } = await import('node:net');
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    server.close();
    return port;
  }

  function dataFolders(): string[] {
    return readdirSync(folder).filter((name) => name.startsWith('windback-kafka-'));
  }

  test.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)(
    'leaves neither a broker nor data behind after %s',
    async (signal) => {
      const port = await freePort();
      const { command, line } = await startCommand(port);
      expect(line).toBe(`kafka is ready at localhost:${port} (Ctrl-C stops it and removes its data)`);
      expect(dataFolders()).toHaveLength(1);

      command.kill(signal);
      const [code] = await once(command, 'exit');
      expect(code).toBe(signal === 'SIGKILL' ? null : 0);
      for (let i = 0; i < 50 && dataFolders().length > 0; i++) await sleep(100);
      expect(dataFolders()).toEqual([]);
      await expect(fetchMetadata(`localhost:${port}`)).rejects.toThrow();
    },
  );

  test('uses the Kafka that KAFKA_BROKERS names and starts none', async () => {
    await using broker = await ownBrokerForTests();
    const env = { ...environment, KAFKA_BROKERS: broker.brokers[0] };
    const { stdout, stderr } = await run(process.execPath, [brokerScript], { env });
    expect(stdout).toBe('');
    expect(stderr).toContain(`the Kafka at ${broker.brokers[0]} answers and is used`);
  });

  test.each([
    { args: [], env: { KAFKA_BROKERS: 'localhost:1' }, code: 1, says: 'no broker answers there' },
    { args: ['--port', 'many'], env: {}, code: 2, says: '--port many: expected a number' },
    { args: ['--prot', '1'], env: {}, code: 2, says: "Unknown option '--prot'" },
    { args: [], env: { PATH: '/nowhere', JAVA_HOME: '' }, code: 1, says: 'apt-get install openjdk-17-jre-headless' },
  ])('exits $code and says "$says" for $args $env', async ({ args, env, code, says }) => {
    const failed = run(process.execPath, [brokerScript, ...args], { env: { ...environment, ...env } });
    const error = (await failed.catch((reason: unknown) => reason)) as { code: number; stderr: string };
    expect(error.stderr).toContain(says);
    expect(error.code).toBe(code);
  });
});
