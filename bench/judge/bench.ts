/**
 * What the judge costs: processor time per block and per series, and how long it keeps the event loop to itself.
 *
 *   npm run bench:judge -- [--memory] [--rows N] [--series N]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PerformanceObserver } from 'node:perf_hooks';
import { flag, scriptOptions, whole } from '../script.ts';
import { openStorages } from '../../pipeline/sqlite-storage.ts';
import { fileStorageConfig } from '../../pipeline/config/file-storage.ts';
import { recordingLogger } from '../../test/support/context.ts';
import { Load, type Spec } from './load.ts';

const HELP = `usage: npm run bench:judge -- [options]

  --memory    heap and buffers per active series instead
  --rows N    only the first N rows
  --series N  only rows with so many series, all services together
  --help

examples:
  npm run bench:judge -- --series 1000
  npm run bench:judge -- --memory
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
  spec(10, 10_000, 0.1),
  spec(1, 100_000, 1),
];

/** Up to ten operations, on as many instances as it takes; more where they were more than a version may have. */
function spec(services: number, series: number, rollouts: number): Spec {
  const operations = Math.max(series / 1000, Math.min(10, Math.max(1, Math.round(series / 10))));
  return { services, operations, instances: series / operations, rollouts, hasLatencies: true };
}

const values = scriptOptions('bench:judge', HELP, { memory: flag, rows: whole(ROWS.length), series: whole() });

if (values.memory) await import('./memory.ts');
else {
  line(
    'services',
    'series each',
    'rollouts',
    'us/block',
    'ns/series',
    '% of a core',
    'loop ms',
    'without gc',
    'stop ms',
  );
  const wanted = (row: Spec) => values.series === undefined || seriesOf(row) === values.series;
  for (const row of ROWS.filter(wanted).slice(0, values.rows)) await measure(row);
}

function seriesOf({ services, operations, instances }: Spec): number {
  return services * operations * instances;
}

/** State is saved in a file, as it is where it has to outlive the process. */
async function measure(row: Spec): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'windback-bench-'));
  const storages = await openStorages(fileStorageConfig.parse({ directory }), recordingLogger().logger);
  try {
    await measureWith(new Load(row, storages.of('verdict')), row);
  } finally {
    storages.close();
    rmSync(directory, { recursive: true });
  }
}

async function measureWith(load: Load, row: Spec): Promise<void> {
  await load.processor.start();
  for (let i = 0; i < WARM_UP; i++) await second(load);
  const before = process.cpuUsage();
  const loop = watchLoop();
  for (let i = 0; i < MEASURED; i++) await second(load);
  const { user, system } = process.cpuUsage(before);
  // So that all services are to be saved.
  await load.consume(load.next(CANDIDATES));
  const began = performance.now();
  await load.processor.stop();
  const save = performance.now() - began;
  const { longest, own } = await loop.stop();
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
    own.toFixed(0),
    save.toFixed(0),
  );
}

async function second(load: Load): Promise<void> {
  await load.consume(load.next(CANDIDATES));
  await load.clock.advanceTo(load.nowMs);
}

/** Processor time of this thread so far, ms: unlike the clock it does not count what other processes take. */
function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

interface Turn {
  readonly from: number;
  readonly to: number;
  /** Processor time, ms. */
  readonly cpu: number;
}

/** The longest turn that nobody else could interrupt, and the longest but for the garbage collector; processor time. */
function watchLoop(): { stop: () => Promise<{ longest: number; own: number }> } {
  const turns: Turn[] = [];
  const pauses: { readonly from: number; readonly to: number }[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) pauses.push({ from: startTime, to: startTime + duration });
  });
  observer.observe({ entryTypes: ['gc'] });
  let isOver = false;
  let from = performance.now();
  let cpu = threadMs();
  const turn = (): void => {
    const to = performance.now();
    const now = threadMs();
    if (now - cpu > 5) turns.push({ from, to, cpu: now - cpu });
    from = to;
    cpu = now;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  const stop = async () => {
    isOver = true;
    // The last pauses are told a moment later.
    await new Promise((resolve) => setTimeout(resolve, 50));
    observer.disconnect();
    const collecting = (one: Turn) =>
      pauses.reduce((sum, { from: a, to: b }) => sum + Math.max(0, Math.min(b, one.to) - Math.max(a, one.from)), 0);
    return {
      longest: Math.max(0, ...turns.map((one) => one.cpu)),
      own: Math.max(0, ...turns.map((one) => one.cpu - collecting(one))),
    };
  };
  return { stop };
}

function line(...cells: readonly (string | number)[]): void {
  process.stdout.write(`${cells.map((cell) => String(cell).padStart(11)).join(' ')}\n`);
}
