/**
 * Operating characteristics of the judge and of its rivals, from seeds: how often each is wrong about a good candidate,
 * and how long each takes to find a bad one.
 *
 *   npm run bench:verdict -- [options]
 *
 * Prints a table and what must hold; exits with 1 if something does not.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { usage } from '../../cmd/args.ts';
import { flag, forScript, readOptions, text, whole } from '../script.ts';
import { criteria, type Result } from './criteria.ts';
import { runTasks } from './pool.ts';
import { allJudges } from './run.ts';
import { allRows } from './scenarios.ts';
import { add } from './tally.ts';
import { asJson, CONVENTIONS, summary, table } from './table.ts';
import type { Task } from './worker.ts';

const HELP = `usage: npm run bench:verdict -- [options]

  --runs N         runs of each null row; a quarter of them, but --least at least, of the others
                   (default: as many as make 10 000 null rollouts over all scenarios)
  --least N        runs of a row, at least (default 20)
  --scenario NAME  only scenarios whose name contains NAME
  --run N          only run number N of each row, to look into one
  --seed N         another set of rollouts (default 1)
  --step N         seconds that the simulation advances at a time: 1, 2 or 5 (default 5)
  --threads N      (default: as many as there are cores)
  --smoke          8 runs of each row: about a minute
  --json FILE      write the figures there too
  --help

examples:
  npm run bench:verdict -- --smoke
  npm run bench:verdict -- --scenario canary --run 17
`;

/** Null rollouts of a full run. */
const NULL_ROLLOUTS = 10_000;
/** Runs in one task: short enough that both cores finish together. */
const TASK_RUNS = 5;
const SMOKE_RUNS = 8;

const args = process.argv.slice(2);
const values = forScript('bench:verdict', HELP, args, () => {
  const read = readOptions(args, {
    runs: whole(),
    least: whole(20),
    scenario: text(''),
    run: whole(undefined, 0),
    seed: whole(1),
    step: whole(5),
    threads: whole(availableParallelism()),
    smoke: flag,
    json: text(),
  });
  if (![1, 2, 5].includes(read.step)) throw usage(`--step wants 1, 2 or 5, not "${read.step}"`);
  if (rowsNamed(read.scenario).length === 0) throw usage(`--scenario: no scenario's name contains "${read.scenario}"`);
  return read;
});

process.exitCode = await main();

function rowsNamed(part: string): number[] {
  return allRows().flatMap(({ scenario }, row) => (scenario.includes(part) ? [row] : []));
}

async function main(): Promise<number> {
  const rows = allRows();
  const tasks = rowsNamed(values.scenario).flatMap((row) => tasksOf(row, rows[row]?.isNull === true));
  const results = await resultsOf(tasks);
  const all = criteria(results);
  const judges = allJudges().map(({ name }) => name);
  process.stdout.write(`${table(results, judges)}\n${CONVENTIONS}\n${summary(all)}`);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(asJson(results, all), undefined, 2)}\n`);
  return all.every(({ passed }) => passed) ? 0 : 1;
}

/** The runs of one row, a few at a time. */
function tasksOf(row: number, isNull: boolean): Task[] {
  const { run, seed, step } = values;
  if (run !== undefined) return [{ row, from: run, to: run + 1, seed, step }];
  const nulls = values.runs ?? defaultRuns();
  const others = Math.max(values.least, Math.ceil(nulls / 4));
  const count = values.smoke ? SMOKE_RUNS : isNull ? nulls : others;
  return Array.from({ length: Math.ceil(count / TASK_RUNS) }, (_, i) => {
    return { row, from: i * TASK_RUNS, to: Math.min(count, (i + 1) * TASK_RUNS), seed, step };
  });
}

function defaultRuns(): number {
  const services = allRows().reduce((sum, row) => sum + (row.isNull ? row.services(0).length : 0), 0);
  return Math.ceil(NULL_ROLLOUTS / services);
}

async function resultsOf(tasks: readonly Task[]): Promise<Result[]> {
  const rows = allRows();
  const show = progress(tasks.length);
  const answers = await runTasks(tasks, values.threads, show);
  const results = new Map<number, Result>();
  for (const { task, outcomes } of answers) {
    const row = rows[task.row] as Result['row'];
    const result = results.get(task.row) ?? { row, tally: new Map() };
    results.set(task.row, result);
    outcomes.forEach((one, i) => add(result.tally, task.from + i, one, row.isNull));
  }
  return [...results.values()];
}

/** Tells how far it is on stderr: at every percent on a terminal, at every tenth elsewhere. */
function progress(total: number): () => void {
  const begin = performance.now();
  const { isTTY } = process.stderr;
  let done = 0;
  let shown = 0;
  return () => {
    const percent = Math.floor((100 * ++done) / total);
    if (percent < shown + (isTTY ? 1 : 10)) return;
    shown = percent;
    const elapsed = Math.round((performance.now() - begin) / 1000);
    process.stderr.write(
      `${isTTY ? '\r' : ''}${percent} % of the runs, ${elapsed} s${isTTY && done < total ? '' : '\n'}`,
    );
  };
}
