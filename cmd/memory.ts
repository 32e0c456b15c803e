/** Keeps a process that stays small. Figures: docs/decisions/0005-startup-and-memory.md. */
import { setFlagsFromString } from 'node:v8';

/** By then everything runs that starting starts. */
const SETTLED_MS = 5000;

/**
 * Leaves V8's young generation at the size it starts with, 1 MiB a half, instead of letting it grow to 16 MiB: what
 * passes through lies in buffers outside the heap, so that there is little to collect, and it costs no CPU time that
 * could be measured. A little later it gives back what only starting needed: garbage, and the bytecode of what has run
 * for the last time, which takes some 30 ms once.
 */
export function keepMemorySmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setTimeout(() => void giveBack(), SETTLED_MS).unref();
}

async function giveBack(): Promise<void> {
  const { collectGarbage } = await import('../pipeline/garbage.ts');
  await collectGarbage('last-resort');
}
