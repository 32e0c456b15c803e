import type { Context, ExporterFactory } from '../../pipeline/component.ts';
import { type KafkaExporterConfig, kafkaExporterConfig } from './config.ts';
import { KafkaExporter } from './kafka.ts';

export const kafkaExporter: ExporterFactory<typeof kafkaExporterConfig> = {
  type: 'kafka',
  stability: 'beta',
  summary: 'Publishes decisions to Kafka as CloudEvents, and traces, metrics and logs as OTLP protobuf.',
  accepts: ['decisions', 'traces', 'metrics', 'logs'],
  config: kafkaExporterConfig,
  create: (config: KafkaExporterConfig, context: Context) => new KafkaExporter(config, context),
};
