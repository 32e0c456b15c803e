/** The two candidates behind one interface, each configured as its own documentation advises for ordered, safe sending. */
import type * as kafkajs from 'kafkajs';

export interface TrialRecord {
  readonly id: number;
  readonly key: string;
}

export interface TrialProducer {
  connect(): Promise<void>;
  /** Resolves when all in-sync replicas have the records; may reject and be called again with the same records. */
  send(topic: string, records: readonly TrialRecord[]): Promise<void>;
  close(): Promise<void>;
}

export interface TrialConsumer {
  close(): Promise<void>;
}

export interface TrialClient {
  createProducer(brokers: string[]): TrialProducer;
  startConsumer(
    brokers: string[],
    group: string,
    topic: string,
    onRecord: (id: number) => void,
  ): Promise<TrialConsumer>;
}

export const clientNames = ['kafkajs', 'platformatic'] as const;
export type ClientName = (typeof clientNames)[number];

/** Imports the client when asked, so that a run measures one client only. */
export async function loadClient(name: ClientName): Promise<TrialClient> {
  return name === 'kafkajs' ? loadKafkajs() : loadPlatformatic();
}

async function loadKafkajs(): Promise<TrialClient> {
  const { default: kafka } = await import('kafkajs');
  const create = (brokers: string[]): kafkajs.Kafka =>
    new kafka.Kafka({
      clientId: 'trial',
      brokers,
      connectionTimeout: 3000,
      requestTimeout: 5000,
      logLevel: kafka.logLevel.NOTHING,
      retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 2 },
    });
  return {
    createProducer(brokers) {
      const producer = create(brokers).producer({
        idempotent: true,
        maxInFlightRequests: 1,
        createPartitioner: kafka.Partitioners.DefaultPartitioner,
        // Few, so that the caller hears of an outage; it repeats the same records, which then carry the same sequence.
        retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 2 },
      });
      return {
        connect: () => producer.connect(),
        async send(topic, records) {
          const messages = records.map(({ id, key }) => ({ key, value: String(id), headers: { kind: 'trial' } }));
          await producer.send({ topic, acks: -1, messages });
        },
        close: () => producer.disconnect(),
      };
    },
    async startConsumer(brokers, groupId, topic, onRecord) {
      const consumer = create(brokers).consumer({
        groupId,
        sessionTimeout: 6000,
        heartbeatInterval: 1000,
        retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: Number.MAX_SAFE_INTEGER },
      });
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      await consumer.run({
        autoCommitInterval: 500,
        eachMessage: async ({ message }) => onRecord(Number(message.value)),
      });
      return { close: () => consumer.disconnect() };
    },
  };
}

async function loadPlatformatic(): Promise<TrialClient> {
  const kafka = await import('@platformatic/kafka');
  const base = { clientId: 'trial', connectTimeout: 3000, timeout: 5000, retries: true as const, retryDelay: 250 };
  return {
    createProducer(bootstrapBrokers) {
      const settings = { idempotent: true, acks: -1, maxInflights: 1, serializers: kafka.stringSerializers };
      const producer = new kafka.Producer({ ...base, ...settings, bootstrapBrokers });
      return {
        connect: async () => void (await producer.initIdempotentProducer({})),
        async send(topic, records) {
          const messages = records.map(({ id, key }) => ({
            topic,
            key,
            value: String(id),
            headers: { kind: 'trial' },
          }));
          await producer.send({ messages });
        },
        close: async () => void (await producer.close()),
      };
    },
    async startConsumer(bootstrapBrokers, groupId, topic, onRecord) {
      const session = { sessionTimeout: 6000, heartbeatInterval: 1000, rebalanceTimeout: 6000 };
      const deserializers = kafka.stringDeserializers;
      const consumer = new kafka.Consumer({ ...base, ...session, bootstrapBrokers, groupId, deserializers });
      const modes = { mode: 'committed', fallbackMode: 'earliest', maxWaitTime: 500 } as const;
      const stream = await consumer.consume({ ...modes, topics: [topic], autocommit: 500 });
      stream.on('data', (message) => onRecord(Number(message.value)));
      stream.on('error', (error) => process.stderr.write(`consumer stream error: ${error.message}\n`));
      return { close: async () => void (await consumer.close(true)) };
    },
  };
}
