/** Heap and array buffers of the judge per active series (version, operation, instance) in its steady state. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Load, type Spec } from './load.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Forty minutes of event time: the history knows enough then to be a baseline. Candidates come for the last ten. */
const SECONDS = 2400;
const CANDIDATES = SECONDS - 600;
/** Every so many seconds are fed before the last two minutes: what is kept by then is the same. */
const STEP = 30;
const LAST = 120;

const SHAPES: readonly Omit<Spec, 'hasLatencies'>[] = [
  { services: 2000, operations: 1, instances: 1, rollouts: 0 },
  { services: 2000, operations: 5, instances: 2, rollouts: 0 },
  { services: 2000, operations: 5, instances: 2, rollouts: 1 },
  { services: 500, operations: 10, instances: 10, rollouts: 0 },
  { services: 500, operations: 10, instances: 10, rollouts: 0.05 },
  { services: 1, operations: 100, instances: 500, rollouts: 0 },
  { services: 1, operations: 100, instances: 500, rollouts: 1 },
];

process.stdout.write('services  series each  rollouts  latencies  KiB/series  KiB/service  heap MiB  buffers MiB\n');
for (const shape of SHAPES) for (const hasLatencies of [false, true]) await measure({ ...shape, hasLatencies });

async function measure(spec: Spec): Promise<void> {
  const load = new Load(spec);
  const before = used();
  await load.processor.start();
  for (let second = 0; second < SECONDS; second++) {
    const deltas = load.next(CANDIDATES);
    if (second % STEP === 0 || second >= SECONDS - LAST) await load.consume(deltas);
    await load.clock.advanceTo(load.nowMs);
  }
  const after = used();
  const heap = after.heap - before.heap;
  const buffers = after.buffers - before.buffers;
  const kib = (heap + buffers) / 1024;
  row(
    spec.services,
    spec.operations * spec.instances,
    `${spec.rollouts * 100} %`,
    spec.hasLatencies ? 'yes' : 'no',
    (kib / load.series).toFixed(2),
    (kib / spec.services).toFixed(1),
    (heap / 2 ** 20).toFixed(1),
    (buffers / 2 ** 20).toFixed(1),
  );
  await load.processor.stop();
}

function used(): { heap: number; buffers: number } {
  for (let i = 0; i < 3; i++) collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return { heap: heapUsed, buffers: arrayBuffers };
}

function row(...cells: readonly (string | number)[]): void {
  const widths = [8, 11, 8, 9, 10, 11, 8, 11];
  process.stdout.write(`${cells.map((cell, i) => String(cell).padStart(widths[i] as number)).join('  ')}\n`);
}
