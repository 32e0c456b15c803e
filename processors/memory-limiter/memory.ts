import { totalmem } from 'node:os';

/** What the limiter sees of the machine. */
export interface Memory {
  /** Resident memory of this process, bytes. */
  readonly used: () => number;
  /** What percentages are of: the container's limit, else the machine's memory, bytes. */
  readonly total: () => number;
  /** Collects garbage; undefined unless node runs with --expose-gc. */
  readonly collect: (() => void) | undefined;
}

/** The real one. Node reads the limit of the control group, version 1 or 2; 0 or more than there is means none. */
export function processMemory(): Memory {
  return {
    used: () => process.memoryUsage.rss(),
    total: () => {
      const limit = process.constrainedMemory();
      return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
    },
    collect: globalThis.gc === undefined ? undefined : () => globalThis.gc?.(),
  };
}
