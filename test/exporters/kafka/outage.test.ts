/**
 * A broker that goes away in the middle of a stream: what becomes of decisions and telemetry behind the engine's own
 * queue. OUTAGE_MS makes the outages longer than a test run can afford.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startCuttingProxy } from '../../../bench/kafka/cutting-proxy.ts';
import type { Broker } from '../../../deploy/kafka/broker.ts';
import { requestType } from '../../../proto/otlp/schema.ts';
import { counted } from '../../support/context.ts';
import { ownBrokerForTests } from '../../support/kafka.ts';
import { traces } from '../../support/telemetry.ts';
import { type Read, readTopic } from './reader.ts';
import { decisionOf, decisions, type Started, startQueued } from './started.ts';

const OUTAGE_MS = Number(process.env['OUTAGE_MS'] ?? 3000);
const TEST_MS = 30_000 + 2 * OUTAGE_MS;
const SERVICES = ['cart', 'checkout', 'frontend', 'payment'];
const PERIOD_MS = 20;

/** Decides steadily until told to end; every fifth batch has more than one decision. */
async function decideSteadily({ exporter }: Started, isOver: () => boolean): Promise<string[]> {
  const ids: string[] = [];
  for (let batch = 0; !isOver(); batch++) {
    const events = Array.from({ length: batch % 5 === 0 ? 3 : 1 }, () => {
      const id = `d-${ids.length}`;
      ids.push(id);
      return decisionOf(SERVICES[ids.length % SERVICES.length] as string, id);
    });
    await exporter.consume(decisions(...events));
    await sleep(PERIOD_MS);
  }
  return ids;
}

interface Damage {
  readonly sent: number;
  readonly lost: number;
  readonly twice: number;
  readonly outOfOrder: number;
}

const NONE = { lost: 0, twice: 0, outOfOrder: 0 };

/** Compares what was decided with what an ordinary consumer reads. */
function damageOf(sent: readonly string[], reads: readonly Read[]): Damage {
  const ids = reads.map(({ headers }) => headers['ce_id'] as string);
  const found = new Set(ids);
  const latest = new Map<string | null, number>();
  let outOfOrder = 0;
  for (const { key, headers } of reads) {
    const number = Number(headers['ce_id']?.slice(2));
    if (number < (latest.get(key) ?? -1)) outOfOrder++;
    latest.set(key, number);
  }
  const lost = sent.filter((id) => !found.has(id)).length;
  return { sent: sent.length, lost, twice: ids.length - found.size, outOfOrder };
}

function failedAttempts({ context }: Started): number {
  return context.meter.read('windback_exporter_send_failed_items_total').reduce((sum, { value }) => sum + value, 0);
}

/** Streams decisions through `outage`, then drains and compares. */
async function streamThrough(options: Record<string, unknown>, outage: () => Promise<void>): Promise<Started & Damage> {
  const started = await startQueued(options);
  let isOver = false;
  const deciding = decideSteadily(started, () => isOver);
  await sleep(1000);
  await outage();
  await sleep(1000);
  isOver = true;
  const sent = await deciding;
  await started.exporter.stop(AbortSignal.timeout(15_000));
  const labels = { exporter: 'kafka', signal: 'decisions' };
  expect(await counted(started.context, 'windback_exporter_sent_items_total', labels)).toBe(sent.length);
  const reads = await readTopic(options['brokers'] as string[], options['topic'] as string);
  return { ...started, ...damageOf(sent, reads) };
}

describe('a broker that goes away', () => {
  let broker: Broker;
  let topic: string;

  beforeAll(async () => {
    broker = await ownBrokerForTests();
  });
  afterAll(() => broker?.stop());
  beforeEach(async () => {
    await broker.bringUp();
    topic = `decisions-${crypto.randomUUID()}`;
    await broker.createTopic(topic, { partitions: 3 });
  });

  const outages: Record<string, () => Promise<void>> = {
    async 'stopped in order'() {
      await broker.takeDown();
      await sleep(OUTAGE_MS);
      await broker.bringUp();
    },
    async killed() {
      await broker.kill();
      await sleep(OUTAGE_MS);
      await broker.bringUp();
    },
    async 'frozen for longer than an attempt'() {
      await broker.freeze();
      await sleep(OUTAGE_MS);
      await broker.thaw();
    },
    async 'gone twice'() {
      await broker.kill();
      await broker.bringUp();
      await sleep(300);
      await broker.takeDown();
      await broker.bringUp();
    },
  };

  test.each(Object.keys(outages))(
    '%s: no decision is lost, none is there twice, the order stays',
    async (outage) => {
      const options = { brokers: broker.brokers, topic, timeout: '1s' };
      const result = await streamThrough(options, outages[outage]!);
      const { sent, lost, twice, outOfOrder } = result;
      const failed = failedAttempts(result);
      process.stderr.write(`${outage}: ${JSON.stringify({ sent, lost, twice, outOfOrder, failed })}\n`);
      expect({ lost, twice, outOfOrder }).toEqual(NONE);
      expect(failed).toBeGreaterThan(0);
      expect(sent).toBeGreaterThan(50);
    },
    TEST_MS,
  );

  test('down at the start: decisions wait and arrive in order', async () => {
    await broker.takeDown();
    const started = await startQueued({ brokers: broker.brokers, topic });
    const ids = Array.from({ length: 40 }, (_, i) => `d-${i}`);
    for (const [i, id] of ids.entries()) {
      await started.exporter.consume(decisions(decisionOf(SERVICES[i % 4] as string, id)));
    }
    await sleep(1000);
    await broker.bringUp();
    await started.exporter.stop(AbortSignal.timeout(15_000));
    expect(damageOf(ids, await readTopic(broker.brokers, topic))).toEqual({ sent: 40, ...NONE });
  });

  test('frozen: stopping keeps to its deadline, says what was dropped and leaves no connection', async () => {
    const started = await startQueued({ brokers: broker.brokers, topic });
    await started.exporter.consume(decisions(decisionOf('cart', 'd-0')));
    await expect.poll(() => countSent(started)).toBe(1);
    await broker.freeze();
    await started.exporter.consume(decisions(decisionOf('cart', 'd-1')));
    await sleep(200);
    await expect(started.exporter.stop(AbortSignal.timeout(500))).rejects.toMatchObject({ code: 'abandoned' });
    const dropped = { exporter: 'kafka', signal: 'decisions', reason: 'abandoned' };
    expect(await counted(started.context, 'windback_exporter_dropped_items_total', dropped)).toBe(1);
    expect(process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap')).toEqual([]);
    await broker.thaw();
  });

  test('a topic that is deleted and made anew, with fewer partitions, gets what comes after', async () => {
    const started = await startQueued({ brokers: broker.brokers, topic });
    const { exporter } = started;
    const admin = new Kafka({ brokers: broker.brokers, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    for (const round of [1, 2, 3]) {
      for (let i = 0; i < 5; i++) await exporter.consume(decisions(decisionOf('cart', `d-${round}${i}`)));
      await expect.poll(() => countSent(started), { timeout: 10_000 }).toBe(5 * round);
      if (round === 3) break;
      await admin.deleteTopics({ topics: [topic] });
      await broker.createTopic(topic);
    }
    await admin.disconnect();
    await exporter.stop(AbortSignal.timeout(10_000));
    const ids = (await readTopic(broker.brokers, topic)).map(({ headers }) => headers['ce_id']);
    expect(ids).toEqual(['d-30', 'd-31', 'd-32', 'd-33', 'd-34']);
  });
});

function countSent({ context }: Started): Promise<number> {
  return counted(context, 'windback_exporter_sent_items_total', { exporter: 'kafka', signal: 'decisions' });
}

describe('answers that are lost with their connection', () => {
  const PROXY_PORT = 19_000 + Math.floor(Math.random() * 900);
  let broker: Broker;
  let proxy: Awaited<ReturnType<typeof startCuttingProxy>>;
  const brokers = [`localhost:${PROXY_PORT}`];
  const HASTY = { initial_interval: '20ms', max_interval: '50ms' };

  beforeAll(async () => {
    broker = await ownBrokerForTests({ 'advertised.listeners': `PLAINTEXT://localhost:${PROXY_PORT}` });
  });
  afterAll(() => broker?.stop());

  /** The broker gets every request, but the answer to every third is lost, but for its first `passed` bytes. */
  async function behindProxy(work: () => Promise<void>, passed = 0): Promise<void> {
    proxy = await startCuttingProxy(PROXY_PORT, broker.port, 3, passed);
    await work();
    proxy.close();
  }

  test('and are forgotten with it where they came by half', async () => {
    const topic = 'decisions-half';
    await broker.createTopic(topic);
    await behindProxy(async () => {
      const started = await startQueued({ brokers, topic, timeout: '1s', retry_on_failure: HASTY });
      const ids = Array.from({ length: 12 }, (_, i) => `d-${i}`);
      for (const id of ids) await started.exporter.consume(decisions(decisionOf('cart', id)));
      await started.exporter.stop(AbortSignal.timeout(20_000));
      expect(damageOf(ids, await readThrough(topic))).toMatchObject(NONE);
      expect(failedAttempts(started)).toBe(0);
    }, 11);
  });

  // Within 5s the client's own retries get an answer; within 100ms they do not, so that the queue repeats the batch.
  test.each(['5s', '100ms'])('double and drop no decision, attempts of %s', async (timeout) => {
    const topic = `decisions-${timeout}`;
    await broker.createTopic(topic, { partitions: 3 });
    await behindProxy(async () => {
      const started = await startQueued({ brokers, topic, timeout, retry_on_failure: HASTY });
      let isOver = false;
      const deciding = decideSteadily(started, () => isOver);
      await sleep(400);
      isOver = true;
      const sent = await deciding;
      await started.exporter.stop(AbortSignal.timeout(20_000));
      const damage = damageOf(sent, await readThrough(topic));
      const failed = failedAttempts(started);
      process.stderr.write(`lost answers, attempts of ${timeout}: ${JSON.stringify({ ...damage, failed })}\n`);
      expect(damage).toMatchObject(NONE);
      expect(failed > 0).toBe(timeout === '100ms');
    });
  });

  test.each(['5s', '100ms'])('drop no telemetry, whatever overtakes what, attempts of %s', async (timeout) => {
    const topic = `spans-${timeout}`;
    await broker.createTopic(topic, { partitions: 5 });
    await behindProxy(async () => {
      const started = await startQueued({ brokers, traces: { topic }, timeout, retry_on_failure: HASTY });
      const end = Date.now() / 1000;
      const names = Array.from({ length: 24 }, (_, i) => `span-${i}`);
      await Promise.all(
        names.map((name) => started.exporter.consume(traces({ resource: {}, items: [{ name, end }] }))),
      );
      await started.exporter.stop(AbortSignal.timeout(25_000));
      const reads = await readThrough(topic);
      const found = new Set(reads.map(({ value }) => spanNameIn(value)));
      const figures = { sent: names.length, found: found.size, read: reads.length };
      const failed = failedAttempts(started);
      process.stderr.write(`lost answers, attempts of ${timeout}: ${JSON.stringify({ ...figures, failed })}\n`);
      expect(found).toEqual(new Set(names));
      expect(failed > 0).toBe(timeout === '100ms');
      // A retry of the client's own goes to the same partition, where it is known.
      if (failed === 0) expect(reads).toHaveLength(names.length);
    });
  });

  /** Reads at the address that the broker tells its clients. */
  async function readThrough(topic: string): Promise<Read[]> {
    proxy.close();
    const passing = await startCuttingProxy(PROXY_PORT, broker.port, Infinity);
    const reads = await readTopic(brokers, topic);
    passing.close();
    return reads;
  }
});

function spanNameIn(value: Buffer): string {
  const request: any = requestType('traces').decode(value);
  return request.resourceSpans[0].scopeSpans[0].spans[0].name;
}
