import { z } from 'zod';
import { duration } from '../../pipeline/config/scalars.ts';

export const batchConfig = z.strictObject({
  send_batch_size: z
    .int()
    .min(1)
    .default(8192)
    .describe('Spans, data points or log records at which a batch is sent without waiting longer. Not a maximum.'),
  timeout: duration.prefault('200ms').describe('How long a request may wait for others. 0s sends each on as it comes.'),
});

export type BatchConfig = z.output<typeof batchConfig>;
