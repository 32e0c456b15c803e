import type { ComponentTable } from '../pipeline/component.ts';
import { debug } from '../exporters/debug/factory.ts';
import { file } from '../exporters/file/factory.ts';
import { kafkaExporter } from '../exporters/kafka/factory.ts';
import { otlpExporter } from '../exporters/otlp/factory.ts';
import { otlpHttpExporter } from '../exporters/otlp-http/factory.ts';
import { batch } from '../processors/batch/factory.ts';
import { deployment } from '../processors/deployment/factory.ts';
import { health } from '../processors/health/factory.ts';
import { memoryLimiter } from '../processors/memory-limiter/factory.ts';
import { verdict } from '../processors/verdict/factory.ts';
import { otlpReceiver } from '../receivers/otlp/factory.ts';
import { otlpFile } from '../receivers/otlp-file/factory.ts';

/** THE table: what is not listed here does not exist. */
export const components: ComponentTable = {
  receivers: [otlpReceiver, otlpFile],
  processors: [memoryLimiter, batch, deployment, health, verdict],
  exporters: [debug, file, kafkaExporter, otlpExporter, otlpHttpExporter],
};
