/**
 * The health delta: what one process saw in one slot (a second of event time). Deltas merge by addition, exactly, in
 * any order and grouping; that is what lets cores, hosts and clusters share the work. Wire form: `health.proto`.
 */

/**
 * What a series counts, and what its fields then hold:
 *
 * | kind        | operation        | name                  | all                               | bad                  | bins                          |
 * |-------------|------------------|-----------------------|-----------------------------------|----------------------|-------------------------------|
 * | `span`      | of the request   |                       | requests                          | failed ones          | durations (`latency-bins.ts`) |
 * | `metric`    | of the request   |                       | requests, as a histogram told     | failed ones          | durations                     |
 * | `log`       |                  |                       | records                           | severity ERROR or up |                               |
 * | `calls`     | of the request   | whom it called        | requests with one call or more    | 0                    | bin = number of calls, to 63  |
 * | `origin`    | of the request   | whose answer failed   | failed requests with a failed call | the same             |                               |
 * | `signature` |                  | the signature         | occurrences                       | the same             |                               |
 * | `resource`  |                  | metric name           | samples                           | 0                    | values (`value-bins.ts`)      |
 * | `custom`    | of spans         | the user's name       | items selected                    | condition holds      |                               |
 *
 * `metric` only counts where a cohort sends no spans.
 */
export type SeriesKind = 'span' | 'metric' | 'log' | 'calls' | 'origin' | 'signature' | 'resource' | 'custom';

/** Sparse histogram: parallel arrays, bins ascending, counts positive. The layout depends on the kind. */
export interface Bins {
  readonly bin: readonly number[];
  readonly count: readonly number[];
}

/** One cohort's operation on one instance in one slot. */
export interface DeltaSeries {
  readonly namespace: string;
  readonly service: string;
  readonly environment: string;
  readonly version: string;
  readonly instance: string;
  /** Route and method, rpc method, destination or span name; empty where the kind has none. */
  readonly operation: string;
  readonly kind: SeriesKind;
  /** What is counted beside the operation; empty where the kind has none. */
  readonly name: string;
  /** Events and bad events, by kind. */
  readonly all: number;
  readonly bad: number;
  readonly bins: Bins;
  /** Up to `EXEMPLARS` trace ids (hex) of bad events: the smallest ones, so that merging stays exact. */
  readonly exemplars: readonly string[];
}

/** A deployment event, as far as it was understood. */
export interface DeploymentEvent {
  readonly namespace: string;
  readonly service: string;
  readonly environment: string;
  readonly version: string;
  /** Empty where not told. */
  readonly previousVersion: string;
  /** `started`, `succeeded`, `failed`, or empty. */
  readonly status: string;
  /** Share of instances or traffic that the new version should have, 0 to 1; null where not told. */
  readonly weight: number | null;
  /** Event time, seconds since the epoch. */
  readonly atSeconds: number;
}

export interface HealthDelta {
  /** Who folded it; deltas of one source arrive in its order. */
  readonly source: string;
  /** Unix second of the slot. */
  readonly slot: number;
  readonly series: readonly DeltaSeries[];
  readonly events: readonly DeploymentEvent[];
}

/**
 * How many exemplars a series keeps, and a decision shows. One number for both: the smallest of all are then among the
 * smallest of each series, however many processes share the folding.
 */
export const EXEMPLARS = 10;
