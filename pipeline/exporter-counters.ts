import type { Batch, Signal } from './batch.ts';
import type { Context } from './component.ts';
import type { ErrorCode, PipelineError } from './errors.ts';
import type { Count } from './telemetry/meter.ts';

/**
 * What the engine counts of one exporter, in items:
 * queued = sent + dropped + still in the queue; a refused batch was never queued.
 */
export class ExporterCounters {
  readonly #context: Context;
  readonly #counts = new Map<string, Count>();

  constructor(context: Context) {
    this.#context = context;
  }

  queued(batch: Batch): void {
    this.#count('windback_exporter_queued_items_total', batch.signal).add(batch.items);
  }

  refused(batch: Batch): void {
    this.#count('windback_exporter_refused_items_total', batch.signal).add(batch.items);
  }

  sent(batch: Batch, items = batch.items): void {
    this.#count('windback_exporter_sent_items_total', batch.signal).add(items);
  }

  failed(batch: Batch, reason: ErrorCode): void {
    this.#count('windback_exporter_send_failed_items_total', batch.signal, reason).add(batch.items);
  }

  /** Refused for good; what the error does not speak of was delivered. A destination may claim more than there was. */
  dropped(batch: Batch, { code, items = batch.items }: PipelineError): void {
    const dropped = Math.min(items, batch.items);
    this.#count('windback_exporter_dropped_items_total', batch.signal, code).add(dropped);
    if (dropped < batch.items) this.sent(batch, batch.items - dropped);
  }

  watchQueue(capacity: number, read: () => { batches: number; items: number }): void {
    const { id, meter } = this.#context;
    meter.gauge('windback_exporter_queue_capacity', { exporter: id }).set(capacity);
    meter.observe('windback_exporter_queue_size', { exporter: id }, () => read().batches);
    meter.observe('windback_exporter_queue_items', { exporter: id }, () => read().items);
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
