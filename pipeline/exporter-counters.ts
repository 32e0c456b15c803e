import type { Signal } from './batch.ts';
import type { Context } from './component.ts';
import { Account } from './ledger/account.ts';

/** What a queue holds at the moment. */
interface QueueReading {
  readonly batches: () => number;
  /** In what the queue's size is counted in. */
  readonly size: () => number;
  readonly diskBytes: () => number;
}

/** No pipeline has this id: a signal stands before it, or nothing. */
const ON_DISK = 'restored';

/** What the engine counts of one exporter: an account with each of its pipelines, and how full its queue is. */
export class ExporterCounters {
  readonly #context: Context;
  readonly #accounts = new Map<Signal, Account[]>();
  readonly #restored = new Map<Signal, Account>();

  constructor(context: Context) {
    this.#context = context;
  }

  /** The account of a pipeline that ends with `signal`. */
  account(pipeline: string, signal: Signal): Account {
    const { id, meter } = this.#context;
    const account = new Account(meter, id, pipeline, signal);
    this.#accounts.set(signal, [...(this.#accounts.get(signal) ?? []), account]);
    return account;
  }

  /**
   * The account for what a process before has left, which does not say of which pipeline it was: that of the only one
   * there is for the signal, else one of its own, `restored`.
   */
  accountOfRestored(signal: Signal): Account {
    const [only, ...others] = this.#accounts.get(signal) ?? [];
    if (only !== undefined && others.length === 0) return only;
    const { id, meter } = this.#context;
    const account = this.#restored.get(signal) ?? new Account(meter, id, ON_DISK, signal);
    this.#restored.set(signal, account);
    return account;
  }

  watchQueue(capacity: number, read: QueueReading): void {
    const { id, meter } = this.#context;
    meter.gauge('windback_exporter_queue_capacity', { exporter: id }).set(capacity);
    meter.observe('windback_exporter_queue_size', { exporter: id }, read.batches);
    meter.observe('windback_exporter_queue_used', { exporter: id }, read.size);
    meter.observe('windback_exporter_queue_disk_bytes', { exporter: id }, read.diskBytes);
  }
}
