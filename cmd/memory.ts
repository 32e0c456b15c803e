/** Keeps a process that stays small. Figures: docs/decisions/0005-startup-and-memory.md. */
import { setFlagsFromString } from 'node:v8';

/** How often is looked how busy the process is. */
const LOOK_MS = 5000;
/** Cores in use, over all threads, from which on collections are many, and each costs. */
const BUSY_CORES = 0.5;
/**
 * By how much the old generation may outgrow what the last collection has left of it (0: as V8 thinks fit), and whether a
 * collection moves together what lies scattered. In Node.js 24 V8 reads both whenever it collects.
 */
const FLAGS = {
  calm: ['--heap-growing-percent=30', '--optimize-for-size'],
  busy: ['--heap-growing-percent=0', '--no-optimize-for-size'],
};

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
  watchHeap();
}

/**
 * Where little comes in, V8 lets the old generation become up to four times as large before it looks through it, perhaps
 * once in an hour. As much lies behind it in small buffers, and what all that took stays with the process. And what lives
 * on comes to lie on more and more pages, of which each holds a little: that costs some MiB an hour.
 */
function watchHeap(): void {
  let before = process.cpuUsage();
  let now: keyof typeof FLAGS = 'busy';
  setInterval(() => {
    const { user, system } = process.cpuUsage(before);
    before = process.cpuUsage();
    const cores = (user + system) / 1000 / LOOK_MS;
    const wanted = cores < BUSY_CORES ? 'calm' : 'busy';
    if (wanted === now) return;
    now = wanted;
    for (const flag of FLAGS[now]) setFlagsFromString(flag);
  }, LOOK_MS).unref();
}

async function giveBack(): Promise<void> {
  const { collectGarbage } = await import('../pipeline/garbage.ts');
  await collectGarbage('last-resort');
}
