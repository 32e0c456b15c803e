import { z } from 'zod';
import { duration } from './config/scalars.ts';

/** The queue in front of an exporter. Keys are the Collector's. */
export const queueConfig = z
  .strictObject({
    queue_size: z
      .int()
      .min(1)
      .default(1000)
      .describe(
        'How many batches may wait. When it is full, callers wait up to block_timeout and are then refused with a retryable status; nothing that was accepted is dropped.',
      ),
    num_consumers: z
      .int()
      .min(1)
      .max(64)
      .default(4)
      .describe('How many batches may be under way at once. Decisions always go one at a time, in order.'),
    block_timeout: duration
      .prefault('1s')
      .describe('How long a caller may wait for a place in a full queue before it is refused.'),
  })
  .describe('The queue in front of this exporter.');

/** Retries of one exporter. A batch is retried for as long as the queue holds it. */
export const retryConfig = z
  .strictObject({
    initial_interval: duration.prefault('500ms').describe('The pause before the first retry.'),
    max_interval: duration.prefault('30s').describe('The longest pause between two retries.'),
    multiplier: z
      .number()
      .min(1)
      .default(1.5)
      .describe('The factor from one pause to the next; each is then varied by half at random.'),
  })
  .describe(
    'Pauses between attempts after a retryable failure. There is no last attempt: a batch stays queued until it is delivered or refused for good.',
  );

export type QueueConfig = z.output<typeof queueConfig>;
export type RetryConfig = z.output<typeof retryConfig>;

/** The keys that every queued exporter has; spread into its schema. */
export const queuedExporterFields = {
  sending_queue: queueConfig.prefault({}),
  retry_on_failure: retryConfig.prefault({}),
};
