import type { Signal } from '../batch.ts';
import type { ErrorCode, PipelineError } from '../errors.ts';
import type { Count, Instruments, Labels, Stock } from '../telemetry/meter.ts';

/**
 * The account of one pipeline with one exporter, in items. At any moment
 *
 *     accepted + restored = delivered + dropped by reason + kept + queued
 *
 * where `queued` is told by the queue as batches enter and leave it, and all else by what became of them: two ways of
 * counting that have to agree. Everything is counted per batch, in series that are bound.
 */
export class Account {
  readonly #meter: Instruments;
  readonly #labels: Labels;
  readonly #accepted: Count;
  readonly #delivered: Count;
  readonly #queued: Stock;
  readonly #onDisk: Stock;
  /** By the end of the metric's name and the reason, made as they are needed: most never are. */
  readonly #byReason = new Map<string, Count>();

  constructor(meter: Instruments, exporter: string, pipeline: string, signal: Signal) {
    this.#meter = meter;
    this.#labels = { exporter, pipeline, signal };
    this.#accepted = meter.counter('windback_exporter_accepted_items_total', this.#labels);
    this.#delivered = meter.counter('windback_exporter_sent_items_total', this.#labels);
    this.#queued = meter.stock('windback_exporter_queue_items', this.#labels);
    this.#onDisk = meter.stock('windback_exporter_queue_kept_items', this.#labels);
  }

  /** The exporter has taken responsibility. */
  accept(items: number): void {
    this.#accepted.add(items);
  }

  /** The exporter found them on disk: an earlier process had accepted them. */
  restore(items: number): void {
    this.#meter.counter('windback_exporter_restored_items_total', this.#labels).add(items);
  }

  /** Of what was on disk they cannot be read any more. */
  loseOnDisk(items: number): void {
    this.restore(items);
    this.#because('dropped', 'spool_damaged').add(items);
  }

  /** So many more items wait or are under way; less, where it is negative. */
  queue(change: number, isOnDisk = false): void {
    this.#queued.add(change);
    if (isOnDisk) this.#onDisk.add(change);
  }

  deliver(items: number): void {
    this.#delivered.add(items);
  }

  /**
   * Of `items` those that the error speaks of are given up, and the rest was delivered. A destination may claim to have
   * refused more than there was.
   */
  drop(items: number, { code, items: refused = items }: PipelineError): void {
    const dropped = Math.min(refused, items);
    this.#because('dropped', code).add(dropped);
    if (dropped < items) this.deliver(items - dropped);
  }

  /** They stay on disk, for the next process to restore. */
  keep(items: number): void {
    this.#meter.counter('windback_exporter_kept_items_total', this.#labels).add(items);
  }

  /** They were never accepted. Returns what the caller is told. */
  refuse(items: number, error: PipelineError): PipelineError {
    this.#because('refused', error.code).add(items);
    return error;
  }

  /** An attempt failed; what becomes of the items is told apart from it. */
  fail(items: number, code: ErrorCode): void {
    this.#because('send_failed', code).add(items);
  }

  #because(what: 'dropped' | 'refused' | 'send_failed', reason: ErrorCode): Count {
    const key = `${what} ${reason}`;
    let count = this.#byReason.get(key);
    if (count === undefined) {
      count = this.#meter.counter(`windback_exporter_${what}_items_total`, { ...this.#labels, reason });
      this.#byReason.set(key, count);
    }
    return count;
  }
}
