import { z } from 'zod';
import { duration } from '../../pipeline/config/scalars.ts';
import { conditionProblem } from './cel/condition.ts';
import { OTHER } from './operations.ts';
import { CONVENTIONS } from './resource-metrics.ts';
import { SEVERITIES, severityNumber } from './severity.ts';

const indicator = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z][a-z0-9_]{0,63}$/, 'want lower-case letters, digits and _, a letter first')
      .describe('What the indicator is called in decisions and policies.'),
    signal: z.enum(['traces', 'metrics', 'logs']).describe('What it looks at: spans, data points or log records.'),
    where: z
      .string()
      .optional()
      .describe(
        'A condition in CEL: the items that count. Without it all do, of spans those of kind server and consumer.',
      ),
    bad: z.string().describe('A condition in CEL: the items, of those that count, which are bad.'),
  })
  .superRefine((entry, context) => {
    for (const key of ['where', 'bad'] as const) {
      const source = entry[key];
      const message = source === undefined ? undefined : conditionProblem(entry.signal, source);
      if (message !== undefined) context.addIssue({ code: 'custom', path: [key], message });
    }
  });

const CUSTOM_MAX = 20;
const FLAGS_MAX = 20;
const RESOURCE_METRICS_MAX = 200;

const signatures = z.strictObject({
  min_severity: z
    .union([z.int().min(1).max(24), z.enum(SEVERITIES)])
    .default('ERROR')
    .transform(severityNumber)
    .describe('Log records from this severity on are told apart by what they say: TRACE to FATAL, or 1 to 24.'),
  max_per_flush: z
    .int()
    .min(0)
    .default(200)
    .describe('New signatures per service key and flush; what exceeds it is folded into `other`. 0 folds all into it.'),
});

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
  max_pending_calls: z
    .int()
    .min(1)
    .default(20_000)
    .describe('Calls that wait for the end of their request; beyond, the oldest are counted and left out.'),
  drop_duplicates: z
    .boolean()
    .default(true)
    .describe('Whether a request that comes a second time within minutes, as after a lost answer, is not counted.'),
  signatures: signatures.prefault({}).describe('What exceptions and error logs are told apart by.'),
  resource_metrics: z
    .array(z.string().regex(/^[^*]+\*?$/, 'want the name of a metric, or its beginning and a *'))
    .max(RESOURCE_METRICS_MAX)
    .default([CONVENTIONS])
    .describe(
      'Gauges and sums that tell what an instance uses up. A `*` at the end stands for any ending, `conventions` for the usual names by the semantic conventions.',
    ),
  custom: z
    .array(indicator)
    .max(CUSTOM_MAX)
    .superRefine((entries, context) => {
      for (const [i, { name }] of entries.entries()) {
        const isTaken = name === OTHER || entries.findIndex((entry) => entry.name === name) < i;
        if (isTaken) context.addIssue({ code: 'custom', path: [i, 'name'], message: 'want a name that is not taken' });
      }
    })
    .default([])
    .describe('Indicators of your own.'),
  feature_flags: z
    .array(z.string().min(1))
    .max(FLAGS_MAX)
    .default([])
    .describe('Keys of feature flags whose variants are judged like versions, as those of the service `SERVICE#FLAG`.'),
});

export type HealthConfig = z.output<typeof healthConfig>;
