import { z } from 'zod';
import { duration } from '../../pipeline/config/scalars.ts';

export const healthConfig = z.strictObject({
  flush_interval: duration.prefault('1s').describe('How often deltas are handed on.'),
  count_http_4xx: z
    .boolean()
    .default(false)
    .describe('Whether an HTTP 4xx answer counts as an error of the server. By the semantic conventions it does not.'),
  max_skew: duration
    .prefault('5m')
    .describe('How far an event time may be from the arrival. Further off, the event counts at its arrival.'),
  max_operations: z
    .int()
    .min(1)
    .default(200)
    .describe('Operations told apart per service key; the rest are folded into `other`.'),
  max_series: z
    .int()
    .min(1)
    .default(100_000)
    .describe('Series per flush (slot, instance, operation); what exceeds it is counted and left out.'),
});

export type HealthConfig = z.output<typeof healthConfig>;
