import { z } from 'zod';
import { duration, size } from '../../pipeline/config/scalars.ts';

export const otlpFileConfig = z.strictObject({
  include: z
    .array(z.string().min(1))
    .min(1)
    .describe(
      'Files to read, in this order: paths, glob patterns (their matches sorted by name), or - for standard input.',
    ),
  max_line: size.prefault('64MiB').describe('The longest line. A longer one is counted, named in the log and skipped.'),
  retry_interval: duration
    .prefault('1s')
    .describe(
      'The pause before a request that the pipeline could not take yet is offered again, unless it said how long.',
    ),
});

export type OtlpFileConfig = z.output<typeof otlpFileConfig>;
