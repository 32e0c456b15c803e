import type { ExporterFactory } from '../../pipeline/component.ts';
import { debugConfig } from './config.ts';
import { DebugExporter } from './debug.ts';

export const debug: ExporterFactory<typeof debugConfig> = {
  type: 'debug',
  stability: 'beta',
  summary: 'Shows what comes through, for people who set up or mend a configuration.',
  config: debugConfig,
  accepts: ['traces', 'metrics', 'logs', 'health', 'decisions'],
  create: (config, context) => new DebugExporter(config, context, process.stderr),
};
