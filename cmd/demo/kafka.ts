/** The broker of `--kafka`, and an ordinary consumer that reads the decisions back. */
import { type Broker, brokersFromEnvironment, findAnswering, startBroker } from '../../deploy/kafka/broker.ts';
import { mendRequestQueue } from '../../exporters/kafka/request-queue.ts';

export const TOPIC = 'deployment-decisions';
const USUAL = 'localhost:9092';

export interface DemoKafka {
  readonly brokers: readonly string[];
  /** Where it comes from, for people. */
  readonly origin: string;
  /** Ends the broker if the demo has started it. */
  stop(): Promise<void>;
}

/** The broker that KAFKA_BROKERS names, else the one at localhost:9092, else one started for the demo. */
export async function findKafka(progress: (line: string) => void): Promise<DemoKafka> {
  const named = brokersFromEnvironment();
  if (named !== undefined) {
    await findAnswering(named);
    return { brokers: named, origin: 'named by KAFKA_BROKERS', stop: async () => {} };
  }
  const isThere = await findAnswering([USUAL]).then(
    () => true,
    () => false,
  );
  if (isThere) return { brokers: [USUAL], origin: 'found running', stop: async () => {} };
  const broker: Broker = await startBroker({ progress });
  return { brokers: broker.brokers, origin: 'started for this demo', stop: () => broker.stop() };
}

/** A message as the consumer got it. */
export interface Received {
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly partition: number;
  readonly offset: string;
  readonly bytes: number;
}

export interface Reader {
  readonly received: readonly Received[];
  stop(): Promise<void>;
}

/** Reads the topic from now on. Resolves when the consumer has its partitions. */
export async function readDecisions(brokers: readonly string[]): Promise<Reader> {
  await mendRequestQueue();
  const { default: kafkajs } = await import('kafkajs');
  const kafka = new kafkajs.Kafka({
    clientId: 'windback-demo',
    brokers: [...brokers],
    logLevel: kafkajs.logLevel.NOTHING,
  });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: TOPIC }] });
  await admin.disconnect();
  const received: Received[] = [];
  const consumer = kafka.consumer({ groupId: `windback-demo-${process.pid}-${Date.now()}` });
  const joined = new Promise<void>((resolve) => void consumer.on(consumer.events.GROUP_JOIN, () => resolve()));
  await consumer.connect();
  await consumer.subscribe({ topic: TOPIC, fromBeginning: false });
  await consumer.run({
    eachMessage: async ({ message, partition }) => {
      const headers = Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)] as const);
      received.push({
        key: String(message.key ?? ''),
        headers: Object.fromEntries(headers),
        partition,
        offset: message.offset,
        bytes: message.value?.length ?? 0,
      });
    },
  });
  await joined;
  return { received, stop: () => consumer.disconnect() };
}
