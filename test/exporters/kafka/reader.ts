/** Reads a topic as any consumer would. */
import { randomUUID } from 'node:crypto';
import { type IHeaders, Kafka, logLevel } from 'kafkajs';

export interface Read {
  readonly partition: number;
  readonly key: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: Buffer;
}

/** Every record that is in the topic now, each partition in its order. */
export async function readTopic(brokers: string[], topic: string): Promise<Read[]> {
  const kafka = new Kafka({ clientId: 'reader', brokers, logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  const ends = new Map((await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => [partition, Number(high)]));
  await admin.disconnect();
  const reads: Read[] = [];
  const open = new Set([...ends].filter(([, end]) => end > 0).map(([partition]) => partition));
  if (open.size === 0) return reads;
  const consumer = kafka.consumer({ groupId: `reader-${randomUUID()}` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const { promise: done, resolve } = Promise.withResolvers<void>();
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      const { key, value, offset, headers = {} } = message;
      reads.push({ partition, key: key?.toString() ?? null, headers: texts(headers), value: value ?? Buffer.alloc(0) });
      if (Number(offset) + 1 === ends.get(partition)) open.delete(partition);
      if (open.size === 0) resolve();
    },
  });
  await done;
  await consumer.disconnect();
  return reads;
}

function texts(headers: IHeaders): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}
