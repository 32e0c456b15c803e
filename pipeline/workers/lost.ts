import { type AccountRow, type Book, readLedger, total } from '../ledger/view.ts';
import type { Meter } from '../telemetry/meter.ts';
import type { WorkerSeries } from './series.ts';

/**
 * Closes the books of worker `index`, which is gone, by what it had counted itself, so that they balance: what waited
 * in the memory of sending queues, and what was folded and whose deltas had not been taken, is lost. Returns the items in sending
 * queues.
 */
export function countLost(series: WorkerSeries, index: number, meter: Meter): number {
  for (const { name, labels, value } of series.of(index)) {
    if (name !== 'windback_health_unsent_items' || value <= 0) continue;
    const { processor = '', signal = '' } = labels;
    const ignored = { processor, signal, reason: 'worker_lost' };
    meter.counter('windback_health_ignored_items_total', ignored).add(value);
  }
  let lost = 0;
  for (const book of readLedger(series.of(index)).books) {
    closeRequests(book, meter);
    for (const row of book.exporters) lost += closeAccount(book, row, meter);
  }
  return lost;
}

/**
 * Nobody was answered any more. What had left a processor, or the pipeline, by then was taken all the same; the rest of
 * what was under way was not. All of it is sent again.
 */
function closeRequests({ pipeline, signal, processors, ...book }: Book, meter: Meter): void {
  const left = processors.map(({ outgoing, filtered, consumed }) => outgoing + total(filtered) + consumed);
  for (const [i, { id, incoming }] of processors.entries()) {
    const ahead = (left[i] as number) - incoming;
    if (ahead <= 0) continue;
    meter.counter('windback_processor_incoming_items_total', { pipeline, processor: id, signal }).add(ahead);
  }
  const ended = processors.reduce((sum, { filtered, consumed }) => sum + total(filtered) + consumed, 0);
  const taken = Math.max(0, book.handed + ended - book.accepted);
  if (taken > 0) meter.counter('windback_pipeline_accepted_items_total', { pipeline, signal }).add(taken);
  const unanswered = book.under_way - taken;
  if (unanswered <= 0) return;
  const labels = { pipeline, signal, reason: 'worker_lost' };
  meter.counter('windback_pipeline_refused_items_total', labels).add(unanswered);
}

function closeAccount({ pipeline, signal }: Book, row: AccountRow, meter: Meter): number {
  const labels = { exporter: row.id, pipeline, signal };
  const unanswered = row.accepted - row.incoming - row.repeated;
  if (unanswered > 0) meter.counter('windback_exporter_repeated_items_total', labels).add(unanswered);
  const left = row.accepted + row.restored - row.delivered - total(row.dropped) - row.kept;
  // What is on disk is restored there by whoever comes in its place.
  const kept = Math.min(row.on_disk, left);
  if (kept > 0) meter.counter('windback_exporter_kept_items_total', labels).add(kept);
  const lost = left - kept;
  if (lost <= 0) return 0;
  meter.counter('windback_exporter_dropped_items_total', { ...labels, reason: 'worker_lost' }).add(lost);
  return lost;
}
