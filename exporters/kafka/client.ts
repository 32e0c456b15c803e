import type { LogEntry, Message, Producer } from 'kafkajs';
import type { Logger } from '../../pipeline/telemetry/logger.ts';
import type { ClientTls } from '../../pipeline/client-tls.ts';
import { mendAnswers } from './answers.ts';
import type { KafkaExporterConfig } from './config.ts';
import { mendRequestQueue } from './request-queue.ts';
import { saslOptions } from './security.ts';
import { Sockets } from './sockets.ts';

/** A producer of kafkajs, which has one identity towards the brokers, with its connections. */
export interface Link {
  readonly producer: Producer;
  readonly sockets: Sockets;
  isConnected: boolean;
}

/** Makes a producer with an identity of its own; nothing is connected yet. */
export type LinkMaker = () => Link;

/** A connection that is not there after this time will not come. */
const CONNECTION_TIMEOUT_MS = 3000;
/**
 * How long before a session of SASL ends it is renewed. One that is shorter than this, such as by a token that has nearly
 * expired, kafkajs would renew before every request, which brokers refuse within a second.
 */
const RENEW_SESSION_MS = 1000;
/** Enough for a topic that is being created or a leader that moved. An outage is for the sending queue to wait out. */
const RETRY = { initialRetryTime: 100, maxRetryTime: 1000, retries: 2 };

/**
 * Loads kafkajs, which happens once and takes some 30 ms: so only where a configuration has this exporter. `tls`: over
 * TLS, with these.
 */
export async function loadKafkajs(
  config: KafkaExporterConfig,
  tls: ClientTls | undefined,
  logger: Logger,
): Promise<LinkMaker> {
  const [{ default: kafkajs }] = await Promise.all([import('kafkajs'), mendRequestQueue(), mendAnswers()]);
  const { Kafka, logLevel, Partitioners } = kafkajs;
  // Its errors and warnings are those of one attempt, whose outcome the queue reports in our own words.
  const logCreator =
    () =>
    ({ namespace, log }: LogEntry): void =>
      logger.debug({ kafkajs: namespace }, log.message);
  const { sasl } = config.auth;
  return () => {
    const sockets = new Sockets(tls);
    const kafka = new Kafka({
      clientId: config.client_id,
      brokers: config.brokers,
      connectionTimeout: Math.min(CONNECTION_TIMEOUT_MS, config.timeout),
      requestTimeout: config.timeout,
      reauthenticationThreshold: RENEW_SESSION_MS,
      retry: RETRY,
      socketFactory: sockets.open,
      // How, the sockets know.
      ssl: tls !== undefined,
      ...(sasl && { sasl: saslOptions(sasl) }),
      logLevel: logLevel.WARN,
      logCreator,
    });
    const producer = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      retry: RETRY,
      createPartitioner: () => stickyPartitioner(Partitioners.DefaultPartitioner()),
    });
    return { producer, sockets, isConnected: false };
  };
}

type Partitioner = ReturnType<typeof import('kafkajs').Partitioners.DefaultPartitioner>;

/**
 * Keeps a message in its partition for all attempts of a producer. kafkajs asks again for each attempt, and would send
 * a message without a key to the next partition in turn; sequence numbers count by partition, so that the one the
 * failed attempt leaves behind, though the broker may have seen it, would fall to another message, and be lost as a
 * repetition. The same goes for a key when partitions are added.
 */
function stickyPartitioner(choose: Partitioner): Partitioner {
  const chosen = new WeakMap<Message, number>();
  return (args) => {
    const partition = chosen.get(args.message) ?? choose(args);
    chosen.set(args.message, partition);
    return partition;
  };
}
