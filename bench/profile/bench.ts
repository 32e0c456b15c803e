/**
 * Where the time of the hot path goes: runs Windback under load with V8's profiler and writes a flame graph.
 *
 *   npm run profile [-- --case judge-grpc-512 --seconds 10 --out flame.svg]
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { number, oneOf, scriptOptions, text, whole } from '../script.ts';
import { type Case, CASES } from '../peers/cases.ts';
import { loadOf, Rig } from '../peers/rig.ts';
import type { System } from '../peers/system.ts';
import { canPin, start } from '../peers/under-test.ts';
import { windback } from '../peers/windback.ts';
import { drawFlame } from './flame.ts';
import { type CpuProfile, heaviest, treeOf } from './tree.ts';

const PROGRAM = join(import.meta.dirname, '../../cmd/windback.ts');
const HELP = `usage: npm run profile -- [options]

  --case NAME    what is done, one of the cases of bench:peers (judge-grpc-512)
  --seconds N    how long (10)
  --out FILE     where the flame graph goes (flame-CASE.svg)
  --top N        functions to list, by their own time (25)
  --help

Examples:
  npm run profile
  npm run profile -- --case tag-http-gzip-512 --seconds 5 --out /tmp/flame.svg
`;

const names = CASES.map(({ name }) => name);
const values = scriptOptions('profile', HELP, {
  case: oneOf(names, 'judge-grpc-512'),
  seconds: number(10),
  out: text(),
  top: whole(25),
});

await profile(CASES.find(({ name }) => name === values.case) as Case);

async function profile(one: Case): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'windback-profile-'));
  const rig = new Rig();
  try {
    const isPinned = canPin();
    const server = await start(profiled(folder), { one, sink: await rig.start(), folder, isPinned });
    rig.pin(isPinned);
    const load = loadOf(one, server.port);
    process.stderr.write(`${one.name}: warming up, then ${values.seconds} s\n`);
    await rig.settle();
    await rig.measure(server, load, { seconds: 2 }, one.work !== 'judge');
    const round = await rig.measure(server, load, { seconds: values.seconds }, one.work !== 'judge');
    await server.stop();
    report(one, folder, 1e9 / round.itemsPerCpuSecond);
  } finally {
    await rig.stop();
    rmSync(folder, { recursive: true });
  }
}

/** From its sources, so that functions have their names, and with everything in one thread. */
function profiled(folder: string): System {
  return {
    ...windback,
    launch(one, places) {
      const launch = windback.launch(one, { ...places, isPinned: true });
      const args = ['--cpu-prof', '--cpu-prof-dir', folder, PROGRAM, ...launch.args.slice(1)];
      return { ...launch, args };
    },
  };
}

function report(one: Case, folder: string, nsPerItem: number): void {
  const [name] = readdirSync(folder).filter((file) => file.endsWith('.cpuprofile'));
  if (name === undefined) throw new Error('the profiler wrote nothing');
  const tree = treeOf(JSON.parse(readFileSync(join(folder, name), 'utf8')) as CpuProfile);
  const out = values.out ?? `flame-${one.name}.svg`;
  writeFileSync(out, drawFlame(tree, `${one.name}: ${Math.round(nsPerItem)} ns of CPU per item, with the profiler`));
  for (const { name: who, share } of heaviest(tree, values.top)) {
    process.stdout.write(`${(share * 100).toFixed(1).padStart(5)} %  ${who}\n`);
  }
  process.stderr.write(`${out} written\n`);
}
