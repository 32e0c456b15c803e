/** A day, in seconds: a clock that is further off than this is not a clock. */
const ABSURD_SECONDS = 86_400;

/** Nothing can be said of this time. */
export const NO_SLOT = -1;

/**
 * The slot (Unix second) in which an event counts: that of its own time, or of its arrival where its clock is off by
 * more than `maxSkewSeconds`. `NO_SLOT` where the time is absurd (unset, 1970, 2200).
 */
export function slotOf(eventSeconds: number, nowSeconds: number, maxSkewSeconds: number): number {
  const skew = eventSeconds - nowSeconds;
  if (skew <= maxSkewSeconds && skew >= -maxSkewSeconds) return Math.floor(eventSeconds);
  if (!(Math.abs(skew) < ABSURD_SECONDS)) return NO_SLOT;
  return Math.floor(nowSeconds);
}

/** Whether `slotOf` moved an event to its arrival. */
export function isSkewed(eventSeconds: number, nowSeconds: number, maxSkewSeconds: number): boolean {
  return Math.abs(eventSeconds - nowSeconds) > maxSkewSeconds;
}

/** No span takes a day: its start was not set, or one of its clocks was wrong. Given in ns. */
export function isAbsurdDuration(durationNs: number): boolean {
  return durationNs < 0 || durationNs > ABSURD_SECONDS * 1e9;
}
