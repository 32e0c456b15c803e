import { bodies } from '../../pipeline/buffer-pool.ts';
import { collectGarbage } from '../../pipeline/garbage.ts';
import { memoryLimitBytes } from '../../pipeline/machine-memory.ts';

/** What the limiter sees of the machine, and does about it. */
export interface Memory {
  /** Resident memory of this process, bytes. */
  readonly used: () => number;
  /** What percentages are of: the container's limit, else the machine's memory, bytes. */
  readonly total: () => number;
  /** Gives back what this thread keeps for later, and collects its garbage. It shows in `used` some time after. */
  readonly release: () => void;
}

/** The real one. */
export function processMemory(): Memory {
  return {
    used: () => process.memoryUsage.rss(),
    total: memoryLimitBytes,
    release() {
      bodies.trim();
      void collectGarbage('regular');
    },
  };
}
