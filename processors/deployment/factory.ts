import type { ProcessorFactory } from '../../pipeline/component.ts';
import { deploymentConfig } from './config.ts';
import { DeploymentTagger } from './deployment.ts';

export const deployment: ProcessorFactory<typeof deploymentConfig> = {
  type: 'deployment',
  stability: 'beta',
  summary: 'Tags every resource with the deployment version that sent it.',
  config: deploymentConfig,
  accepts: ['traces', 'metrics', 'logs'],
  emits: ['traces', 'metrics', 'logs'],
  mutates: true,
  create: (config, next, context) => new DeploymentTagger(config, next, context),
};
