import type { ProcessorFactory } from '../../pipeline/component.ts';
import { verdictConfig } from './config.ts';
import { VerdictProcessor } from './verdict.ts';

export const verdict: ProcessorFactory<typeof verdictConfig> = {
  type: 'verdict',
  stability: 'alpha',
  summary: 'Merges health deltas, weighs the evidence that a new version is worse, and decides.',
  config: verdictConfig,
  accepts: ['health'],
  emits: ['decisions'],
  mutates: false,
  create: (config, next, context) => new VerdictProcessor(config, next, context),
};
