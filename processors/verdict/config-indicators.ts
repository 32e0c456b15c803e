import { z } from 'zod';
import { duration } from '../../pipeline/config/scalars.ts';

/** Every indicator that the judge knows by name: its part of the false-rollback rate and of the score, and its terms. */
export const INDICATOR_DEFAULTS = {
  errors: { weight: 0.45, objective: 0.995, gating: true },
  slow_p50: { weight: 0.1, objective: 0.5, gating: true },
  slow_p90: { weight: 0.1, objective: 0.9, gating: true },
  slow_p99: { weight: 0.05, objective: 0.99, gating: true },
  log_errors: { weight: 0.05, objective: 0.99, gating: true },
  new_signatures: { weight: 0.05, objective: 0.999, gating: true },
  calls: { weight: 0.025, objective: 0.99, gating: true },
  resource: { weight: 0.025, objective: 0.99, gating: false },
  silence: { weight: 0.15, objective: 0.9, gating: true },
} as const;

export type BuiltInIndicator = keyof typeof INDICATOR_DEFAULTS;

export const BUILT_IN = Object.keys(INDICATOR_DEFAULTS) as BuiltInIndicator[];

/** What all indicators have. `rate` ones take their floor as a rate, latency ones as a duration. */
const common = ({ weight, objective, gating }: { weight: number; objective: number; gating: boolean }) => ({
  enabled: z.boolean().default(true).describe('Whether it is computed at all.'),
  gating: z.boolean().default(gating).describe('Whether it may decide a rollback; otherwise it holds at most.'),
  weight: z
    .number()
    .positive()
    .max(100)
    .default(weight)
    .describe(
      'Its part of false_rollback_rate (weighted Bonferroni) and of the score, in proportion to the weights of all enabled gating indicators.',
    ),
  objective: z
    .number()
    .min(0)
    .max(0.999999)
    .default(objective)
    .describe('The share of good events that the score, and a promotion, is measured against.'),
});

const rate = (name: BuiltInIndicator, margin: string, floor: number) =>
  z
    .strictObject({
      ...common(INDICATOR_DEFAULTS[name]),
      margin: z.number().min(0).max(10).optional().describe(margin),
      floor: z
        .number()
        .min(0)
        .max(1)
        .default(floor)
        .describe('The rate of bad events must exceed the baseline by at least this, whatever the evidence.'),
    })
    .prefault({});

const latency = (name: BuiltInIndicator) =>
  z
    .strictObject({
      ...common(INDICATOR_DEFAULTS[name]),
      margin: z
        .number()
        .min(0)
        .max(10)
        .default(0.25)
        .describe('The candidate may be slower than the quantile of the baseline by this part of it.'),
      floor: duration.prefault('10ms').describe('It may in any case be slower by this much.'),
    })
    .prefault({});

const TOLERANCE = 'How much worse the candidate may be, as a part of the baseline; `tolerance` unless given.';

const custom = z
  .strictObject({
    ...common({ weight: 0.1, objective: 0.99, gating: true }),
    margin: z.number().min(0).max(10).optional().describe(TOLERANCE),
    floor: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe('The rate of bad items must exceed the baseline by at least this, whatever the evidence.'),
  })
  .describe('Terms of one of them.');

const silence = z
  .strictObject({
    ...common(INDICATOR_DEFAULTS.silence),
    share: z
      .number()
      .positive()
      .max(0.9)
      .default(0.3)
      .describe(
        'The part of its fair share of the requests that a sound candidate gets at least. Real balancing is uneven.',
      ),
  })
  .prefault({});

export const indicatorsConfig = z
  .strictObject({
    errors: rate('errors', TOLERANCE, 0.0005).describe('Failed requests of requests.'),
    slow_p50: latency('slow_p50').describe("Requests above the baseline's median."),
    slow_p90: latency('slow_p90').describe("Requests above the baseline's 90th percentile."),
    slow_p99: latency('slow_p99').describe("Requests above the baseline's 99th percentile."),
    log_errors: rate('log_errors', TOLERANCE, 0.0005).describe(
      'Log records of severity ERROR and above, of requests, or of log records where nothing is served.',
    ),
    new_signatures: rate('new_signatures', TOLERANCE, 0.0005).describe(
      'Exceptions and error messages that the baseline never had, of requests or log records.',
    ),
    calls: rate(
      'calls',
      "How far beyond the baseline's range the number of calls may be, as a part of it; `tolerance` unless given.",
      0.005,
    ).describe('Requests that call another service more or less often than those of the baseline do.'),
    resource: rate(
      'resource',
      "How far above the baseline's own high a sample may be, as a part of it; `tolerance` unless given.",
      0.05,
    ).describe("Samples of gauges above the baseline's own high, and levels that keep growing."),
    silence: silence.describe('Requests that should have reached the candidate and did not; instances that die young.'),
    custom: z
      .record(z.string().regex(/^[a-z][a-z0-9_]*$/u), custom)
      .default({})
      .describe(
        'Indicators of your own, by the name that the health processor gives them. One that is not listed here is not judged.',
      ),
  })
  .prefault({})
  .describe('Switches, weights, objectives and terms of the indicators.');

export type IndicatorsConfig = z.output<typeof indicatorsConfig>;

/** What stands before the name of an indicator of the user's own. */
const CUSTOM = 'custom.';

/** The names of all indicators of a configuration, built-in ones first, as events call them. */
export function indicatorNames(config: IndicatorsConfig): string[] {
  return [...BUILT_IN, ...Object.keys(config.custom).map((name) => CUSTOM + name)];
}

/** The user's name of an indicator of their own. */
export function customName(indicator: string): string | undefined {
  return indicator.startsWith(CUSTOM) ? indicator.slice(CUSTOM.length) : undefined;
}

/** What all indicators have. */
export interface IndicatorTerms {
  readonly enabled: boolean;
  readonly gating: boolean;
  readonly weight: number;
  readonly objective: number;
}

export function termsOf(config: IndicatorsConfig, indicator: string): IndicatorTerms {
  const name = customName(indicator);
  return name === undefined
    ? config[indicator as BuiltInIndicator]
    : (config.custom[name] as IndicatorsConfig['custom'][string]);
}

/** The indicator's part of the false-rollback rate: its weight among all that may decide a rollback. */
export function partOf(config: IndicatorsConfig, indicator: string): number {
  let sum = 0;
  for (const name of indicatorNames(config)) {
    const { enabled, gating, weight } = termsOf(config, name);
    if (enabled && gating) sum += weight;
  }
  const { gating, weight } = termsOf(config, indicator);
  // One that does not gate has no part, and is held against the bar that it would have.
  return weight / (gating ? sum : sum + weight);
}
