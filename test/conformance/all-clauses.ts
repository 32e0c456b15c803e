import type { Clause } from './clause.ts';
import { grpcClauses } from './clauses/grpc.ts';
import { grpcFailureClauses } from './clauses/grpc-failures.ts';
import { httpClauses } from './clauses/http.ts';
import { httpFailureClauses } from './clauses/http-failures.ts';

/** The version of the specification that the clauses were read from. */
export const SPECIFICATION = 'OTLP 1.11';

export const CLAUSES: readonly Clause[] = [
  ...grpcClauses,
  ...grpcFailureClauses,
  ...httpClauses,
  ...httpFailureClauses,
];
