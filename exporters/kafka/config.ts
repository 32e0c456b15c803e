import { z } from 'zod';
import { clientTlsConfig } from '../../pipeline/client-tls.ts';
import { duration, size } from '../../pipeline/config/scalars.ts';
import { queuedExporterFields, retryConfig } from '../../pipeline/queue-config.ts';
import { authConfig } from './security.ts';

const broker = z.string().refine((text) => {
  const [, port] = /^[^:\s/]+:(\d{1,5})$/.exec(text) ?? [];
  return port !== undefined && Number(port) <= 65_535;
}, 'want host:port, such as localhost:9092');

/** What Kafka allows (org.apache.kafka.common.internals.Topic). */
const topic = z
  .string()
  .regex(/^[a-zA-Z0-9._-]{1,249}$/, 'want a topic name: letters, digits, ".", "_" and "-", at most 249')
  .refine((text) => text !== '.' && text !== '..', 'want a topic name other than . and ..');

const telemetry = (signal: string, name: string) =>
  z
    .strictObject({
      topic: topic.default(name).describe(`The topic that ${signal} go to.`),
      encoding: z
        .enum(['otlp_proto'])
        .default('otlp_proto')
        .describe('The form of a record: an OTLP Export request as protobuf, one per batch.'),
    })
    .prefault({})
    .describe(`Where ${signal} go, and how.`);

export const kafkaExporterConfig = z.strictObject({
  brokers: z
    .array(broker)
    .min(1)
    .default(['localhost:9092'])
    .describe('Brokers to begin with, as host:port; the others are learnt from them.'),
  topic: topic
    .default('deployment-decisions')
    .describe('The topic that decisions go to. Telemetry goes to the topics of its signal, below.'),
  traces: telemetry('traces', 'otlp_spans'),
  metrics: telemetry('metrics', 'otlp_metrics'),
  logs: telemetry('logs', 'otlp_logs'),
  client_id: z.string().min(1).default('windback').describe('The name under which brokers log and limit this client.'),
  timeout: duration
    .prefault('5s')
    // The longest delay that a timer of Node can hold, and that a broker is told.
    .refine((ms) => ms > 0 && ms < 2 ** 31, 'want more than 0 and less than 24d')
    .describe('How long one attempt may take, connecting included.'),
  tls: clientTlsConfig
    .optional()
    .describe('TLS to the brokers, with the keys below. Without it connections are not encrypted.'),
  auth: authConfig,
  producer: z
    .strictObject({
      compression: z
        .enum(['none', 'gzip'])
        .default('none')
        .describe('How records are compressed. Consumers notice nothing of it.'),
      max_message_bytes: size
        .prefault('1MiB')
        .refine((bytes) => bytes > 0 && bytes < 2 ** 31, 'want more than 0B and less than 2GiB')
        .describe(
          "The largest request to one partition, before compression. What is larger is refused without asking; not more than the broker's message.max.bytes, or the topic's max.message.bytes.",
        ),
    })
    .prefault({})
    .describe('What is sent.'),
  ...queuedExporterFields,
  // A decision should not wait long once the broker is back, and an attempt costs a broker next to nothing.
  retry_on_failure: retryConfig
    .extend({ max_interval: duration.prefault('5s').describe('The longest pause between two retries.') })
    .prefault({})
    .describe(retryConfig.description ?? ''),
});

export type KafkaExporterConfig = z.output<typeof kafkaExporterConfig>;
