/** Loaded into the process under test (`--import`): tells, when asked, what only the process itself can see. */
import { monitorEventLoopDelay } from 'node:perf_hooks';

export interface Inside {
  readonly heapUsedBytes: number;
  /** Memory of buffers, outside the heap. */
  readonly externalBytes: number;
  /** What keeps the event loop alive, or would: sockets, timers, files. */
  readonly handles: number;
  /** How late the event loop was since the question before, ms. */
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
}

const RESOLUTION_MS = 10;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();

process.on('message', () => {
  const { heapUsed, external } = process.memoryUsage();
  const inside: Inside = {
    heapUsedBytes: heapUsed,
    externalBytes: external,
    handles: process.getActiveResourcesInfo().length,
    loopP99Ms: Math.max(0, delay.percentile(99) / 1e6 - RESOLUTION_MS),
    loopMaxMs: Math.max(0, delay.max / 1e6 - RESOLUTION_MS),
  };
  delay.reset();
  process.send?.(inside);
});
