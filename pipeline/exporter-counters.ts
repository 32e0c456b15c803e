import type { Signal } from './batch.ts';
import type { Context } from './component.ts';
import type { ErrorCode, PipelineError } from './errors.ts';
import type { Count } from './telemetry/meter.ts';

/** A batch as far as it is counted. */
interface Counted {
  readonly signal: Signal;
  readonly items: number;
}

/** What a queue holds at the moment. */
interface QueueReading {
  readonly batches: () => number;
  readonly items: () => number;
  /** In what the queue's size is counted in. */
  readonly size: () => number;
  readonly diskBytes: () => number;
}

/**
 * What the engine counts of one exporter, in items:
 * queued + restored = sent + dropped + kept on disk at the end + still in the queue; a refused batch was never queued.
 */
export class ExporterCounters {
  readonly #context: Context;
  readonly #counts = new Map<string, Count>();

  constructor(context: Context) {
    this.#context = context;
  }

  queued(batch: Counted): void {
    this.#count('windback_exporter_queued_items_total', batch.signal).add(batch.items);
  }

  refused(batch: Counted): void {
    this.#count('windback_exporter_refused_items_total', batch.signal).add(batch.items);
  }

  sent(batch: Counted, items = batch.items): void {
    this.#count('windback_exporter_sent_items_total', batch.signal).add(items);
  }

  failed(batch: Counted, reason: ErrorCode): void {
    this.#count('windback_exporter_send_failed_items_total', batch.signal, reason).add(batch.items);
  }

  /** Refused for good; what the error does not speak of was delivered. A destination may claim more than there was. */
  dropped(batch: Counted, { code, items = batch.items }: PipelineError): void {
    const dropped = Math.min(items, batch.items);
    this.#count('windback_exporter_dropped_items_total', batch.signal, code).add(dropped);
    if (dropped < batch.items) this.sent(batch, batch.items - dropped);
  }

  /** Was in the queue on disk when the process started. */
  restored(batch: Counted): void {
    this.#count('windback_exporter_restored_items_total', batch.signal).add(batch.items);
  }

  /** Stays in the queue on disk when the process stops. */
  kept(batch: Counted): void {
    this.#count('windback_exporter_kept_items_total', batch.signal).add(batch.items);
  }

  /** Was in the queue on disk, and cannot be read any more. */
  lostOnDisk(batch: Counted): void {
    this.restored(batch);
    this.#count('windback_exporter_dropped_items_total', batch.signal, 'spool_damaged').add(batch.items);
  }

  watchQueue(capacity: number, read: QueueReading): void {
    const { id, meter } = this.#context;
    meter.gauge('windback_exporter_queue_capacity', { exporter: id }).set(capacity);
    meter.observe('windback_exporter_queue_size', { exporter: id }, read.batches);
    meter.observe('windback_exporter_queue_items', { exporter: id }, read.items);
    meter.observe('windback_exporter_queue_used', { exporter: id }, read.size);
    meter.observe('windback_exporter_queue_disk_bytes', { exporter: id }, read.diskBytes);
  }

  #count(name: string, signal: Signal, reason?: ErrorCode): Count {
    const key = `${name} ${signal} ${reason ?? ''}`;
    let count = this.#counts.get(key);
    if (count === undefined) {
      const labels = { exporter: this.#context.id, signal, ...(reason === undefined ? {} : { reason }) };
      count = this.#context.meter.counter(name, labels);
      this.#counts.set(key, count);
    }
    return count;
  }
}
