import type { ProcessorFactory } from '../../pipeline/component.ts';
import { healthConfig } from './config.ts';
import { HealthFolder } from './health.ts';

export const health: ProcessorFactory<typeof healthConfig> = {
  type: 'health',
  stability: 'beta',
  summary: 'Folds tagged telemetry into health deltas, one per second of event time; a source of the health signal.',
  config: healthConfig,
  accepts: ['traces', 'metrics', 'logs'],
  emits: ['traces', 'metrics', 'logs', 'health'],
  mutates: false,
  readsAttributes: true,
  after: ['deployment'],
  create: (config, next, context) => new HealthFolder(config, next, context),
};
