/** What a scenario is, and the services that most of them start from. */
import type { CandidateSpec, IncidentSpec, OperationSpec, ServiceSpec } from './spec.ts';

/** Which of the signals shows the fault; a rival that is told watches only this one. */
export type Signal = 'errors' | 'latency' | 'memory' | 'none';

/** One row of the table: a scenario with a good candidate (`null`) or with one effect. */
export interface Row {
  readonly scenario: string;
  readonly effect: string;
  /** Whether a rollback would be wrong. */
  readonly isNull: boolean;
  readonly signal: Signal;
  /** Seconds watched. */
  readonly seconds: number;
  /** The services, by the number of the run. */
  readonly services: (run: number) => readonly ServiceSpec[];
  /** Which of the services has a bad candidate in a run; undefined for a null rollout. */
  readonly bad?: (run: number) => number;
}

export const HOUR = 3600;

export function constant(value: number): () => number {
  return () => value;
}

export interface Plain {
  /** Requests a second, and the candidate's share of them. */
  readonly rps: number;
  readonly share: number;
  readonly errors: number;
  readonly hosts?: { readonly baseline: number; readonly candidate: number };
  readonly burst?: number;
  readonly incidents?: readonly IncidentSpec[];
  readonly candidate?: CandidateSpec;
}

/** A service with two operations of 100 ms in the middle. */
export function plain({ rps, share, errors, hosts, ...rest }: Plain): ServiceSpec {
  return {
    name: 'checkout',
    hosts: hosts ?? { baseline: 5, candidate: 1 },
    rate: constant(rps),
    share: constant(share),
    operations: twoOperations(errors),
    ...rest,
  };
}

export function twoOperations(errors: number): OperationSpec[] {
  return [
    { name: 'GET /cart', ms: 80, errors },
    { name: 'POST /pay', ms: 120, errors },
  ];
}

interface RowSpec {
  readonly signal?: Signal;
  readonly seconds?: number;
  readonly isNull?: boolean;
}

/** A row about one service. */
export function row(scenario: string, effect: string, service: ServiceSpec, spec: RowSpec = {}): Row {
  const { signal = 'errors', seconds = HOUR, isNull = false } = spec;
  const services = constantly([service]);
  return { scenario, effect, isNull, signal, seconds, services, ...(isNull ? {} : { bad: () => 0 }) };
}

function constantly<T>(value: T): () => T {
  return () => value;
}

/** A null row, and one row for each factor on the candidate's errors. */
export function byErrors(scenario: string, factors: readonly number[], service: Plain): Row[] {
  return [
    row(scenario, 'x1', plain(service), { isNull: true }),
    ...factors.map((errors) => row(scenario, `x${errors}`, plain({ ...service, candidate: { errors } }))),
  ];
}
