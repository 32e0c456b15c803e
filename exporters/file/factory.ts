import type { ExporterFactory } from '../../pipeline/component.ts';
import { fileConfig } from './config.ts';
import { FileExporter } from './file.ts';

export const file: ExporterFactory<typeof fileConfig> = {
  type: 'file',
  stability: 'beta',
  summary: 'Appends JSON lines to a file: OTLP/JSON requests, and decisions as CloudEvents.',
  config: fileConfig,
  accepts: ['traces', 'metrics', 'logs', 'decisions'],
  isSingle: true,
  create: (config, context) => new FileExporter(config, context),
};
