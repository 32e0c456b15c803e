/** `npm run bench:peers` and `npm run bench:smoke`: whole processes, side by side. `--help` tells what it can do. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { forScript } from '../script.ts';
import { CASES } from './cases.ts';
import { collector } from './collector.ts';
import { compare, FAILED } from './compare.ts';
import { criteriaOf, printed } from './criteria.ts';
import { measureGrowth } from './growth.ts';
import { growthTable } from './growth-report.ts';
import { install, isInstalled } from './install.ts';
import { HELP, type Options, optionsOf, type Saved } from './options.ts';
import { writeComparison, writeGrowth } from './page.ts';
import type { CaseResult, Machine, Result } from './result.ts';
import { rotel } from './rotel.ts';
import type { System, SystemName } from './system.ts';
import { comparisonTable, machineOf, TABLES, type TableName } from './tables.ts';
import { canPin, endWithThis } from './under-test.ts';
import { windback } from './windback.ts';

const SYSTEMS: Record<SystemName, System> = { windback, collector, rotel };

const started = performance.now();
const args = process.argv.slice(2);
try {
  await main(forScript('bench:peers', HELP, args, () => optionsOf(args)));
} catch (thrown) {
  process.stderr.write(`${(thrown as Error).message}\n`);
  process.exitCode = 1;
}

async function main(options: Options): Promise<void> {
  if (options.isWriting && !options.isGrowth && options.from === undefined) wantAll(options.cases);
  const saved = options.from ?? (await measured(options));
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(saved, null, 1)}\n`);
  const { growth } = saved;
  if (growth !== undefined) {
    process.stdout.write(`\n${machineOf(saved)}\n\n${growthTable(growth)}\n`);
    if (options.isWriting) writeGrowth(growth, saved);
  } else {
    report(saved, options.isSmoke);
    if (!options.isWriting) return;
    wantAll(saved.cases);
    writeComparison(saved);
  }
}

/** A page with some of the cases of one run and some of another would compare what cannot be compared. */
function wantAll(cases: readonly unknown[]): void {
  if (cases.length < CASES.length) throw new Error(`--write wants all ${CASES.length} cases, not ${cases.length}`);
}

async function measured(options: Options): Promise<Saved> {
  if (process.platform !== 'linux') throw new Error('what a process uses is read from /proc: this runs on Linux only');
  const folder = mkdtempSync(join(tmpdir(), 'windback-peers-'));
  const clean = (): void => rmSync(folder, { recursive: true, force: true });
  endWithThis(clean);
  const { rounds, seconds } = options;
  const isPinned = canPin();
  if (!isPinned) say('taskset and a second core are not there: nothing is bound to a core, and throughput means less');
  const result = { date: new Date().toISOString(), machine: machine(), isPinned, rounds, seconds, cases: [] };
  try {
    if (options.isGrowth) {
      const growing = { rounds, seconds, canPin: isPinned, folder, say };
      return { ...result, growth: await measureGrowth(growing, options.dimensions) };
    }
    return { ...result, cases: await allCases(options, isPinned, folder) };
  } finally {
    clean();
  }
}

async function allCases(options: Options, isPinned: boolean, folder: string): Promise<CaseResult[]> {
  const { cases, rounds, seconds } = options;
  const missing = await missingOf(options);
  const systems = options.systems.filter((name) => missing[name] === undefined).map((name) => SYSTEMS[name]);
  const results: CaseResult[] = [];
  for (const [i, one] of cases.entries()) {
    const place = `${one.name} (${i + 1} of ${cases.length})`;
    const sayOf = (line: string): void => say(`${place}: ${line}`);
    results.push(await compare(one, { systems, missing, rounds, seconds, canPin: isPinned, folder, say: sayOf }));
  }
  return results;
}

/** Builds what is wanted and not there; why something could not be built. */
async function missingOf({ systems, isSmoke }: Options): Promise<Partial<Record<SystemName, string>>> {
  const missing: Partial<Record<SystemName, string>> = {};
  for (const name of systems) {
    const reason = isSmoke
      ? isInstalled(name)
        ? undefined
        : 'not built yet: npm run bench:peers builds it'
      : await install(name, say);
    if (reason === undefined) continue;
    missing[name] = reason;
    say(`!!! ${SYSTEMS[name].title} IS LEFT OUT: ${reason}`);
  }
  return missing;
}

/** Prints everything; the exit code is 1 where a system failed, or a criterion is not met. */
function report(result: Result, isSmoke: boolean): void {
  process.stdout.write(`\n${machineOf(result)}\n`);
  for (const name of Object.keys(TABLES) as TableName[]) {
    const table = comparisonTable(result, name);
    if (table !== '') process.stdout.write(`\n${table}\n`);
  }
  const criteria = isSmoke ? [] : criteriaOf(result);
  if (criteria.length > 0) process.stdout.write(`\n${criteria.map((one) => printed(one)).join('\n')}\n`);
  const failures = result.cases.flatMap(({ one, without }) =>
    Object.entries(without)
      .filter(([, reason]) => reason.startsWith(FAILED))
      .map(([system, reason]) => `${one.name}: ${system} ${reason}`),
  );
  if (failures.length > 0) process.stdout.write(`\n${failures.join('\n')}\n`);
  if (failures.length > 0 || criteria.some(({ isMet }) => isMet === false)) process.exitCode = 1;
}

function machine(): Machine {
  const [first] = cpus();
  return {
    cpu: first?.model.trim() ?? 'an unknown processor',
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 1024 ** 3),
    kernel: release().split('-')[0] as string,
    node: process.version,
  };
}

function say(line: string): void {
  const seconds = Math.round((performance.now() - started) / 1000);
  process.stderr.write(`${String(seconds).padStart(5)} s  ${line}\n`);
}
