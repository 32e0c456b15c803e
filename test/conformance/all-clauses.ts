import type { Clause } from './clause.ts';
import { dataClauses } from './clauses/data.ts';
import { grpcClauses } from './clauses/grpc.ts';
import { grpcFailureClauses } from './clauses/grpc-failures.ts';
import { httpClauses } from './clauses/http.ts';
import { httpFailureClauses } from './clauses/http-failures.ts';
import { httpTransportClauses } from './clauses/http-transport.ts';
import { jsonClauses } from './clauses/json.ts';
import { overloadClauses } from './clauses/overload.ts';

/** The version of the specification that the clauses were read from. */
export const SPECIFICATION = 'OTLP 1.11';

export const CLAUSES: readonly Clause[] = [
  ...grpcClauses,
  ...dataClauses('grpc'),
  ...grpcFailureClauses,
  ...httpClauses,
  ...dataClauses('http'),
  ...jsonClauses,
  ...httpFailureClauses,
  ...httpTransportClauses,
  ...overloadClauses,
];
