import type { Meter } from '../telemetry/meter.ts';
import type { WorkerSeries } from './series.ts';

/**
 * Counts what went down with worker `index`, by what it had counted itself: batches in sending queues, and items that
 * were folded and whose deltas had not been taken. Returns the items in sending queues.
 */
export function countLost(series: WorkerSeries, index: number, meter: Meter): number {
  const queued = new Map<string, { labels: { exporter: string; signal: string }; items: number }>();
  const signs = new Map([
    ['windback_exporter_queued_items_total', 1],
    ['windback_exporter_sent_items_total', -1],
    ['windback_exporter_dropped_items_total', -1],
  ]);
  for (const { name, labels, value } of series.of(index)) {
    const { exporter = '', signal = '', processor = '' } = labels;
    if (name === 'windback_health_unsent_items' && value > 0) {
      const counter = meter.counter('windback_health_ignored_items_total', {
        processor,
        signal,
        reason: 'worker_lost',
      });
      counter.add(value);
    }
    const sign = signs.get(name);
    if (sign === undefined) continue;
    const key = `${exporter} ${signal}`;
    const entry = queued.get(key) ?? { labels: { exporter, signal }, items: 0 };
    entry.items += sign * value;
    queued.set(key, entry);
  }
  let lost = 0;
  for (const { labels, items } of queued.values()) {
    // An exporter without a queue has sent what it never queued.
    if (items <= 0) continue;
    lost += items;
    meter.counter('windback_exporter_dropped_items_total', { ...labels, reason: 'worker_lost' }).add(items);
  }
  return lost;
}
