/** Heap and array buffers of the judge per active series (version, operation, instance) in its steady state. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Load, type Spec } from './load.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Forty minutes of event time: the history knows enough then to be a baseline. Every fifth second is fed. */
const SECONDS = 2400;
const STEP = 5;

const SHAPES: readonly Omit<Spec, 'hasLatencies'>[] = [
  { services: 1, operations: 1, instances: 1, rollouts: 0 },
  { services: 1, operations: 100, instances: 1000, rollouts: 0 },
  { services: 1, operations: 100, instances: 1000, rollouts: 1 },
  { services: 1000, operations: 10, instances: 10, rollouts: 0 },
  { services: 1000, operations: 10, instances: 10, rollouts: 0.05 },
  { services: 10_000, operations: 5, instances: 2, rollouts: 0 },
];

process.stdout.write('services  series each  rollouts  latencies  KiB/series  KiB/service  heap MiB  buffers MiB\n');
for (const shape of SHAPES) for (const hasLatencies of [false, true]) await measure({ ...shape, hasLatencies });

async function measure(spec: Spec): Promise<void> {
  const load = new Load(spec);
  const before = used();
  await load.processor.start();
  for (let second = 0; second < SECONDS; second++) {
    const deltas = load.next(SECONDS - 600);
    if (second % STEP === 0) await load.consume(deltas);
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
