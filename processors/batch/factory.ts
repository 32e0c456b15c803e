import type { ProcessorFactory } from '../../pipeline/component.ts';
import { Batcher } from './batch.ts';
import { batchConfig } from './config.ts';

export const batch: ProcessorFactory<typeof batchConfig> = {
  type: 'batch',
  stability: 'beta',
  summary: 'Joins small requests to large ones, and acknowledges each when the joined one has been taken.',
  config: batchConfig,
  accepts: ['traces', 'metrics', 'logs'],
  emits: ['traces', 'metrics', 'logs'],
  mutates: false,
  create: (config, next, context) => new Batcher(config, next, context),
};
