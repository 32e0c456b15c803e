import { z } from 'zod';

export const debugConfig = z.strictObject({
  verbosity: z
    .enum(['basic', 'normal', 'detailed'])
    .default('basic')
    .describe('basic: a log line a batch; normal: a line an item, on stderr; detailed: all fields as JSON, on stderr.'),
});

export type DebugConfig = z.output<typeof debugConfig>;
