import type { ReceiverFactory } from '../../pipeline/component.ts';
import { otlpFileConfig } from './config.ts';
import { OtlpFileReceiver } from './otlp-file.ts';

export const otlpFile: ReceiverFactory<typeof otlpFileConfig> = {
  type: 'otlp_file',
  stability: 'beta',
  summary: "Reads captures of one OTLP/JSON request a line, as the Collector's file exporter writes them.",
  config: otlpFileConfig,
  emits: ['traces', 'metrics', 'logs'],
  create: (config, next, context) => new OtlpFileReceiver(config, next, context),
};
