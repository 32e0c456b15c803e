/** Kafka for tests. Both functions reject where no Kafka can run: a test that needs one fails, it is never skipped. */
import { randomUUID } from 'node:crypto';
import { type Broker, brokersFromEnvironment, findAnswering, startBroker } from '../../deploy/kafka/broker.ts';
import { createTopic, type TopicOptions } from '../../deploy/kafka/protocol.ts';

export interface TestKafka {
  readonly brokers: string[];
  /** Creates a topic of a name not used before, beginning with `prefix`, and returns the name. */
  freshTopic(prefix: string, options?: TopicOptions): Promise<string>;
  /** Ends the broker if it was started for this test; an existing one is left alone. May be called twice. */
  stop(): Promise<void>;
}

/** The Kafka that KAFKA_BROKERS names, or else one started for the caller. It may be shared: use `freshTopic`. */
export async function kafkaForTests(): Promise<TestKafka> {
  const existing = brokersFromEnvironment();
  if (existing === undefined) {
    const broker = await startBroker();
    return { brokers: broker.brokers, freshTopic: topicMaker(broker.brokers), stop: () => broker.stop() };
  }
  await findAnswering(existing);
  return { brokers: existing, freshTopic: topicMaker(existing), stop: async () => {} };
}

/** A broker of the test's own, to take down, kill, freeze and bring up; started even when KAFKA_BROKERS is set. */
export async function ownBrokerForTests(settings: Record<string, string> = {}): Promise<Broker> {
  return startBroker({ settings });
}

function topicMaker(brokers: readonly string[]): TestKafka['freshTopic'] {
  return async (prefix, options) => {
    const name = `${prefix}-${randomUUID()}`;
    await createTopic(await findAnswering(brokers), name, options);
    return name;
  };
}
