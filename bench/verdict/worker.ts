/** Runs parts of rows on a thread of its own. Takes `Task`s and answers each with its outcomes. */
import { parentPort } from 'node:worker_threads';
import { allJudges, type Outcome, runOnce } from './run.ts';
import { allRows } from './scenarios.ts';

export interface Task {
  /** Index into `allRows()`. */
  readonly row: number;
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  readonly seed: number;
  readonly step: number;
}

export interface Answer {
  readonly task: Task;
  /** By run, in order. */
  readonly outcomes: readonly (readonly Outcome[])[];
}

const rows = allRows();
const judges = allJudges();

parentPort?.on('message', (task: Task) => {
  const row = rows[task.row];
  if (row === undefined) throw new Error(`no row ${task.row}`);
  const outcomes = [];
  for (let run = task.from; run < task.to; run++) outcomes.push(runOnce(row, run, task.seed, task.step, judges));
  parentPort?.postMessage({ task, outcomes } satisfies Answer, []);
});
