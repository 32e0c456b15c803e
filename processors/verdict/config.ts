import { z } from 'zod';
import { duration } from '../../pipeline/config/scalars.ts';

/** Every indicator the judge knows, with its share of the false-rollback rate and of the score. Shares add up to 1. */
export const INDICATOR_DEFAULTS = {
  errors: { weight: 0.3, objective: 0.995 },
  slow_p50: { weight: 0.1, objective: 0.5 },
  slow_p90: { weight: 0.15, objective: 0.9 },
  slow_p99: { weight: 0.1, objective: 0.99 },
  log_errors: { weight: 0.1, objective: 0.99 },
  silence: { weight: 0.25, objective: 0.9 },
} as const;

export type IndicatorName = keyof typeof INDICATOR_DEFAULTS;

export const INDICATORS = Object.keys(INDICATOR_DEFAULTS) as IndicatorName[];

const indicator = (name: IndicatorName) =>
  z
    .strictObject({
      enabled: z.boolean().default(true).describe('Whether it is computed at all.'),
      gating: z.boolean().default(true).describe('Whether it may decide a rollback, or is only reported.'),
      weight: z
        .number()
        .positive()
        .max(1)
        .default(INDICATOR_DEFAULTS[name].weight)
        .describe('Its share of false_rollback_rate (weighted Bonferroni) and of the score.'),
      objective: z
        .number()
        .min(0)
        .max(0.999999)
        .default(INDICATOR_DEFAULTS[name].objective)
        .describe('The share of good events that the score is measured against.'),
    })
    .prefault({});

export const verdictConfig = z
  .strictObject({
    false_rollback_rate: z
      .number()
      .positive()
      .max(0.1)
      .default(0.001)
      .describe(
        'The probability, at most, that a rollout whose candidate is no worse than tolerated is rolled back, however long it is watched.',
      ),
    tolerance: z
      .number()
      .min(0)
      .max(10)
      .default(0.25)
      .describe('How much worse the candidate may be, as a share of the baseline: 0.25 is a quarter more bad events.'),
    block: duration
      .prefault('10s')
      .describe(
        'The stretch of event time that evidence is computed on. Bursts shorter than a block cannot deceive it.',
      ),
    lateness: duration
      .prefault('5s')
      .describe('How long data may come after its time before its block is judged without it.'),
    max_hold: duration
      .prefault('90s')
      .describe('How long a source that reports rarely may hold back the judging of its service.'),
    warm_up: duration
      .prefault('60s')
      .describe(
        'Left out of the latency indicators, from the first request of each instance; silence counts from then on.',
      ),
    settle: duration
      .prefault('30s')
      .describe(
        'How long a service is watched at first before its baseline is chosen: by a deployment event, else the version with most requests.',
      ),
    latency: z
      .strictObject({
        margin: z
          .number()
          .min(0)
          .default(0.25)
          .describe('A request is slow above the quantile of the baseline times 1 + this, if the floor says so too.'),
        floor: duration
          .prefault('10ms')
          .describe('A request is not slow unless it takes this much longer than the quantile.'),
      })
      .prefault({})
      .describe('When a request is slow.'),
    silence: z
      .strictObject({
        share: z
          .number()
          .positive()
          .max(0.9)
          .default(0.3)
          .describe(
            'The share of its fair part of the requests that a sound candidate gets at least. Real balancing is uneven.',
          ),
      })
      .prefault({})
      .describe('When a candidate is silent.'),
    indicators: z
      .strictObject({
        errors: indicator('errors').describe('Failed requests of requests.'),
        slow_p50: indicator('slow_p50').describe("Requests above the baseline's median."),
        slow_p90: indicator('slow_p90').describe("Requests above the baseline's 90th percentile."),
        slow_p99: indicator('slow_p99').describe("Requests above the baseline's 99th percentile."),
        log_errors: indicator('log_errors').describe('Log records of severity ERROR and above, of log records.'),
        silence: indicator('silence').describe('Requests that should have reached the candidate and did not.'),
      })
      .prefault({})
      .describe('Switches, weights and objectives of the indicators.'),
    hold: z
      .strictObject({
        at: z
          .number()
          .positive()
          .max(1)
          .default(0.5)
          .describe('The share of the way to the bar (on the log scale) at which `hold` is decided.'),
        resume_at: z.number().min(0).max(1).default(0.25).describe('The share below which `resume` is decided.'),
      })
      .prefault({})
      .describe('When a gate should pause.'),
    promotion: z
      .strictObject({
        enabled: z.boolean().default(true).describe('Whether `promote` is decided at all.'),
        after: duration.prefault('15m').describe('Not before a rollout is this old.'),
        margin: z
          .number()
          .positive()
          .default(0.5)
          .describe('The candidate must be shown to be less than 1 + this times as bad as the baseline.'),
        error_rate: z
          .number()
          .positive()
          .max(0.5)
          .default(0.05)
          .describe(
            'The probability of error, at most, of what must be shown. Where nothing went wrong, that is that its own rate is within the objective.',
          ),
        min_requests: z.int().min(1).default(300).describe('Requests of the candidate, at least.'),
      })
      .prefault({})
      .describe('When a rollout may be promoted.'),
    end_after: duration
      .prefault('10m')
      .describe('A rollout ends when the candidate, or the baseline, has sent nothing for this long.'),
    max_versions: z
      .int()
      .min(2)
      .default(32)
      .describe('Versions remembered per service key; the oldest silent one makes room.'),
    max_instances: z.int().min(2).default(1000).describe('Instances told apart per version.'),
    max_services: z
      .int()
      .min(1)
      .default(10_000)
      .describe('Service keys judged; further ones are counted and left alone.'),
    source: z.string().min(1).default('windback').describe('The `source` of the events: who decided.'),
    dry_run: z.boolean().default(false).describe('Decide and publish, but mark every event so that no consumer acts.'),
  })
  .superRefine(({ indicators, hold }, context) => {
    if (hold.resume_at >= hold.at) {
      context.addIssue({ code: 'custom', path: ['hold', 'resume_at'], message: 'want less than hold.at' });
    }
    const sum = Object.values(indicators).reduce(
      (total, { enabled, gating, weight }) => total + (enabled && gating ? weight : 0),
      0,
    );
    if (sum > 1 + 1e-9) {
      context.addIssue({
        code: 'custom',
        path: ['indicators'],
        message: `the weights of the gating indicators add up to ${sum.toFixed(3)}, want at most 1`,
      });
    }
  });

export type VerdictConfig = z.output<typeof verdictConfig>;
