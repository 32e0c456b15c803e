import { memoryLimitBytes } from '../../pipeline/machine-memory.ts';

/** What the limiter sees of the machine. */
export interface Memory {
  /** Resident memory of this process, bytes. */
  readonly used: () => number;
  /** What percentages are of: the container's limit, else the machine's memory, bytes. */
  readonly total: () => number;
  /** Collects garbage; undefined unless node runs with --expose-gc. */
  readonly collect: (() => void) | undefined;
}

/** The real one. */
export function processMemory(): Memory {
  return {
    used: () => process.memoryUsage.rss(),
    total: memoryLimitBytes,
    collect: globalThis.gc === undefined ? undefined : () => globalThis.gc?.(),
  };
}
