/**
 * Windback under bad luck: rounds of load during which processes are killed, brokers and destinations go away, networks
 * break, disks fill and clocks jump; after each the books must balance. `npm run chaos -- --help`.
 */
import { parseArgs } from 'node:util';
import { runChaos } from './chaos.ts';
import { FAULT_KINDS, type FaultKind } from './plan.ts';

const HELP = `usage: npm run chaos -- [options]

Runs Windback, a real Kafka, senders and a destination, does bad things to all of them, and checks after each round that
nothing that was acknowledged or decided was lost, doubled, changed or put out of order. Exits with 1 where it was, and
where Ctrl-C ended it before its last round.

  --rounds N        how many rounds (20), of some ten seconds each
  --seed N          which faults, and when (1)
  --only-round N    play just this round of the seed
  --faults A,B      only these kinds: ${FAULT_KINDS.join(', ')}
  --keep FOLDER     where state, log and topic are left when a round fails (chaos-found)
  --help

Examples:
  npm run chaos -- --rounds 200 --seed 1
  npm run chaos -- --seed 1 --only-round 17
  npm run chaos -- --faults kill,broker_kill --rounds 50 --seed 2

It needs Java and Maven, or Docker, for Kafka. The full disk needs root, to mount a small file system.
`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    'only-round': { type: 'string' },
    faults: { type: 'string', default: FAULT_KINDS.join(',') },
    keep: { type: 'string', default: 'chaos-found' },
    help: { type: 'boolean', default: false },
  },
});

const kinds = values.faults.split(',') as FaultKind[];
const unknown = kinds.filter((kind) => !FAULT_KINDS.includes(kind));
const numbers = [values.rounds, values.seed, values['only-round'] ?? '1'].map(Number);

if (values.help) process.stdout.write(HELP);
else if (unknown.length > 0 || numbers.some((number) => !Number.isInteger(number) || number < 1)) {
  process.stderr.write(
    `chaos: ${unknown.length > 0 ? `no such fault: ${unknown.join(', ')}` : 'want whole numbers'}; see --help\n`,
  );
  process.exitCode = 2;
} else {
  const only = values['only-round'];
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  const isFine = await runChaos({
    seed: Number(values.seed),
    first: Number(only ?? 1),
    last: Number(only ?? values.rounds),
    kinds,
    keepIn: values.keep,
    say: (line) => process.stdout.write(`${line}\n`),
    signal: stop.signal,
  });
  process.exitCode = isFine ? 0 : 1;
}
