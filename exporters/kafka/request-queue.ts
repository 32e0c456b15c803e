/** The part of kafkajs' class that matters here. */
interface RequestQueue {
  readonly pending: readonly unknown[];
  readonly throttledUntil: number;
  scheduleCheckPendingRequests(): void;
}

let isMended = false;

/**
 * Keeps kafkajs 2.2.4 from waking up every millisecond. Each connection checks its pending requests by a timer, which
 * it sets again even when nothing is pending, and then with a negative time: Node takes that for 1 ms (0.65 % of a core
 * per idle producer instead of 0.06 %) and prints a TimeoutNegativeWarning. The check has something to do only while a
 * request waits or the broker has asked for a pause; whatever is pushed later schedules it again by itself.
 *
 * The version of kafkajs is pinned; a test fails when the class is no longer what this expects.
 */
export async function mendRequestQueue(): Promise<void> {
  if (isMended) return;
  isMended = true;
  // @ts-expect-error kafkajs publishes no types of what is inside it
  const { default: RequestQueue } = (await import('kafkajs/src/network/requestQueue/index.js')) as {
    default: { prototype: RequestQueue };
  };
  const { prototype } = RequestQueue;
  const schedule = prototype.scheduleCheckPendingRequests;
  prototype.scheduleCheckPendingRequests = function scheduleIfNeeded(this: RequestQueue): void {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this);
  };
}
