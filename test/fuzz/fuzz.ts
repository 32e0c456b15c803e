import { Worker } from 'node:worker_threads';
import { AT_INDEX, AT_TARGET, type Found, type Told } from './job.ts';

export interface FuzzOptions {
  readonly seed: number;
  readonly seconds: number;
  readonly only: string;
  /** Other targets than ours, and another patience: for tests of the fuzzer itself. */
  readonly module?: URL;
  readonly hangMs?: number;
  /** Is told about once in `PROGRESS_MS`. */
  readonly progress?: (line: string) => void;
}

export interface FuzzResult {
  /** Inputs by target. */
  readonly inputs: ReadonlyMap<string, number>;
  readonly found: readonly Found[];
  /** The input that did not end, if one did not: it took more than `HANG_MS`. */
  readonly hung: { readonly target: string; readonly index: number } | undefined;
  /** Resident memory after the first fifth of the time and at the end, bytes: it must not grow. */
  readonly settledBytes: number;
  readonly endBytes: number;
}

/** How long one input may take. None needs a hundredth of it. */
const HANG_MS = 20_000;
const PROGRESS_MS = 10_000;
/** More findings than these are the same ones again. */
const FOUND_MAX = 20;

/** Runs inputs in a thread that is watched from here, for so many seconds. */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const { seed, seconds, only, hangMs = HANG_MS, progress = () => {} } = options;
  const { href: module } = options.module ?? new URL('targets.ts', import.meta.url);
  const memory = new SharedArrayBuffer(8);
  const shared = new Int32Array(memory);
  const startMs = Date.now();
  const workerData = { seed, only, untilMs: startMs + seconds * 1000, progress: memory, module };
  const worker = new Worker(new URL('worker.ts', import.meta.url), { workerData });
  const inputs = new Map<string, number>();
  const found: Found[] = [];
  let names: readonly string[] = [];
  let settledBytes = 0;
  let hung: FuzzResult['hung'];
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  worker.on('message', (told: Told) => {
    if ('names' in told) names = told.names;
    else if ('found' in told && found.length < FOUND_MAX) found.push(told.found);
    else if ('ran' in told) inputs.set(told.ran.target, (inputs.get(told.ran.target) ?? 0) + told.ran.inputs);
    else if ('done' in told) resolve();
  });
  worker.on('error', reject);

  let last = '';
  let lastMs = startMs;
  let saidMs = startMs;
  const watch = setInterval(() => {
    const nowMs = Date.now();
    const [target, index] = [Atomics.load(shared, AT_TARGET), Atomics.load(shared, AT_INDEX)];
    const now = `${target} ${index}`;
    if (now !== last) [last, lastMs] = [now, nowMs];
    else if (nowMs - lastMs > hangMs && names.length > 0) {
      hung = { target: names[target] ?? '', index };
      resolve();
    }
    if (settledBytes === 0 && nowMs - startMs > seconds * 200) settledBytes = process.memoryUsage.rss();
    if (nowMs - saidMs < PROGRESS_MS) return;
    saidMs = nowMs;
    const total = [...inputs.values()].reduce((sum, count) => sum + count, 0);
    progress(`${Math.round((nowMs - startMs) / 1000)} s: ${total} inputs, ${found.length} findings`);
  }, 100);
  try {
    await ended;
  } finally {
    clearInterval(watch);
  }
  const endBytes = process.memoryUsage.rss();
  await worker.terminate();
  return { inputs, found, hung, settledBytes, endBytes };
}
