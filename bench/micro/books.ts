/**
 * What the books of the ledger cost a batch, in CPU time: the same line of processors with and without them, in turns, so
 * that what else the machine does falls on both. The median of the ratios of many rounds.
 *
 *   node bench/micro/books.ts
 */
import { encodeRequest } from '../load/encode.ts';
import { usualShape } from '../load/shape.ts';
import { judging, passing } from './ledger.ts';

const ROUNDS = 41;
/** Rounds in which the code is still compiled. */
const WARM_UP = 5;

type Line = (bytes: Uint8Array, hasBooks: boolean) => () => Promise<void>;

process.stdout.write('                                  ns of CPU a batch\n');
process.stdout.write('line                       spans   without      with     ratio\n');
await compare('three that pass on', passing, 1, 20_000);
await compare('scan, tag and fold', judging, 1, 2000);
await compare('scan, tag and fold', judging, 64, 300);
await compare('scan, tag and fold', judging, 512, 50);

async function compare(name: string, make: Line, spans: number, batches: number): Promise<void> {
  const bytes = encodeRequest(usualShape('traces', spans), 0, Date.now());
  const lines = { without: make(bytes, false), with: make(bytes, true) };
  const rounds: { without: number; with: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const took = { without: 0, with: 0 };
    const order = round % 2 === 0 ? (['without', 'with'] as const) : (['with', 'without'] as const);
    for (const which of order) took[which] = await cpuNanos(lines[which], batches);
    if (round >= WARM_UP) rounds.push(took);
  }
  const figure = (which: 'without' | 'with') => median(rounds.map((round) => round[which])).toFixed(0);
  const ratio = median(rounds.map((round) => round.with / round.without)).toFixed(3);
  const cells = [
    String(spans).padStart(6),
    figure('without').padStart(9),
    figure('with').padStart(9),
    ratio.padStart(9),
  ];
  process.stdout.write(`${name.padEnd(26)}${cells.join(' ')}\n`);
}

async function cpuNanos(send: () => Promise<void>, batches: number): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < batches; i++) await send();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / batches;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}
