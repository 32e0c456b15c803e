import { z } from 'zod';
import { duration } from '../../pipeline/config/scalars.ts';
import { burnConfig } from './burn.ts';
import { historyConfig } from './history-minute.ts';
import { indicatorNames, indicatorsConfig, termsOf } from './config-indicators.ts';

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
      .prefault('5s')
      .describe(
        'The stretch of event time that evidence is computed on. Bursts shorter than a block cannot deceive it.',
      ),
    incident: duration
      .prefault('60s')
      .describe(
        'How long an incident of a host may last without being taken for the fault of the version: evidence must survive leaving out its best stretch of this length.',
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
        'Left out of the latency and log indicators, from the first request of each instance; silence counts from then on.',
      ),
    settle: duration
      .prefault('30s')
      .describe(
        'How long a service is watched at first before its baseline is chosen: by a deployment event, else the version with most requests.',
      ),
    indicators: indicatorsConfig,
    baseline: z
      .strictObject({
        version: z
          .string()
          .min(1)
          .optional()
          .describe('The version that candidates are compared with, of every service, while it sends telemetry.'),
        services: z
          .record(z.string(), z.string().min(1))
          .default({})
          .describe('The same by service key or service name; `checkout: 1.4.1`.'),
      })
      .prefault({})
      .describe('Which version is the baseline, where it should not be found out.'),
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
    history: historyConfig,
    burn: burnConfig,
    end_after: duration
      .prefault('10m')
      .describe('A rollout ends when the candidate, or the baseline, has sent nothing for this long.'),
    inconclusive_after: duration
      .prefault('1h')
      .describe('A rollout that is neither promoted nor rolled back by then is held as inconclusive, with the reason.'),
    recovery: z
      .strictObject({
        within: duration
          .prefault('10m')
          .describe(
            'After a rollback: how long the service has to come back to health before it counts as not recovered.',
          ),
        cool_down: duration
          .prefault('30m')
          .describe('After a rollback: how long a further rollout of the same version is not judged anew, but held.'),
      })
      .prefault({})
      .describe('What is watched after a rollback.'),
    max_versions: z
      .int()
      .min(2)
      .default(32)
      .describe('Versions remembered per service key; the oldest silent one makes room.'),
    max_candidates: z.int().min(1).max(16).default(4).describe('Candidates judged at once per service key.'),
    max_instances: z.int().min(2).default(1000).describe('Instances told apart per version.'),
    max_services: z
      .int()
      .min(1)
      .default(10_000)
      .describe('Service keys judged; further ones are counted and left alone.'),
    state: z
      .strictObject({
        save_interval: duration
          .prefault('10s')
          .describe('How often the state is saved, where an extension keeps it (`file_storage`).'),
      })
      .prefault({})
      .describe('What survives a restart.'),
    source: z.string().min(1).default('windback').describe('The `source` of the events: who decided.'),
    dry_run: z.boolean().default(false).describe('Decide and publish, but mark every event so that no consumer acts.'),
  })
  .superRefine(({ indicators, hold, block, incident }, context) => {
    const wants = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
    if (block < 1000) wants('block', 'want 1s or more: telemetry is counted by the second');
    if (incident < block) wants('incident', 'want at least the length of a block');
    if (hold.resume_at >= hold.at) {
      context.addIssue({ code: 'custom', path: ['hold', 'resume_at'], message: 'want less than hold.at' });
    }
    const isGating = indicatorNames(indicators).some((name) => {
      const { enabled, gating } = termsOf(indicators, name);
      return enabled && gating;
    });
    if (!isGating) {
      context.addIssue({
        code: 'custom',
        path: ['indicators'],
        message: 'want at least one that is enabled and gating',
      });
    }
  });

export type VerdictConfig = z.output<typeof verdictConfig>;
