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
import { parseArgs } from 'node:util';
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
`;

/** Null rollouts of a full run. */
const NULL_ROLLOUTS = 10_000;
/** Runs in one task: short enough that both cores finish together. */
const TASK_RUNS = 5;
const SMOKE_RUNS = 8;

class UsageError extends Error {}

const { values } = parseArgs({
  options: {
    runs: { type: 'string' },
    least: { type: 'string', default: '20' },
    scenario: { type: 'string', default: '' },
    run: { type: 'string' },
    seed: { type: 'string', default: '1' },
    step: { type: 'string', default: '5' },
    threads: { type: 'string', default: String(availableParallelism()) },
    smoke: { type: 'boolean', default: false },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(HELP);
else process.exitCode = await main().catch(refuse);

async function main(): Promise<number> {
  const rows = allRows();
  const chosen = rows.flatMap(({ scenario }, row) => (scenario.includes(values.scenario) ? [row] : []));
  const step = whole('step', values.step);
  if (chosen.length === 0 || ![1, 2, 5].includes(step)) {
    process.stderr.write(`no such scenario or step\n\n${HELP}`);
    return 2;
  }
  const tasks = chosen.flatMap((row) => tasksOf(row, rows[row]?.isNull === true, step));
  const results = await resultsOf(tasks);
  const all = criteria(results);
  const judges = allJudges().map(({ name }) => name);
  process.stdout.write(`${table(results, judges)}\n${CONVENTIONS}\n${summary(all)}`);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(asJson(results, all), undefined, 2)}\n`);
  return all.every(({ passed }) => passed) ? 0 : 1;
}

/** The runs of one row, a few at a time. */
function tasksOf(row: number, isNull: boolean, step: number): Task[] {
  const seed = whole('seed', values.seed);
  if (values.run !== undefined) {
    const run = whole('run', values.run, 0);
    return [{ row, from: run, to: run + 1, seed, step }];
  }
  const nulls = values.runs === undefined ? defaultRuns() : whole('runs', values.runs);
  const others = Math.max(whole('least', values.least), Math.ceil(nulls / 4));
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
  const answers = await runTasks(tasks, whole('threads', values.threads), show);
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

function whole(name: string, text: string, least = 1): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) {
    throw new UsageError(`--${name} wants a whole number of ${least} or more, not ${text}`);
  }
  return value;
}

/** A wrong command line is told in a line, everything else as it is. */
function refuse(thrown: unknown): number {
  if (!(thrown instanceof UsageError)) throw thrown;
  process.stderr.write(`${thrown.message}\n`);
  return 2;
}
