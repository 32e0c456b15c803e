import type { Batch } from './batch.ts';
import type { Component, Consumer } from './component.ts';
import { asPipelineError } from './errors.ts';
import type { ExporterCounters } from './exporter-counters.ts';
import type { Logger } from './telemetry/logger.ts';

/** An exporter without a queue: the caller waits, and sees the failure. For what is local, such as a file. */
export class DirectExporter implements Component, Consumer {
  readonly #exporter: Component & Consumer;
  readonly #counters: ExporterCounters;
  readonly #logger: Logger;
  #isFailing = false;

  constructor(exporter: Component & Consumer, counters: ExporterCounters, logger: Logger) {
    this.#exporter = exporter;
    this.#counters = counters;
    this.#logger = logger;
  }

  start(): Promise<void> {
    return this.#exporter.start();
  }

  stop(deadline: AbortSignal): Promise<void> {
    return this.#exporter.stop(deadline);
  }

  async consume(batch: Batch): Promise<void> {
    try {
      await this.#exporter.consume(batch);
    } catch (thrown) {
      const error = asPipelineError(thrown);
      this.#counters.failed(batch, error.code);
      if (!error.row.retryable) this.#counters.dropped(batch, error);
      // Once, not for every batch: whoever sends them is told each time.
      if (!this.#isFailing) this.#logger.warn({ code: error.code, todo: error.row.todo }, error.message);
      this.#isFailing = true;
      throw error;
    }
    this.#isFailing = false;
    this.#counters.sent(batch);
  }
}
