import type { Columns } from '../../proto/otlp/columns.ts';

/** A clock this far ahead of the rest of its request is wrong, not late; seconds. */
const LEAP_SECONDS = 3600;

/**
 * When a recorded request was sent, as far as it tells: the newest event time in it, ms. One item from the future must
 * not carry the whole replay there, so a newest time far beyond the middle one gives way to it. Undefined where no item
 * has a time.
 */
export function sentAtMs(columns: Columns): number | undefined {
  const all = columns.signal === 'traces' ? columns.endSeconds : columns.timeSeconds;
  const times = all.filter((seconds) => seconds > 0).sort();
  const newest = times.at(-1);
  const middle = times[Math.floor(times.length / 2)];
  if (newest === undefined || middle === undefined) return undefined;
  return (newest - middle > LEAP_SECONDS ? middle : newest) * 1000;
}
