/** What a scenario says of a service: rates over time, faults and what is wrong with the candidate. */
import type { Tail } from './latencies.ts';
import type { CohortIndex } from './world.ts';

export interface OperationSpec {
  readonly name: string;
  /** Median duration, ms. */
  readonly ms: number;
  /** Share of requests that fail on a sound version. */
  readonly errors: number;
}

/** Faults that are nobody's version: they come as a Poisson process and go. */
export interface IncidentSpec {
  /** One host, any with the same chance, or the whole service. */
  readonly scope: 'host' | 'service';
  /** Over the whole fleet. */
  readonly perHour: number;
  readonly seconds: number;
  /** Share of the requests met that fail. */
  readonly errors: number;
  /** Durations are multiplied by this. */
  readonly slower?: number;
  /** Second of the only one, in place of the process. */
  readonly at?: number;
}

/** What is wrong with the candidate. Nothing, unless said. */
export interface CandidateSpec {
  /** Errors are multiplied by this. */
  readonly errors?: number;
  /** Share of requests that fail, whatever the baseline does. */
  readonly fails?: number;
  /** Durations are multiplied by this. */
  readonly slower?: number;
  readonly tail?: Tail;
  /** Part of its share of requests that reaches it, by second; `luck` is uniform in [0, 1) and belongs to the rollout. */
  readonly delivered?: (second: number, luck: number) => number;
}

/** Memory of each instance, as a gauge every `every` seconds. */
export interface MemorySpec {
  readonly every: number;
  /** Bytes of an instance that has been up for long. */
  readonly level: number;
  /** Factor on the level of an instance of the candidate at a second. */
  readonly candidate: (second: number) => number;
}

export interface SignatureSpec {
  readonly name: string;
  /** Occurrences a request. */
  readonly ratio: number;
  readonly cohorts: readonly CohortIndex[];
}

export interface ServiceSpec {
  readonly name: string;
  readonly hosts: { readonly baseline: number; readonly candidate: number };
  /** Requests a second, both cohorts together. */
  readonly rate: (second: number) => number;
  /** The candidate's share of them, from second 0 on. */
  readonly share: (second: number) => number;
  readonly operations: readonly OperationSpec[];
  /** Shares of the operations in a cohort's requests; equal ones unless said. */
  readonly mix?: (second: number, cohort: CohortIndex) => readonly number[];
  /** Factor on the errors of both cohorts. */
  readonly errorLevel?: (second: number) => number;
  /** Consecutive requests of one host and operation that one cause fails: 1 is independence. */
  readonly burst?: number;
  readonly incidents?: readonly IncidentSpec[];
  readonly candidate?: CandidateSpec;
  readonly memory?: MemorySpec;
  readonly signatures?: readonly SignatureSpec[];
  /** Name of the service that each request calls once; it must stand later in the list. */
  readonly calls?: string;
  /** The deployment says the candidate's share, at second 0 and whenever it has changed by this much. */
  readonly announces?: number;
}
