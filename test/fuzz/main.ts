/**
 * Inputs by the million for everything that takes bytes from outside: `npm run fuzz -- --minutes 10`. What is found is
 * written to a folder, from where it goes into the tests once it is mended.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { contents, flag, forScript, number, readOptions, text, whole } from '../../bench/script.ts';
import { fuzz } from './fuzz.ts';
import { usage } from '../../cmd/args.ts';
import { inputOf } from './input.ts';
import { allTargets } from './targets.ts';

const HELP = `usage: npm run fuzz -- [options]

  --minutes N     how long (1)
  --seed N        which inputs (1): the same ones for the same seed
  --only TEXT     targets with this in their name
  --out FOLDER    where what is found is written (fuzz-found)
  --replay FILE   run one input again, for the target that --only names
  --list          the targets
  --help

Examples:
  npm run fuzz -- --minutes 10
  npm run fuzz -- --only 'HTTP/2' --seed 7
  npm run fuzz -- --only 'JSON traces' --replay fuzz-found/JSON-traces-17
`;

/** Growth that is none: heaps breathe. */
const GROWTH_BYTES_MAX = 150 * 1024 * 1024;

const OPTIONS = {
  minutes: number(1),
  seed: whole(1, 0),
  only: text(''),
  out: text('fuzz-found'),
  replay: contents(),
  list: flag,
};

const targets = await allTargets();
const args = process.argv.slice(2);
const values = forScript('fuzz', HELP, args, () => {
  const given = readOptions(args, OPTIONS);
  if (!targets.some(({ name }) => name.includes(given.only)))
    throw usage(`--only wants a part of the name of a target, not "${given.only}"; --list shows them`);
  return given;
});

if (values.list) for (const { name } of targets) process.stdout.write(`${name}\n`);
else if (values.replay !== undefined) await replay(values.replay);
else process.exitCode = (await run()) ? 0 : 1;

async function replay(input: Buffer): Promise<void> {
  for (const target of targets) {
    if (!target.name.includes(values.only)) continue;
    await target.run(input);
    process.stdout.write(`${target.name}: nothing happens\n`);
  }
}

/** Whether nothing was found. */
async function run(): Promise<boolean> {
  const { seed } = values;
  const result = await fuzz({
    seed,
    seconds: values.minutes * 60,
    only: values.only,
    progress: (line) => process.stderr.write(`${line}\n`),
  });
  for (const [name, count] of result.inputs) process.stdout.write(`${name.padEnd(40)} ${count} inputs\n`);
  const total = [...result.inputs.values()].reduce((sum, count) => sum + count, 0);
  const mib = (bytes: number): string => (bytes / 1024 ** 2).toFixed(0);
  process.stdout.write(
    `${total} inputs; memory ${mib(result.settledBytes)} MiB after a fifth of the time, ${mib(result.endBytes)} at the end\n`,
  );
  for (const { target, index, input, stack } of result.found) keep(target, index, Buffer.from(input, 'base64'), stack);
  if (result.hung !== undefined) {
    const { target: name, index } = result.hung;
    const target = targets.find((one) => one.name === name);
    keep(name, index, target === undefined ? Buffer.alloc(0) : inputOf(target, seed, index), 'it does not end');
  }
  const grew = result.endBytes - result.settledBytes > GROWTH_BYTES_MAX;
  if (grew) process.stdout.write('FAIL  the memory grows\n');
  const isFine = total > 0 && !grew && result.found.length === 0 && result.hung === undefined;
  process.stdout.write(isFine ? 'pass  no crash, no hang, no growth\n' : 'FAIL\n');
  return isFine;
}

function keep(target: string, index: number, input: Buffer, why: string): void {
  mkdirSync(values.out, { recursive: true });
  const path = join(values.out, `${target.replace(/[^A-Za-z0-9]+/g, '-')}-${index}`);
  writeFileSync(path, input);
  process.stdout.write(`FAIL  ${target}, input ${index} (${path}):\n${why}\n`);
}
