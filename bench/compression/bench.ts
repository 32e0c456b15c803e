/**
 * What it costs to compress and to inflate a request, by its size: in the calling thread, in the thread pool and in a
 * worker, with an encoder or a decoder for each body and with one that is used again. CPU time of the whole process and,
 * of it, of the calling thread, in microseconds a body; the ways in turn, medians of some rounds.
 *
 *   npm run bench:compression [-- --only zstd --rounds 9]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { encodeRequest } from '../load/encode.ts';
import { usualShape } from '../load/shape.ts';
import { spreadOf } from '../peers/statistics.ts';
import { number, scriptOptions, someOf, whole } from '../script.ts';
import { type Kind, KINDS, type Run, WAYS, type Work } from './ways.ts';

const HELP = `What it costs to compress and to inflate a request of traces, by size and by way.

usage: npm run bench:compression -- [options]

  --only LIST  of ${KINDS.join(',')} (all)
  --rounds N   rounds of each, in turn (5)
  --time MS    how long a round is (200)
  --help       this

example: npm run bench:compression -- --only zstd,unzstd --rounds 9
`;
const { only, rounds, time } = scriptOptions('bench:compression', HELP, {
  only: someOf(KINDS),
  rounds: whole(5),
  time: number(200),
});
/** Spans a request. */
const ITEMS = [1, 8, 32, 64, 128, 512, 2048, 8192];
/** Requests under way. */
const AT_ONCE = 8;
/** What every outcome leaves free of its room, and random bytes become longer by. */
const MORE_BYTES = 4096;

/** Microseconds of a body. */
interface Cost {
  readonly process: number;
  readonly thread: number;
}

for (const kind of only) await table(kind);

async function table(kind: Kind): Promise<void> {
  const ways = WAYS.filter(({ kinds }) => kinds.includes(kind));
  process.stdout.write(`\n${kind}: CPU of the process, of it in the calling thread, microseconds a body\n\n`);
  process.stdout.write(`| bytes, plain | ${ways.map(({ name }) => name).join(' | ')} |\n`);
  process.stdout.write(`|${' --- |'.repeat(ways.length + 1)}\n`);
  for (const items of ITEMS) {
    const work = workOf(kind, items);
    const runs = ways.map(({ make }) => make(work));
    const found = await measured(runs);
    for (const run of runs) await run.close?.();
    const cells = found.map(
      (costs) => `${median(costs.map((cost) => cost.process))}, ${median(costs.map((cost) => cost.thread))}`,
    );
    process.stdout.write(`| ${plain(items).length.toLocaleString('fr')} | ${cells.join(' | ')} |\n`);
  }
}

/** Each of them in turn, round by round, after a first one that warms up. */
async function measured(runs: readonly Run[]): Promise<Cost[][]> {
  const costs: Cost[][] = runs.map(() => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [i, run] of runs.entries()) {
      const cost = await once(run);
      if (round > 0) costs[i]?.push(cost);
    }
  }
  return costs;
}

async function once(run: Run): Promise<Cost> {
  await sleep(10);
  let bodies = 0;
  const end = performance.now() + time;
  const processBefore = process.cpuUsage();
  const threadBefore = process.threadCpuUsage();
  const lane = async (): Promise<void> => {
    for (; performance.now() < end; bodies++) await run.once();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  const used = process.cpuUsage(processBefore);
  const here = process.threadCpuUsage(threadBefore);
  return { process: (used.user + used.system) / bodies, thread: (here.user + here.system) / bodies };
}

function workOf(kind: Kind, items: number): Work {
  const bytes = plain(items);
  if (kind === 'gunzip') return { kind, body: gzipSync(bytes), roomBytes: bytes.length + 1 };
  if (kind === 'unzstd') return { kind, body: zstdCompressSync(bytes), roomBytes: bytes.length + 1 };
  return { kind, body: bytes, roomBytes: bytes.length + MORE_BYTES };
}

function plain(items: number): Uint8Array {
  return encodeRequest(usualShape('traces', items), 0, Date.now());
}

function median(numbers: readonly number[]): string {
  const { median: middle } = spreadOf(numbers);
  return middle < 100 ? middle.toFixed(1) : middle.toFixed(0);
}
