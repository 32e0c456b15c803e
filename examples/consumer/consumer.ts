/** Reads decisions from Kafka and says what it would do: `npx node examples/consumer/consumer.ts`. */
import { Kafka, logLevel } from 'kafkajs';
import type { Decision } from '../../proto/windback/decision.ts';

const { KAFKA_BROKERS = 'localhost:9092', KAFKA_TOPIC = 'deployment-decisions' } = process.env;
const kafka = new Kafka({ clientId: 'rollback', brokers: KAFKA_BROKERS.split(','), logLevel: logLevel.ERROR });
const consumer = kafka.consumer({ groupId: process.env['KAFKA_GROUP'] ?? 'rollback' });
const known = new Set<string>(); // A table that survives a restart, where acting twice does harm.

await consumer.connect();
await consumer.subscribe({ topic: KAFKA_TOPIC, fromBeginning: true });
await consumer.run({
  eachMessage: async ({ message }) => {
    const id = String(message.headers?.['ce_id']);
    const { decision, reason, service, candidate, dry_run }: Decision = JSON.parse(String(message.value));
    if (dry_run || known.has(id)) return;
    console.log(`${decision} ${service.name} ${candidate.version}: ${reason}`); // Here you would act.
    known.add(id);
  },
});
process.once('SIGTERM', () => void consumer.disconnect()).once('SIGINT', () => void consumer.disconnect());
