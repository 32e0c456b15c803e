/**
 * The parts of the hot path one by one, in this process: ns per item, median and spread of many runs, and the heap that an
 * item takes. What stands behind each trick of it (docs/performance.md).
 *
 *   npm run bench:micro [-- --only scan --time 500 --items 512]
 */
import { number, scriptOptions, text, whole } from '../script.ts';
import { Bench } from 'tinybench';
import { type Case, CASES } from './cases.ts';

const HELP = `usage: npm run bench:micro -- [options]

  --only TEXT   only parts whose name contains TEXT
  --items N     spans, data points or log records a request (512)
  --time MS     how long each part is run (500)
  --help

Examples:
  npm run bench:micro
  npm run bench:micro -- --only gzip --items 8192
`;

const { only, items, time } = scriptOptions('bench:micro', HELP, {
  only: text(''),
  items: whole(512),
  time: number(500),
});

await measure();

async function measure(): Promise<void> {
  const chosen = CASES.filter(({ name }) => name.includes(only));
  if (chosen.length === 0) throw new Error(`no part's name contains ${only}`);
  process.stdout.write(
    `${items} items a request\n${'part'.padEnd(44)} ns per item      spread                     heap bytes per item\n`,
  );
  // One bench for each: what one compiles and collects does not count against the next.
  for (const one of chosen) await run(one, items);
}

async function run({ name, make }: Case, items: number): Promise<void> {
  const work = make(items);
  const bench = new Bench({ time: time, warmupTime: 200 });
  bench.add(name, work);
  await bench.run();
  const latency = bench.tasks[0]?.result as { latency?: { p50: number; p75: number; min: number } } | undefined;
  if (latency?.latency === undefined) throw new Error(`${name} failed`);
  const perItem = (ms: number): string => ((ms * 1e6) / items).toFixed(1);
  const { p50, p75, min } = latency.latency;
  const spread = `${perItem(min)} to ${perItem(p75)}`;
  const bytes = (await allocated(work)) / items;
  process.stdout.write(
    `${name.padEnd(44)} ${perItem(p50).padStart(11)}      ${spread.padEnd(26)} ${bytes < 0 ? 'collected' : bytes.toFixed(0)}\n`,
  );
}

/** What a run leaves to the collector, bytes: the median of some. Negative where it collects in most of them. */
async function allocated(work: () => unknown): Promise<number> {
  const seen: number[] = [];
  for (let i = 0; i < 21; i++) {
    const before = process.memoryUsage().heapUsed;
    await work();
    seen.push(process.memoryUsage().heapUsed - before);
  }
  return seen.toSorted((a, b) => a - b)[10] as number;
}
