import { z } from 'zod';
import { duration } from '../../pipeline/config/scalars.ts';

const mib = z.int().min(0).default(0);
const percentage = z.number().min(0).max(100).default(0);

/** The Collector's keys. 0 means "not set", as it does there. */
export const memoryLimiterConfig = z
  .strictObject({
    check_interval: duration
      .refine((ms) => ms > 0, 'want more than 0')
      .prefault('1s')
      .describe('How often memory is measured.'),
    limit_mib: mib.describe('The hard limit of resident memory, MiB. It goes before limit_percentage.'),
    spike_limit_mib: mib.describe(
      'How far below the hard limit refusing begins, MiB: the growth to expect between two checks. 0 is a fifth of the limit.',
    ),
    limit_percentage: percentage.describe(
      "The hard limit as a percentage of the container's memory limit, or of the machine's memory where there is none.",
    ),
    spike_limit_percentage: percentage.describe(
      'How far below the hard limit refusing begins, as a percentage of the same. 0 is a fifth of the limit.',
    ),
  })
  .refine(({ limit_mib, limit_percentage }) => limit_mib > 0 || limit_percentage > 0, {
    path: ['limit_mib'],
    message: 'want limit_mib or limit_percentage above 0',
  })
  .refine(({ limit_mib, spike_limit_mib }) => limit_mib === 0 || spike_limit_mib < limit_mib, {
    path: ['spike_limit_mib'],
    message: 'want less than limit_mib',
  })
  .refine(
    ({ limit_mib, limit_percentage, spike_limit_percentage }) =>
      limit_mib > 0 || limit_percentage === 0 || spike_limit_percentage < limit_percentage,
    { path: ['spike_limit_percentage'], message: 'want less than limit_percentage' },
  );

export type MemoryLimiterConfig = z.output<typeof memoryLimiterConfig>;
