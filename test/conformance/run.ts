/** Runs clauses against an endpoint, one case after the other. */
import { type Case, type Clause, Mismatch, NotOffered } from './clause.ts';
import type { Endpoint } from './endpoint.ts';

/** How long a case may take before it counts as failed, unless told otherwise: making what is large takes time, too. */
export const CASE_MS_MAX = 60_000;

export interface Failure {
  readonly case: string;
  readonly wanted: string;
  readonly came: string;
}

export interface Leftout {
  readonly case: string;
  readonly why: string;
}

export interface ClauseResult {
  readonly clause: Clause;
  readonly passed: number;
  readonly failures: readonly Failure[];
  readonly notOffered: readonly Leftout[];
}

/** Which protocols there are to test, and what to tell about the way. */
export interface RunSettings {
  readonly hasGrpc: boolean;
  readonly hasHttp: boolean;
  readonly caseMsMax?: number;
  readonly done?: (result: ClauseResult) => void;
}

export async function runClauses(
  clauses: readonly Clause[],
  endpoint: Endpoint,
  settings: RunSettings,
): Promise<ClauseResult[]> {
  const results: ClauseResult[] = [];
  for (const clause of clauses) {
    const result = await runClause(clause, endpoint, settings);
    settings.done?.(result);
    results.push(result);
  }
  return results;
}

async function runClause(clause: Clause, endpoint: Endpoint, settings: RunSettings): Promise<ClauseResult> {
  const { hasGrpc, hasHttp, caseMsMax = CASE_MS_MAX } = settings;
  const isThere = { grpc: hasGrpc, http: hasHttp };
  const missing = clause.over.find((protocol) => !isThere[protocol]);
  const failures: Failure[] = [];
  const notOffered: Leftout[] = [];
  let passed = 0;
  for (const one of clause.cases) {
    const outcome =
      missing === undefined ? await outcomeOf(one, endpoint, caseMsMax) : new NotOffered(`no --${missing} was given`);
    if (outcome === undefined) passed++;
    else if (outcome instanceof NotOffered) notOffered.push({ case: one.name, why: outcome.message });
    else if (outcome instanceof Mismatch) failures.push({ case: one.name, wanted: outcome.wanted, came: outcome.came });
    else failures.push({ case: one.name, wanted: 'an answer', came: outcome.message });
  }
  return { clause, passed, failures, notOffered };
}

/** What speaks against the endpoint; undefined where nothing does. */
async function outcomeOf(one: Case, endpoint: Endpoint, msMax: number): Promise<Error | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${msMax / 1000} s`)), msMax);
  });
  try {
    await Promise.race([one.run(endpoint), late]);
    return undefined;
  } catch (error) {
    return error as Error;
  } finally {
    clearTimeout(timer);
  }
}
