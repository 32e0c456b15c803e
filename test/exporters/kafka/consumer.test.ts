/** The consumer of examples/consumer, as a user runs it. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { kafkaForTests, type TestKafka } from '../../support/kafka.ts';
import { decisionOf, decisions, startExporter } from './started.ts';

const CONSUMER = join(import.meta.dirname, '../../../examples/consumer/consumer.ts');

let kafka: TestKafka;
let consumer: ChildProcessWithoutNullStreams | undefined;
beforeAll(async () => {
  kafka = await kafkaForTests();
});
afterEach(() => consumer?.kill('SIGKILL'));
afterAll(() => kafka?.stop());

test('the example prints each decision once, and none that is a dry run', async () => {
  const topic = await kafka.freshTopic('decisions');
  const { exporter } = await startExporter({ brokers: kafka.brokers, topic });
  const dry = decisionOf('cart', 'd-dry', 'only a trial');
  await exporter.consume(decisions(decisionOf('cart', 'd-1', 'the first'), decisionOf('cart', 'd-1', 'the first')));
  await exporter.consume(decisions({ ...dry, data: { ...dry.data, dry_run: true } }));
  await exporter.consume(decisions(decisionOf('cart', 'd-2', 'the second')));

  consumer = spawn(process.execPath, [CONSUMER], {
    env: {
      PATH: process.env['PATH'] ?? '',
      KAFKA_BROKERS: kafka.brokers.join(','),
      KAFKA_TOPIC: topic,
      KAFKA_GROUP: topic,
    },
  });
  let stdout = '';
  let stderr = '';
  consumer.stdout.on('data', (chunk) => (stdout += String(chunk)));
  consumer.stderr.on('data', (chunk) => (stderr += String(chunk)));
  await expect.poll(() => stdout + stderr, { timeout: 20_000 }).toContain('the second');
  consumer.kill('SIGTERM');
  expect(await once(consumer, 'close')).toEqual([0, null]);
  expect(stdout).toBe('rollback cart 1.4.2: the first\nrollback cart 1.4.2: the second\n');
});
