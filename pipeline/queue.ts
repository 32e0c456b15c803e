import { type Batch, isTelemetry } from './batch.ts';
import type { Component, Consumer, Context, QueuedConfig } from './component.ts';
import { asPipelineError, PipelineError } from './errors.ts';
import { ExporterCounters } from './exporter-counters.ts';
import type { QueueConfig, RetryConfig } from './queue-config.ts';
import type { Logger } from './telemetry/logger.ts';

/** Puts the counters in front of an exporter, and the queue with its retries where the configuration has them. */
export function guardExporter(exporter: Component & Consumer, config: unknown, context: Context): Component & Consumer {
  const { sending_queue, retry_on_failure } = config as QueuedConfig;
  const counters = new ExporterCounters(context);
  if (sending_queue === undefined || retry_on_failure === undefined)
    return new DirectExporter(exporter, counters, context.logger);
  return new QueuedExporter(exporter, sending_queue, retry_on_failure, counters, context);
}

/** An exporter without a queue: the caller waits, and sees the failure. For what is local, such as a file. */
class DirectExporter implements Component, Consumer {
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

/** Batches in the order they came, worked off by `workers` at once. */
interface Lane {
  readonly waiting: Batch[];
  readonly workers: number;
  running: number;
}

/** Somebody who waits for a place. */
interface Caller {
  readonly batch: Batch;
  readonly answer: (error?: PipelineError) => void;
}

/**
 * The sending queue. A batch is accepted once it has a place; it leaves when the destination has taken it or refused
 * it for good, however long that takes. When there is no place the caller waits, then is refused with a retryable
 * error, so that nothing is dropped here. Telemetry goes in parallel; decisions (and deltas) one at a time, in order,
 * and they are always let in: they are few, and there is nobody who could send them again.
 */
export class QueuedExporter implements Component, Consumer {
  readonly #exporter: Component & Consumer;
  readonly #queue: QueueConfig;
  readonly #retry: RetryConfig;
  readonly #counters: ExporterCounters;
  readonly #context: Context;
  readonly #parallel: Lane;
  readonly #ordered: Lane;
  /** Callers that wait for a place, first come first served. */
  readonly #callers: Caller[] = [];
  readonly #idle: (() => void)[] = [];
  /** Ends pauses and attempts and gives up what is left, when the deadline of `stop` has passed. */
  readonly #abandon = new AbortController();
  #size = 0;
  #items = 0;
  #stopping = false;
  /** Items that were given up at the deadline. */
  #abandoned = 0;

  constructor(
    exporter: Component & Consumer,
    queue: QueueConfig,
    retry: RetryConfig,
    counters: ExporterCounters,
    context: Context,
  ) {
    this.#exporter = exporter;
    this.#queue = queue;
    this.#retry = retry;
    this.#counters = counters;
    this.#context = context;
    this.#parallel = { waiting: [], workers: queue.num_consumers, running: 0 };
    this.#ordered = { waiting: [], workers: 1, running: 0 };
    counters.watchQueue(queue.queue_size, () => ({ batches: this.#size, items: this.#items }));
  }

  start(): Promise<void> {
    return this.#exporter.start();
  }

  async consume(batch: Batch): Promise<void> {
    if (this.#stopping) throw this.#stoppingError();
    if (isOrdered(batch) || this.#size < this.#queue.queue_size) this.#admit(batch);
    else await this.#wait(batch);
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.#stopping = true;
    for (const caller of this.#callers.splice(0)) caller.answer(this.#stoppingError());
    const abandon = () => this.#abandon.abort();
    if (deadline.aborted) abandon();
    else deadline.addEventListener('abort', abandon, { once: true });
    if (this.#size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    deadline.removeEventListener('abort', abandon);
    await this.#exporter.stop(deadline);
    if (this.#abandoned === 0) return;
    const items = this.#abandoned;
    this.#abandoned = 0;
    throw new PipelineError('abandoned', `${items} items waited for exporter ${this.#context.id}`);
  }

  /** Gives the batch its place: from here on it is sent, or counted as dropped. */
  #admit(batch: Batch): void {
    this.#size++;
    this.#items += batch.items;
    this.#counters.queued(batch);
    if (isTelemetry(batch)) batch.keep();
    const lane = isOrdered(batch) ? this.#ordered : this.#parallel;
    lane.waiting.push(batch);
    if (lane.running < lane.workers) void this.#work(lane);
  }

  /** Waits until there is a place, at most `block_timeout`. */
  #wait(batch: Batch): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timeout = new AbortController();
    const answer = (error?: PipelineError): void => {
      timeout.abort();
      if (error === undefined) resolve();
      else reject(error);
    };
    const caller = { batch, answer };
    this.#callers.push(caller);
    void this.#context.clock.sleep(this.#queue.block_timeout, timeout.signal).then(() => {
      const waiting = this.#callers.indexOf(caller);
      if (waiting < 0) return;
      this.#callers.splice(waiting, 1);
      this.#counters.refused(batch);
      const detail = `${this.#queue.queue_size} batches wait for exporter ${this.#context.id}`;
      answer(new PipelineError('queue_full', detail, { retryAfterMs: RETRY_AFTER_MS }));
    });
    return promise;
  }

  /** A batch has left, sent or dropped: whoever waited longest gets the place, before anybody who comes now. */
  #leave(batch: Batch): void {
    this.#size--;
    this.#items -= batch.items;
    while (this.#size < this.#queue.queue_size) {
      const caller = this.#callers.shift();
      if (caller === undefined) return;
      this.#admit(caller.batch);
      caller.answer();
    }
  }

  async #work(lane: Lane): Promise<void> {
    lane.running++;
    for (let batch = lane.waiting.shift(); batch !== undefined; batch = lane.waiting.shift())
      await this.#deliver(batch);
    lane.running--;
    if (this.#size === 0) for (const done of this.#idle.splice(0)) done();
  }

  /** Attempts until it is delivered, refused for good, or the process ends. Never throws. */
  async #deliver(batch: Batch): Promise<void> {
    let pauseMs = this.#retry.initial_interval;
    for (let attempt = 1; !this.#abandon.signal.aborted; attempt++) {
      try {
        await this.#attempt(batch);
        this.#counters.sent(batch);
        this.#leave(batch);
        // What a failed attempt left in some socket may still be read from there.
        if (attempt === 1 && isTelemetry(batch)) batch.letGo();
        if (attempt > 1) this.#context.logger.info({ attempts: attempt }, 'delivery goes on');
        return;
      } catch (thrown) {
        if (this.#abandon.signal.aborted) break;
        const error = asPipelineError(thrown);
        this.#counters.failed(batch, error.code);
        if (!error.row.retryable) return this.#drop(batch, error);
        if (attempt === 1) this.#context.logger.warn({ code: error.code, todo: error.row.todo }, error.message);
        const jittered = pauseMs * (0.5 + this.#context.random());
        await this.#context.clock.sleep(Math.max(jittered, error.retryAfterMs ?? 0), this.#abandon.signal);
        pauseMs = Math.min(pauseMs * this.#retry.multiplier, this.#retry.max_interval);
      }
    }
    this.#abandoned += batch.items;
    this.#drop(batch, new PipelineError('abandoned', `it waited for exporter ${this.#context.id}`));
  }

  /** One attempt. Once what is left is given up, its outcome is no longer waited for. */
  #attempt(batch: Batch): Promise<void> {
    const { signal } = this.#abandon;
    return new Promise((resolve, reject) => {
      const giveUp = () => reject(this.#stoppingError());
      signal.addEventListener('abort', giveUp, { once: true });
      const over = () => signal.removeEventListener('abort', giveUp);
      const attempt = async () => this.#exporter.consume(batch);
      void attempt().then(resolve, reject).finally(over);
    });
  }

  #stoppingError(): PipelineError {
    return new PipelineError('stopping', `exporter ${this.#context.id}`);
  }

  #drop(batch: Batch, error: PipelineError): void {
    this.#counters.dropped(batch, error);
    this.#leave(batch);
    const ids = batch.signal === 'decisions' ? { decisions: batch.decisions.map(({ id }) => id) } : {};
    this.#context.logger.error(
      { code: error.code, items: error.items ?? batch.items, signal: batch.signal, ...ids, todo: error.row.todo },
      `dropped: ${error.message}`,
    );
  }
}

/** The pause that a refused caller is asked for. */
const RETRY_AFTER_MS = 1000;

function isOrdered({ signal }: Batch): boolean {
  return signal === 'decisions' || signal === 'health';
}
