import { z } from 'zod';
import { duration, size } from './config/scalars.ts';

/** The queue in front of an exporter. Keys are the Collector's, but for `when_full` and `max_memory`. */
export const queueConfig = z
  .strictObject({
    queue_size: z
      .union([z.int().min(1), size.transform((bytes) => ({ bytes }))])
      .default(1000)
      .describe(
        'How much may wait, in what sizer counts; with sizer bytes also as a size, such as 512MiB. When it is full, callers wait up to block_timeout and are then refused with a retryable status; nothing that was accepted is dropped.',
      ),
    sizer: z
      .enum(['requests', 'items', 'bytes'])
      .default('requests')
      .describe('What queue_size counts: batches, what is in them, or the bytes that they came in.'),
    num_consumers: z
      .int()
      .min(1)
      .max(64)
      .default(4)
      .describe('How many batches may be under way at once. Decisions always go one at a time, in order.'),
    block_timeout: duration
      .prefault('1s')
      .describe('How long a caller may wait for a place in a full queue before it is refused.'),
    when_full: z
      .enum(['refuse', 'drop_oldest'])
      .default('refuse')
      .describe(
        'Who gives way in a full queue: the one that comes, which is told and may retry, or the telemetry that waits longest, which is dropped and counted. Decisions never do.',
      ),
    storage: z
      .string()
      .optional()
      .describe(
        'The file_storage extension in whose directory telemetry waits, such as file_storage: it is acknowledged when it is on disk, and delivered after a restart. Without, it waits in memory.',
      ),
    max_memory: z
      .union([z.literal('auto'), size])
      .default('auto')
      .describe(
        "How many bytes of batches are kept in memory, whatever queue_size says. auto is an eighth of the container's memory limit, or of the machine's memory, shared out among ingest workers. With storage more may wait: it is read from disk again.",
      ),
  })
  .refine(({ sizer, queue_size }) => sizer === 'bytes' || typeof queue_size === 'number', {
    path: ['queue_size'],
    message: 'want a count, or sizer: bytes beside it',
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
