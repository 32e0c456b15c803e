/** Runs inputs, one target after the other, and tells how it goes in memory that the main thread watches. */
import { parentPort, workerData } from 'node:worker_threads';
import { inputOf } from './input.ts';
import type { Target } from './target.ts';
import { AT_INDEX, AT_TARGET, type Found, type FuzzJob, type Told } from './job.ts';

/** Inputs of one target before it is the next one's turn. */
const TURN = 50;

function tell(told: Told): void {
  parentPort?.postMessage(told, []);
}

const { seed, only, untilMs, progress, module } = workerData as FuzzJob;
const { allTargets } = (await import(module)) as { allTargets(): Promise<readonly Target[]> };
const shared = new Int32Array(progress);
const targets = (await allTargets()).filter(({ name }) => name.includes(only));
tell({ names: targets.map(({ name }) => name) });

for (let index = 0; Date.now() < untilMs && targets.length > 0; index += TURN) {
  for (const [number, target] of targets.entries()) {
    for (let i = index; i < index + TURN && Date.now() < untilMs; i++) {
      Atomics.store(shared, AT_TARGET, number);
      Atomics.store(shared, AT_INDEX, i);
      const input = inputOf(target, seed, i);
      try {
        await target.run(input);
      } catch (error) {
        const { message, stack = message } = error as Error;
        const found: Found = { target: target.name, index: i, input: input.toString('base64'), stack };
        tell({ found });
      }
    }
    // What a target has left for later happens now, while it is known whose it is.
    await new Promise((resolve) => setImmediate(resolve));
    tell({ ran: { target: target.name, inputs: TURN } });
  }
}
tell({ done: true });
