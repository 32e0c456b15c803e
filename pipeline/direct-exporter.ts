import type { Batch, Signal } from './batch.ts';
import type { Component, Consumer } from './component.ts';
import { asPipelineError, PipelineError } from './errors.ts';
import type { ExporterCounters } from './exporter-counters.ts';
import type { Account } from './ledger/account.ts';
import { orAborted } from './queue-entry.ts';
import type { Logger } from './telemetry/logger.ts';

/** An exporter as pipelines see it. */
export interface GuardedExporter extends Component {
  /** What a pipeline that ends with `signal` hands its batches to: each has an account of its own. */
  of(pipeline: string, signal: Signal): Consumer;
}

/**
 * An exporter without a queue: the caller waits, and sees the failure. For what is local, such as a file. What fails as
 * a whole is refused, for good or not: the caller has it still. What was delivered in part is accepted, and the rest of
 * it dropped: a caller that was refused would send all of it again.
 */
export class DirectExporter implements GuardedExporter {
  readonly #exporter: Component & Consumer;
  readonly #counters: ExporterCounters;
  readonly #logger: Logger;
  #isFailing = false;
  /** Aborted when its time to stop is over: who waits for an answer may send elsewhere then, after a reload. */
  readonly #over = new AbortController();

  constructor(exporter: Component & Consumer, counters: ExporterCounters, logger: Logger) {
    this.#exporter = exporter;
    this.#counters = counters;
    this.#logger = logger;
  }

  start(): Promise<void> {
    return this.#exporter.start();
  }

  stop(deadline: AbortSignal): Promise<void> {
    const over = () => this.#over.abort(new PipelineError('stopping', 'it did not answer in time'));
    if (deadline.aborted) over();
    else deadline.addEventListener('abort', over, { once: true });
    return this.#exporter.stop(deadline);
  }

  of(pipeline: string, signal: Signal): Consumer {
    const account = this.#counters.account(pipeline, signal);
    return { consume: (batch) => this.take(batch, account) };
  }

  /** One attempt. Rejects with what went wrong, where nothing of it was delivered. */
  async take(batch: Batch, account: Account): Promise<void> {
    const { items } = batch;
    try {
      await orAborted(this.#exporter.consume(batch), this.#over.signal);
    } catch (thrown) {
      const error = asPipelineError(thrown);
      account.fail(items, error.code);
      // Once, not for every batch: whoever sends them is told each time.
      if (!this.#isFailing) this.#logger.warn({ code: error.code, todo: error.row.todo }, error.message);
      this.#isFailing = true;
      if (!isPartial(error, items)) throw account.refuse(items, error);
      account.accept(items);
      account.drop(items, error);
      return;
    }
    this.#isFailing = false;
    account.accept(items);
    account.deliver(items);
  }
}

/** Whether the destination took a part for good and refused the rest for good. */
function isPartial({ row, items: refused }: PipelineError, items: number): boolean {
  return !row.retryable && refused !== undefined && refused < items;
}
