import { totalmem } from 'node:os';

/**
 * How much memory this process may use, bytes: the limit of its container (control group, version 1 or 2), else what
 * the machine has.
 */
export function memoryLimitBytes(): number {
  const limit = process.constrainedMemory();
  // Node says 0, or more than there is, where there is no limit.
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
