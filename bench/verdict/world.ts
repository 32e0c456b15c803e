/**
 * What all judges look at: the truth of one simulated rollout, step by step. A step is a few seconds; within one only
 * sums are kept, by cell (service, cohort, host and operation). Second 0 is the candidate's first; what lies before is
 * the baseline alone.
 */
import type { SeriesKind } from '../../proto/windback/health.ts';
import { BINS_PER_DOUBLING } from '../../proto/windback/latency-bins.ts';

export const BASELINE = 0;
export const CANDIDATE = 1;
export type CohortIndex = typeof BASELINE | typeof CANDIDATE;

/** Latencies are counted in the layout of `latency-bins.ts`, from 2^20 ns (1.05 ms) to 2^38 ns (275 s). */
export const LOWEST_BIN = 20 * BINS_PER_DOUBLING;
export const BINS = 18 * BINS_PER_DOUBLING;

export interface Cell {
  /** Index into `Layout.services`. */
  readonly service: number;
  readonly cohort: CohortIndex;
  readonly instance: string;
  readonly operation: string;
}

/** What stays the same throughout a rollout. */
export interface Layout {
  readonly services: readonly string[];
  readonly cells: readonly Cell[];
  /** Whether the service's candidate is bad; empty of `true` for a null rollout. */
  readonly bad: readonly boolean[];
  /** Seconds in a step. */
  readonly step: number;
}

/** Telemetry beside the requests: see `health.ts` for what a kind counts. */
export interface Extra {
  readonly service: number;
  readonly cohort: CohortIndex;
  readonly instance: string;
  readonly kind: Exclude<SeriesKind, 'span' | 'metric'>;
  readonly operation: string;
  readonly name: string;
  readonly all: number;
  readonly bad: number;
  /** Kind `resource`: the sampled value. */
  readonly value?: number;
}

/** The share of requests that a service's candidate should get, as the deployment says. */
export interface Announcement {
  readonly service: number;
  readonly weight: number;
}

/** One step. The same object is filled again and again: nobody may keep it. */
export class Frame {
  readonly layout: Layout;
  /** The step's first second. */
  second = 0;
  readonly all: Uint32Array;
  readonly bad: Uint32Array;
  /** By cell, then by bin: bin i is `LOWEST_BIN` + i of the layout. */
  readonly bins: Uint32Array;
  extras: Extra[] = [];
  announcements: Announcement[] = [];

  constructor(layout: Layout) {
    const { length } = layout.cells;
    this.layout = layout;
    this.all = new Uint32Array(length);
    this.bad = new Uint32Array(length);
    this.bins = new Uint32Array(length * BINS);
  }

  /** First second after the step. */
  get end(): number {
    return this.second + this.layout.step;
  }

  clear(second: number): void {
    this.second = second;
    this.all.fill(0);
    this.bad.fill(0);
    this.bins.fill(0);
    this.extras = [];
    this.announcements = [];
  }
}

/** Duration in ms at the middle of bin i. */
export const BIN_MS: Float64Array = Float64Array.from(
  { length: BINS },
  (_, i) => 2 ** ((LOWEST_BIN + i + 0.5) / BINS_PER_DOUBLING) / 1e6,
);
