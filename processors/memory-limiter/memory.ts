import { bodies } from '../../pipeline/buffer-pool.ts';
import { collectGarbage } from '../../pipeline/garbage.ts';
import { memoryLimitBytes } from '../../pipeline/machine-memory.ts';

/** What the limiter sees of the machine, and does about it. */
export interface Memory {
  /** Resident memory of this process, bytes. */
  readonly used: () => number;
  /** What percentages are of: the container's limit, else the machine's memory, bytes. */
  readonly total: () => number;
  /** Gives back what this thread keeps for later requests. */
  readonly trim: () => void;
  /** Collects the garbage of this thread, which shows in `used` some time after. */
  readonly collect: () => void;
}

/** The real one. */
export function processMemory(): Memory {
  return {
    used: () => process.memoryUsage.rss(),
    total: memoryLimitBytes,
    trim: () => bodies.trim(),
    collect: () => void collectGarbage('regular'),
  };
}
