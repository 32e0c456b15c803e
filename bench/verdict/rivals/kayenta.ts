/**
 * Kayenta, the judge of Spinnaker (`NetflixACAJudge-v1.0`): Mann-Whitney on values of a minute each, at 98 % confidence
 * with a tolerance of 0.25. A metric is High when the lower end of the interval of the shift is above tolerance times
 * the estimate of the shift: the tolerance is a share of the difference, not of the baseline, and so no margin.
 * Outliers are kept and minutes without a value left out, which are the defaults. Source: spinnaker/kayenta,
 * `MannWhitneyClassifier.scala`, `MannWhitney.scala`, `NetflixACAJudge.scala`.
 *
 * Chosen in its favour: it judges every five minutes from the fifth on, on all minutes so far (its documents ask for 50
 * values at least and for hours), looks only for increases, has no delay, and fails as soon as one metric does.
 */
import type { Judge } from '../judge.ts';
import type { Signal } from '../scenario.ts';
import type { Layout } from '../world.ts';
import { eachService, type ServiceWatch } from './each-service.ts';
import { shiftOf } from './mann-whitney.ts';
import { everyMinute, MINUTE, type Sums } from './minutes.ts';

const CONFIDENCE = 0.98;
const TOLERANCE = 0.25;
const EVERY = 5 * MINUTE;

const METRICS = {
  'error ratio': (sums: Sums) => sums.errorRatio * 100,
  'mean latency': (sums: Sums) => sums.meanMs,
  'p99 latency': (sums: Sums) => sums.quantileMs(0.99),
  memory: (sums: Sums) => sums.meanMemory / 2 ** 20,
} as const;

type MetricName = keyof typeof METRICS;

const ALL: readonly MetricName[] = ['error ratio', 'mean latency', 'p99 latency', 'memory'];

/** What somebody would watch who knew beforehand in what the fault would show. */
const BY_SIGNAL: Readonly<Record<Signal, readonly MetricName[]>> = {
  errors: ['error ratio'],
  latency: ['mean latency'],
  memory: ['memory'],
  none: ALL,
};

/** With error ratio, mean and p99 latency, and memory where there is any. */
export function kayenta(): Judge {
  return eachService('Kayenta', (layout, service) => new Kayenta(layout, service, ALL));
}

/** With only the one metric that shows the fault. */
export function kayentaForewarned(): Judge {
  return eachService('Kayenta, forewarned', (layout, service, signal) => {
    return new Kayenta(layout, service, BY_SIGNAL[signal]);
  });
}

class Kayenta implements ServiceWatch {
  fired: ServiceWatch['fired'];
  readonly observe: ServiceWatch['observe'];
  readonly #series: { readonly name: MetricName; readonly candidate: number[]; readonly baseline: number[] }[];

  constructor(layout: Layout, service: number, metrics: readonly MetricName[]) {
    this.#series = metrics.map((name) => ({ name, candidate: [], baseline: [] }));
    this.observe = everyMinute(layout, service, (second, candidate, baseline) => {
      for (const series of this.#series) {
        push(series.candidate, METRICS[series.name](candidate));
        push(series.baseline, METRICS[series.name](baseline));
      }
      if (second % EVERY === 0) this.#judge(second);
    });
  }

  #judge(second: number): void {
    const high = this.#series.find(({ candidate, baseline }) => isHigh(candidate, baseline));
    if (high !== undefined) this.fired = { second, reason: high.name };
  }
}

function push(values: number[], value: number): void {
  if (!Number.isNaN(value)) values.push(value);
}

/** Whether the classifier calls the candidate's values High. Missing data passes. */
export function isHigh(candidate: readonly number[], baseline: readonly number[]): boolean {
  if (candidate.length === 0 || baseline.length === 0) return false;
  if (new Set([...candidate, ...baseline]).size === 1) return false;
  const isFlat = isConstant(candidate) && isConstant(baseline);
  const [x, y] = isFlat ? [spread(candidate), spread(baseline)] : [candidate, baseline];
  const { lower, estimate } = shiftOf(x, y, CONFIDENCE);
  return lower > TOLERANCE * Math.abs(estimate);
}

function isConstant(values: readonly number[]): boolean {
  return values.every((value) => value === values[0]);
}

/** Kayenta adds noise of 1e-5 of the value where both samples are constant, for an interval to exist; so does this. */
function spread(values: readonly number[]): number[] {
  return values.map((value, i) => value * (1 + 1e-5 * (i / values.length)));
}
