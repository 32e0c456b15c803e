import type { Context, ExporterFactory } from '../../pipeline/component.ts';
import { type OtlpHttpExporterConfig, otlpHttpExporterConfig } from './config.ts';
import { OtlpHttpExporter } from './otlp-http.ts';

export const otlpHttpExporter: ExporterFactory<typeof otlpHttpExporterConfig> = {
  type: 'otlp_http',
  stability: 'beta',
  summary: 'Sends traces, metrics and logs to another OTLP endpoint over HTTP, as protobuf or JSON.',
  accepts: ['traces', 'metrics', 'logs'],
  config: otlpHttpExporterConfig,
  create: (config: OtlpHttpExporterConfig, context: Context) => new OtlpHttpExporter(config, context),
};
