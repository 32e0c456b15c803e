import type { ProcessorFactory } from '../../pipeline/component.ts';
import { redactionConfig } from './config.ts';
import { Redactions } from './redaction.ts';

export const redaction: ProcessorFactory<typeof redactionConfig> = {
  type: 'redaction',
  stability: 'beta',
  summary: 'Removes attributes by key and masks values by key and pattern, before anything leaves or is judged.',
  config: redactionConfig,
  accepts: ['traces', 'metrics', 'logs'],
  emits: ['traces', 'metrics', 'logs'],
  mutates: true,
  before: ['health'],
  create: (config, next, context) => new Redactions(config, next, context),
};
