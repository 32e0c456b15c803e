/**
 * Windback under bad luck: rounds of load during which processes are killed, brokers and destinations go away, networks
 * break, disks fill and clocks jump; after each the books must balance. `npm run chaos -- --help`.
 */
import { scriptOptions, someOf, text, whole } from '../../bench/script.ts';
import { runChaos } from './chaos.ts';
import { FAULT_KINDS } from './plan.ts';

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

const options = scriptOptions('chaos', HELP, {
  rounds: whole(20),
  seed: whole(1),
  'only-round': whole(),
  faults: someOf(FAULT_KINDS),
  keep: text('chaos-found'),
});

const only = options['only-round'];
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
const isFine = await runChaos({
  seed: options.seed,
  first: only ?? 1,
  last: only ?? options.rounds,
  kinds: options.faults,
  keepIn: options.keep,
  say: (line) => process.stdout.write(`${line}\n`),
  signal: stop.signal,
});
process.exitCode = isFine ? 0 : 1;
