/** Components for tests of several threads: known to the main one and to the workers alike. */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { isTelemetry } from '../../../pipeline/batch.ts';
import type { ComponentTable, ExporterFactory, ProcessorFactory } from '../../../pipeline/component.ts';
import { PipelineError } from '../../../pipeline/errors.ts';
import { queueConfig } from '../../../pipeline/queue-config.ts';
import type { HealthDelta } from '../../../proto/windback/health.ts';

const declared = { stability: 'alpha', summary: 'For tests.', config: z.strictObject({}) } as const;
const still = { start: async () => {}, stop: async () => {} };

/** The deltas that came to `collect` in this thread. */
export const collected: HealthDelta[] = [];

const collect: ExporterFactory = {
  ...declared,
  type: 'collect',
  accepts: ['health'],
  create: () => ({
    ...still,
    consume: async (batch) => {
      if (batch.signal === 'health') collected.push(...batch.deltas);
    },
  }),
};

/** Passes telemetry on, and throws where nobody catches when that of a service called `bomb` comes. */
const fragile: ProcessorFactory = {
  ...declared,
  type: 'fragile',
  accepts: ['traces'],
  emits: ['traces'],
  mutates: false,
  create: (_config, next) => ({
    ...still,
    consume: async (batch) => {
      const isBomb = isTelemetry(batch) && batch.tags?.some(({ service }) => service === 'bomb');
      if (isBomb === true) {
        setImmediate(() => {
          throw new Error('the bomb went off');
        });
      }
      await next.to(batch.signal).consume(batch);
    },
  }),
};

/** Cannot start, in whichever thread. */
const broken: ProcessorFactory = {
  ...declared,
  type: 'broken',
  accepts: ['traces', 'health'],
  emits: ['traces', 'health'],
  mutates: false,
  create: (_config, next) => ({
    start: async () => {
      throw new PipelineError('internal', 'it is broken');
    },
    stop: async () => {},
    consume: (batch) => next.to(batch.signal).consume(batch),
  }),
};

/** Hangs when it starts, with its whole thread, where the file is there. */
const hanging: ProcessorFactory = {
  ...declared,
  type: 'hanging',
  config: z.strictObject({ where: z.string() }),
  accepts: ['traces'],
  emits: ['traces'],
  mutates: false,
  create: (config, next) => ({
    start: async () => {
      const { where } = config as { where: string };
      if (existsSync(where)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    },
    stop: async () => {},
    consume: (batch) => next.to(batch.signal).consume(batch),
  }),
};

/** Takes everything into its queue and delivers nothing. */
const stuck: ExporterFactory = {
  ...declared,
  type: 'stuck',
  accepts: ['traces'],
  config: z.strictObject({
    sending_queue: z.any().default(queueConfig.parse({ num_consumers: 1 })),
    retry_on_failure: z.any().default({ initial_interval: 1000, max_interval: 1000, multiplier: 1 }),
  }),
  create: () => ({ ...still, consume: () => new Promise(() => {}) }),
};

export const EXTRA: ComponentTable = {
  receivers: [],
  processors: [fragile, broken, hanging],
  exporters: [collect, stuck],
};
