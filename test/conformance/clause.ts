/** What the suite is made of: clauses of the specification, each with the cases that can break it. */
import type { Endpoint } from './endpoint.ts';

/** MUST and SHOULD as the specification says them; `expected` is what users rely on where it is silent. */
export const LEVELS = ['MUST', 'SHOULD', 'expected'] as const;
export type Level = (typeof LEVELS)[number];

export interface Clause {
  /** Such as `http.size-limit`; `--only` takes it, or its beginning. */
  readonly id: string;
  readonly level: Level;
  /** Where it stands: a heading of the OTLP specification, or the document that it follows. */
  readonly section: string;
  /** The clause in one sentence. */
  readonly sentence: string;
  /** Which endpoints it is about: one that is missing leaves all of its cases out. */
  readonly over: readonly ('grpc' | 'http')[];
  readonly cases: readonly Case[];
}

export interface Case {
  readonly name: string;
  /** Resolves where the endpoint does as the clause says. Rejects with `Mismatch`, or with `NotOffered`. */
  run(endpoint: Endpoint): Promise<void>;
}

/** What came is not what the clause wants. */
export class Mismatch extends Error {
  readonly wanted: string;
  readonly came: string;

  constructor(wanted: string, came: string) {
    super(`wanted ${wanted}; came ${came}`);
    this.wanted = wanted;
    this.came = came;
  }
}

/** The endpoint does not have what the case tests, and need not. */
export class NotOffered extends Error {}

/** Rejects the answer, described by `came`, where it is not as wanted. */
export function want(isRight: boolean, wanted: string, came: string | (() => string)): asserts isRight {
  if (!isRight) throw new Mismatch(wanted, typeof came === 'string' ? came : came());
}
