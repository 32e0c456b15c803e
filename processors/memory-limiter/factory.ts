import type { ProcessorFactory } from '../../pipeline/component.ts';
import { memoryLimiterConfig } from './config.ts';
import { processMemory } from './memory.ts';
import { MemoryLimiter } from './memory-limiter.ts';

export const memoryLimiter: ProcessorFactory<typeof memoryLimiterConfig> = {
  type: 'memory_limiter',
  stability: 'beta',
  summary: 'Refuses telemetry, so that callers send it again, while the process uses too much memory.',
  config: memoryLimiterConfig,
  accepts: ['traces', 'metrics', 'logs'],
  emits: ['traces', 'metrics', 'logs'],
  mutates: false,
  create: (config, next, context) => new MemoryLimiter(config, next, context, processMemory()),
};
