/** `npm run bench:overload`: ten times more than can be delivered, under a small memory limit. `--help` tells the rest. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keep, tell } from '../findings.ts';
import { forScript } from '../script.ts';
import { measuredWhere } from '../load/machine.ts';
import { install } from '../peers/install.ts';
import { canPin } from '../peers/under-test.ts';
import { MODES } from './modes.ts';
import { HELP, type Options, optionsOf } from './options.ts';
import { afterTable, findingsOf, findingsTable, overloadTable, type Result } from './report.ts';
import { type Run, runOf } from './run.ts';
import { type Name, TITLES } from './systems.ts';

type Shown = Pick<Options, 'limitMib' | 'times' | 'connections' | 'seconds'>;

const started = performance.now();

const args = process.argv.slice(2);
await main(forScript('bench:overload', HELP, args, () => optionsOf(args)));

async function main({ from, json, isWriting, ...rest }: Options): Promise<void> {
  const result = from ?? (await measured(rest, json));
  keep(result, json);
  tell({ table: 'overload', text: textOf(result), findings: findingsOf(result), isWriting });
}

function textOf(result: Result): string {
  const { where, seconds, times, connections, limitMib, runs } = result;
  const held = runs.every(({ isConfined }) => isConfined)
    ? `a control group holds the limit of ${limitMib} MiB`
    : `a limit of ${limitMib} MiB is configured, and nothing but the process holds it`;
  const how = `${seconds} s of ${times} times what the sink takes, over ${connections} connections; ${held}.`;
  return [`${where}.\n${how}`, overloadTable(result), afterTable(result), findingsTable(findingsOf(result))].join(
    '\n\n',
  );
}

async function measured(
  options: Omit<Options, 'from' | 'json' | 'isWriting'>,
  json: string | undefined,
): Promise<Result> {
  const { seconds, sinkRate, times, connections, limitMib } = options;
  const systems = await installed(options.systems);
  const folder = mkdtempSync(join(tmpdir(), 'windback-overload-'));
  const runs: Run[] = [];
  const shared = { seconds, sinkRate, times, connections, limitMib, isPinned: canPin() };
  try {
    for (const { protocol, encoding } of MODES.filter(options.wants)) {
      for (const name of systems) {
        const title = `${TITLES[name]}, ${protocol}, ${encoding}`;
        const sayOf = (line: string): void => say(`${title}: ${line}`);
        sayOf('begins');
        const place = join(folder, `${name}-${protocol}-${encoding}`);
        const run = await runOf({ ...shared, name, mode: { protocol, encoding }, folder: place, say: sayOf });
        runs.push(run);
        // Whoever stops it keeps what there is.
        keep(resultOf(options, runs), json);
        sayOf(`${run.overload.taken} of ${run.overload.offered} requests taken, ${run.died ?? 'lives'}`);
        for (const { what, found, holds } of findingsOf({ ...shared, where: '', runs: [run] }))
          sayOf(`${holds ? 'holds' : 'DOES NOT HOLD'}: ${what}: ${found}`);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return resultOf(options, runs);
}

function resultOf({ limitMib, times, connections, seconds }: Shown, runs: readonly Run[]): Result {
  return { where: measuredWhere(), limitMib, times, connections, seconds, runs };
}

async function installed(names: readonly Name[]): Promise<Name[]> {
  const there: Name[] = [];
  for (const name of names) {
    const reason = await install(name, say);
    if (reason === undefined) there.push(name);
    else say(`!!! ${TITLES[name]} IS LEFT OUT: ${reason}`);
  }
  return there;
}

function say(line: string): void {
  const seconds = Math.round((performance.now() - started) / 1000);
  process.stderr.write(`${String(seconds).padStart(5)} s  ${line}\n`);
}
