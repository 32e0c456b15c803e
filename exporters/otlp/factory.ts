import type { Context, ExporterFactory } from '../../pipeline/component.ts';
import { type OtlpExporterConfig, otlpExporterConfig } from './config.ts';
import { OtlpExporter } from './otlp.ts';

export const otlpExporter: ExporterFactory<typeof otlpExporterConfig> = {
  type: 'otlp',
  stability: 'beta',
  summary: 'Sends traces, metrics and logs to another OTLP endpoint over gRPC.',
  accepts: ['traces', 'metrics', 'logs'],
  config: otlpExporterConfig,
  create: (config: OtlpExporterConfig, context: Context) => new OtlpExporter(config, context),
};
