/** Sums up the outcomes of many runs. */
import type { Outcome } from './run.ts';

/** What one judge did in all runs of one row. */
export interface JudgeTally {
  runs: number;
  /** Seconds to the rollback, of the runs that had one. */
  readonly seconds: number[];
  readonly reasons: Map<string, number>;
  /** Runs in which it asked for a pause at least once. */
  held: number;
  /** Rollbacks of sound candidates, beside the bad one's. */
  innocents: number;
  /** Numbers of the runs in which there were any. */
  readonly wrongRuns: number[];
}

export type RowTally = Map<string, JudgeTally>;

/** Adds what the judges did in run number `run`. */
export function add(tally: RowTally, run: number, outcomes: readonly Outcome[], isNull: boolean): void {
  for (const { judge, second, reason, holds, innocents } of outcomes) {
    const one = tally.get(judge) ?? empty();
    tally.set(judge, one);
    one.runs++;
    if (holds > 0) one.held++;
    one.innocents += innocents.length;
    if (innocents.length > 0) one.wrongRuns.push(run);
    if (second !== null) one.seconds.push(second);
    // In a null rollout every rollback is wrong, in the others the bad one's is right.
    const right = second === null ? [] : [reason];
    for (const found of isNull ? innocents.map((wrong) => wrong.reason) : right) {
      one.reasons.set(found, (one.reasons.get(found) ?? 0) + 1);
    }
  }
}

function empty(): JudgeTally {
  return { runs: 0, seconds: [], reasons: new Map(), held: 0, innocents: 0, wrongRuns: [] };
}

/** Share of the runs with a rollback. */
export function fired({ runs, seconds }: JudgeTally): number {
  return runs === 0 ? 0 : seconds.length / runs;
}

/** Seconds by which the share `q` of all runs has been rolled back; infinite where fewer ever are. */
export function quantile({ runs, seconds }: JudgeTally, q: number): number {
  const sorted = seconds.toSorted((a, b) => a - b);
  return sorted[Math.ceil(q * runs) - 1] ?? Number.POSITIVE_INFINITY;
}

/** The probability of `count` or more successes in `trials` with `probability` each. */
export function tailOf(count: number, trials: number, probability: number): number {
  let term = (1 - probability) ** trials;
  let below = 0;
  for (let i = 0; i < count; i++) {
    below += term;
    term *= ((trials - i) / (i + 1)) * (probability / (1 - probability));
  }
  return Math.max(0, 1 - below);
}
