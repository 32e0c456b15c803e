/**
 * What the judge costs: processor time per block and per series, and how long it keeps the event loop to itself.
 *
 *   npm run bench:judge -- [--memory] [--rows N]
 */
import { parseArgs } from 'node:util';
import { MemoryStorage } from '../../pipeline/storage.ts';
import { Load, type Spec } from './load.ts';

const HELP = `usage: npm run bench:judge -- [options]

  --memory  heap and buffers per active series instead
  --rows N  only the first N rows
  --help
`;

/** Seconds of event time before the candidates, before measuring, and measured. */
const CANDIDATES = 45;
const WARM_UP = 90;
const MEASURED = 60;
const BLOCK = 5;

const ROWS: readonly Spec[] = [
  ...[1, 10, 100, 1000].flatMap((series) => [0, 1].map((rollouts) => spec(1, series, rollouts))),
  ...[0, 0.05, 1].map((rollouts) => spec(100, 10, rollouts)),
  ...[0, 0.05, 1].map((rollouts) => spec(1000, 10, rollouts)),
  ...[0, 0.05].map((rollouts) => spec(1000, 100, rollouts)),
];

/** Up to ten operations, on as many instances as it takes. */
function spec(services: number, series: number, rollouts: number): Spec {
  const operations = Math.min(10, Math.max(1, Math.round(series / 10)));
  return { services, operations, instances: series / operations, rollouts, hasLatencies: true };
}

const { values } = parseArgs({
  options: {
    memory: { type: 'boolean', default: false },
    rows: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) process.stdout.write(HELP);
else if (values.memory) await import('./memory.ts');
else {
  line('services', 'series each', 'rollouts', 'us/block', 'ns/series', '% of a core', 'loop ms', 'save ms');
  for (const row of ROWS.slice(0, Number(values.rows ?? ROWS.length))) await measure(row);
}

async function measure(row: Spec): Promise<void> {
  const load = new Load(row, new MemoryStorage());
  await load.processor.start();
  for (let i = 0; i < WARM_UP; i++) await second(load);
  const before = process.cpuUsage();
  const loop = watchLoop();
  for (let i = 0; i < MEASURED; i++) await second(load);
  const { user, system } = process.cpuUsage(before);
  const longest = loop.stop();
  const began = performance.now();
  await load.processor.stop();
  const save = performance.now() - began;
  const us = user + system;
  const blocks = (MEASURED / BLOCK) * row.services;
  line(
    row.services,
    row.operations * row.instances,
    `${row.rollouts * 100} %`,
    (us / blocks).toFixed(0),
    ((us * 1000) / (load.series * MEASURED)).toFixed(0),
    (us / (MEASURED * 10_000)).toFixed(1),
    longest.toFixed(0),
    save.toFixed(0),
  );
}

async function second(load: Load): Promise<void> {
  await load.consume(load.next(CANDIDATES));
  await load.clock.advanceTo(load.nowMs);
}

/** The longest time that nobody else had a turn. */
function watchLoop(): { stop: () => number } {
  let longest = 0;
  let isOver = false;
  let last = performance.now();
  const turn = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  return {
    stop: () => {
      isOver = true;
      return longest;
    },
  };
}

function line(...cells: readonly (string | number)[]): void {
  process.stdout.write(`${cells.map((cell) => String(cell).padStart(11)).join(' ')}\n`);
}
