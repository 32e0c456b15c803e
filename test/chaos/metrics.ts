import type { Counted } from './ledger.ts';

/** What the metrics page says of every exporter. */
export function countedIn(page: string): Counted[] {
  const sum = (exporter: string, name: string): number => {
    let total = 0;
    for (const [, labels = '', value] of page.matchAll(
      new RegExp(`^windback_exporter_${name}\\{(.*)\\} (\\S+)$`, 'gm'),
    ))
      if (labels.includes(`exporter="${exporter}"`)) total += Number(value);
    return total;
  };
  const exporters = new Set(
    [...page.matchAll(/^windback_exporter_queue_capacity\{.*exporter="([^"]+)".*\}/gm)].map(([, id]) => id as string),
  );
  return [...exporters].map((exporter) => ({
    exporter,
    accepted: sum(exporter, 'accepted_items_total'),
    restored: sum(exporter, 'restored_items_total'),
    sent: sum(exporter, 'sent_items_total'),
    dropped: sum(exporter, 'dropped_items_total'),
    kept: sum(exporter, 'kept_items_total'),
    inQueue: sum(exporter, 'queue_items'),
  }));
}
