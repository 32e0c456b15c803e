/**
 * Puts the candidate Kafka clients through outages of a real broker and prints the figures of
 * docs/decisions/0002-kafka-client.md.
 *
 *   node bench/kafka/client-trial.ts                                 everything, about 18 minutes
 *   node bench/kafka/client-trial.ts kafkajs                         everything of one client
 *   node bench/kafka/client-trial.ts kafkajs stream one-by-one kill  one run
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Broker, startBroker } from '../../deploy/kafka/broker.ts';
import { startCuttingProxy } from './cutting-proxy.ts';
import { type ClientName, clientNames, loadClient, type TrialProducer, type TrialRecord } from './trial-clients.ts';

const recordsPerSecond = 50;
const outageMs = 30_000;
const keys = 4;
const topic = 'trial';

type Result = Record<string, unknown>;
/** `one-by-one` waits for each send before the next one; `concurrent` sends every record when it arises. */
const senders = { 'one-by-one': sendOneByOne, concurrent: sendConcurrently };
const outages: Record<string, (broker: Broker) => Promise<void>> = {
  async 'take-down'(broker) {
    await broker.takeDown();
    await sleep(outageMs);
    await broker.bringUp();
  },
  async kill(broker) {
    await broker.kill();
    await sleep(outageMs);
    await broker.bringUp();
  },
  async freeze(broker) {
    await broker.freeze();
    await sleep(outageMs);
    await broker.thaw();
  },
  async 'lost-acks'() {
    await sleep(10_000); // The proxy loses them.
  },
};

/** What became of the records that were sent. */
class Ledger {
  readonly acked = new Set<number>();
  readonly errors: Record<string, number> = {};
  sent = 0;
  firstAckAfterMs = 0;
  private recoveringSince = 0;

  ack(records: readonly TrialRecord[]): void {
    for (const { id } of records) this.acked.add(id);
    if (this.recoveringSince > 0) this.firstAckAfterMs = Date.now() - this.recoveringSince;
    this.recoveringSince = 0;
  }

  fail(error: Error): void {
    const cause = error.cause instanceof Error ? ` < ${error.cause.name}` : '';
    const label = `${error.name}${cause}: ${error.message}`.slice(0, 140);
    this.errors[label] = (this.errors[label] ?? 0) + 1;
  }

  brokerIsBack(): void {
    this.recoveringSince = Date.now();
  }
}

/** Sends the same records until it succeeds, a quarter of a second apart, as a caller that may lose nothing does. */
async function sendUntilAcked(producer: TrialProducer, records: readonly TrialRecord[], ledger: Ledger): Promise<void> {
  for (;;) {
    try {
      await producer.send(topic, records);
      return ledger.ack(records);
    } catch (error) {
      ledger.fail(error as Error);
      await sleep(250);
    }
  }
}

async function sendOneByOne(
  producer: TrialProducer,
  arising: AsyncIterable<TrialRecord>,
  ledger: Ledger,
): Promise<void> {
  const waiting: TrialRecord[] = [];
  let ended = false;
  const sender = (async () => {
    while (!ended || waiting.length > 0) {
      if (waiting.length === 0) await sleep(5);
      else await sendUntilAcked(producer, waiting.splice(0, 100), ledger);
    }
  })();
  for await (const record of arising) waiting.push(record);
  ended = true;
  await sender;
}

async function sendConcurrently(producer: TrialProducer, arising: AsyncIterable<TrialRecord>, ledger: Ledger) {
  const sends: Promise<void>[] = [];
  for await (const record of arising) sends.push(sendUntilAcked(producer, [record], ledger));
  await Promise.all(sends);
}

async function* ariseSteadily(ledger: Ledger, isOver: () => boolean): AsyncGenerator<TrialRecord> {
  const start = Date.now();
  while (!isOver()) {
    const id = ledger.sent++;
    yield { id, key: `key-${id % keys}` };
    await sleep(Math.max(0, start + (ledger.sent * 1000) / recordsPerSecond - Date.now()));
  }
}

/** A steady stream with an outage in the middle; then everything in the topic is read back and compared. */
async function runStream(name: ClientName, sender: keyof typeof senders, outage: string): Promise<Result> {
  const proxyPort = 19_000 + Math.floor(Math.random() * 900);
  const behindProxy = outage === 'lost-acks';
  const settings = behindProxy ? { 'advertised.listeners': `PLAINTEXT://localhost:${proxyPort}` } : {};
  await using broker = await startBroker({ settings: settings as Record<string, string> });
  const proxy = behindProxy ? await startCuttingProxy(proxyPort, broker.port, 5) : undefined;
  await broker.createTopic(topic);
  const client = await loadClient(name);
  const producer = client.createProducer(behindProxy ? [`localhost:${proxyPort}`] : broker.brokers);
  await producer.connect();
  const ledger = new Ledger();
  let isOver = false;
  const cpuStart = process.cpuUsage();
  const timeStart = Date.now();
  const sending = senders[sender](
    producer,
    ariseSteadily(ledger, () => isOver),
    ledger,
  );
  await sleep(5000);
  await outages[outage]?.(broker);
  ledger.brokerIsBack();
  await sleep(8000);
  isOver = true;
  const finished = await Promise.race([sending.then(() => true), sleep(40_000, false)]);
  const cpu = process.cpuUsage(cpuStart);
  const cpuPercent = ((cpu.user + cpu.system) / 10 / (Date.now() - timeStart)).toFixed(1);
  const rssMiB = Math.round(process.memoryUsage().rss / 2 ** 20);
  await Promise.race([producer.close(), sleep(5000)]);
  proxy?.close();
  const stored = await readBack(broker, behindProxy ? proxyPort : broker.port);
  const { sent, acked, errors, firstAckAfterMs } = ledger;
  return { sent, acked: acked.size, finished, ...compare(acked, stored), firstAckAfterMs, cpuPercent, rssMiB, errors };
}

/** Reads the topic with one fixed client, so that both candidates are judged alike. */
async function readBack(broker: Broker, port: number): Promise<number[]> {
  const passThrough = port === broker.port ? undefined : await startCuttingProxy(port, broker.port, Infinity);
  const client = await loadClient('kafkajs');
  const ids: number[] = [];
  const consumer = await client.startConsumer([`localhost:${port}`], 'read-back', topic, (id) => ids.push(id));
  for (let seen = -1; seen !== ids.length || ids.length === 0; ) {
    seen = ids.length;
    await sleep(2000);
  }
  await consumer.close();
  passThrough?.close();
  return ids;
}

function compare(acked: ReadonlySet<number>, stored: readonly number[]): Result {
  const seen = new Set<number>();
  const last = new Map<number, number>();
  let outOfOrder = 0;
  for (const id of stored) {
    if (!seen.has(id) && id < (last.get(id % keys) ?? -1)) outOfOrder++;
    if (!seen.has(id)) last.set(id % keys, Math.max(id, last.get(id % keys) ?? -1));
    seen.add(id);
  }
  const lost = [...acked].filter((id) => !seen.has(id)).length;
  return { lostThoughAcked: lost, duplicates: stored.length - seen.size, outOfOrder };
}

/** The broker comes up 15 s after the client has begun to connect. */
async function runDownAtStart(name: ClientName): Promise<Result> {
  await using broker = await startBroker();
  await broker.createTopic(topic);
  await broker.takeDown();
  const producer = (await loadClient(name)).createProducer(broker.brokers);
  const start = Date.now();
  const ledger = new Ledger();
  const up = sleep(15_000).then(() => broker.bringUp());
  for (let connected = false; !connected; ) {
    try {
      await producer.connect();
      connected = true;
    } catch (error) {
      ledger.fail(new Error(`after ${((Date.now() - start) / 1000).toFixed(0)} s: ${(error as Error).name}`));
      await sleep(1000);
    }
  }
  await up;
  const connectedAfterMs = Date.now() - start;
  await sendUntilAcked(producer, [{ id: 1, key: 'key-1' }], ledger);
  await producer.close();
  return { connectedAfterMs, sentAfterMs: Date.now() - start, errors: ledger.errors };
}

/** What a connected producer costs that has nothing to do. */
async function runIdle(name: ClientName): Promise<Result> {
  await using broker = await startBroker();
  await broker.createTopic(topic);
  const importStart = performance.now();
  const rssStart = process.memoryUsage().rss;
  const client = await loadClient(name);
  const importMs = Math.round(performance.now() - importStart);
  const importMiB = Math.round((process.memoryUsage().rss - rssStart) / 2 ** 20);
  const producer = client.createProducer(broker.brokers);
  await producer.connect();
  await producer.send(topic, [{ id: 1, key: 'key-1' }]);
  const cpuStart = process.cpuUsage();
  await sleep(15_000);
  const cpu = process.cpuUsage(cpuStart);
  await producer.close();
  return { importMs, importMiB, idleCpuPercent: ((cpu.user + cpu.system) / 150_000).toFixed(2) };
}

/** Two consumers of a group: one joins later, leaves, and the broker goes away for 5 s. Gaps are waits for any record. */
async function runRebalance(name: ClientName): Promise<Result> {
  await using broker = await startBroker();
  await broker.createTopic(topic, { partitions: 4 });
  const client = await loadClient(name);
  const producer = client.createProducer(broker.brokers);
  await producer.connect();
  const ledger = new Ledger();
  let isOver = false;
  const sending = sendOneByOne(
    producer,
    ariseSteadily(ledger, () => isOver),
    ledger,
  );
  const got: number[] = [];
  const gaps: Record<string, number> = {};
  const perConsumer: Record<string, number> = {};
  let phase = '';
  let lastAt = Date.now();
  const startConsumer = (who: string) =>
    client.startConsumer(broker.brokers, 'group', topic, (id) => {
      got.push(id);
      perConsumer[`${phase}: ${who}`] = (perConsumer[`${phase}: ${who}`] ?? 0) + 1;
      gaps[phase] = Math.max(gaps[phase] ?? 0, Date.now() - lastAt);
      lastAt = Date.now();
    });
  const during = async (name_: string, action: () => Promise<unknown>) => {
    phase = name_;
    await action();
    await sleep(10_000);
  };
  let second: Awaited<ReturnType<typeof startConsumer>> | undefined;
  const first = await startConsumer('first');
  await during('first alone', async () => {});
  await during('second joins', async () => (second = await startConsumer('second')));
  await during('broker away for 5 s', async () => {
    await broker.takeDown();
    await sleep(5000);
    await broker.bringUp();
  });
  await during('second leaves', async () => second?.close());
  isOver = true;
  await sending;
  await sleep(8000);
  await first.close();
  await producer.close();
  const seen = new Set(got);
  const lost = [...ledger.acked].filter((id) => !seen.has(id)).length;
  return { acked: ledger.acked.size, lost, seenTwice: got.length - seen.size, longestWaitMs: gaps, perConsumer };
}

async function runOne([name, kind, sender, outage]: readonly string[]): Promise<Result> {
  const client = name as ClientName;
  if (kind === 'stream') return runStream(client, sender as keyof typeof senders, outage ?? '');
  if (kind === 'down-at-start') return runDownAtStart(client);
  if (kind === 'rebalance') return runRebalance(client);
  return runIdle(client);
}

/** Every run gets a process of its own, so that memory, CPU time and warnings are its own. */
async function runApart(args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [import.meta.filename, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let warnings = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (warnings += chunk));
  await once(child, 'close');
  process.stdout.write(`${args.join(' ')}\n  ${output.trim() || `failed, exit code ${child.exitCode}`}\n`);
  const heard = warnings.split('\n').filter((line) => line.trim() !== '');
  if (heard.length > 0) process.stdout.write(`  stderr: ${heard.slice(0, 4).join(' | ').slice(0, 500)}\n`);
}

const args = process.argv.slice(2);
if (args.length > 1) {
  const result = await runOne(args);
  process.stdout.write(`${JSON.stringify(result)}\n`);
  process.exitCode = 0;
  setTimeout(() => process.kill(process.pid, 'SIGTERM'), 3000).unref(); // Sends that never end must not keep us.
} else {
  for (const name of clientNames.filter((candidate) => args.length === 0 || candidate === args[0])) {
    await runApart([name, 'idle']);
    for (const sender of Object.keys(senders))
      for (const outage of Object.keys(outages)) await runApart([name, 'stream', sender, outage]);
    await runApart([name, 'down-at-start']);
    await runApart([name, 'rebalance']);
  }
}
