import { type Batch, isTelemetry, type Signal } from './batch.ts';
import type { Consumer, Outlets } from './component.ts';
import { asPipelineError, type PipelineError } from './errors.ts';
import type { Seam } from './ledger/books.ts';
import type { Count } from './telemetry/meter.ts';

/** One of several consumers behind an outlet. */
export interface Branch {
  readonly consumer: Consumer;
  /** Whether anything behind it changes batches. */
  readonly mutates: boolean;
  /** Whether anything behind it reads what attributes of items say. */
  readonly readsAttributes?: boolean;
  /** Counts what it took while another branch did not. */
  readonly repeated?: Count;
}

/**
 * Hands each batch to every branch. It has taken responsibility when all of them have; if one has not, the caller is
 * told so and may send again, and those that had taken it see it twice: at least once, never less.
 */
export class Fanout implements Consumer {
  readonly #branches: Branch[] = [];
  /** Where there is just one. */
  #only: Consumer | undefined;
  #seam: Seam | undefined;

  add(branch: Branch): void {
    this.#branches.push(branch);
    this.#only = this.#branches.length === 1 ? branch.consumer : undefined;
  }

  /** Where what passes here is counted. */
  countAt(seam: Seam): void {
    this.#seam = seam;
  }

  get isEmpty(): boolean {
    return this.#branches.length === 0;
  }

  get readsAttributes(): boolean {
    return this.#branches.some(({ readsAttributes = false }) => readsAttributes);
  }

  consume(batch: Batch): Promise<void> {
    const seam = this.#seam;
    if (seam === undefined) return this.#hand(batch);
    // Once it has been taken, its memory may be somebody else's.
    const { items } = batch;
    seam.enter(items);
    // Not an async function: that would be half as much memory again for each batch.
    return this.#hand(batch).then(
      () => seam.accept(items),
      (thrown: unknown) => {
        const error = asPipelineError(thrown);
        seam.refuse(items, error.code);
        throw error;
      },
    );
  }

  /** Never throws, whatever a consumer does. */
  #hand(batch: Batch): Promise<void> {
    try {
      return this.#only === undefined ? this.#handToAll(batch) : this.#only.consume(batch);
    } catch (thrown) {
      return Promise.reject(asPipelineError(thrown));
    }
  }

  async #handToAll(batch: Batch): Promise<void> {
    const { items } = batch;
    const outcomes = await Promise.allSettled(
      this.#branches.map(async ({ consumer, mutates }) =>
        consumer.consume(mutates && isTelemetry(batch) ? batch.fork() : batch),
      ),
    );
    const failures = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [asPipelineError(outcome.reason)] : [],
    );
    if (failures.length === 0) return;
    for (const [i, { status }] of outcomes.entries())
      if (status === 'fulfilled') this.#branches[i]?.repeated?.add(items);
    throw mostHopeful(failures);
  }
}

/**
 * A retryable failure before a permanent one: as long as one branch can still take the batch, a retry is right. Of
 * several the one that asks for the longest pause, for a retry before it is in vain.
 */
function mostHopeful(failures: readonly PipelineError[]): PipelineError {
  const retryable = failures.filter((failure) => failure.row.retryable);
  const pause = ({ retryAfterMs = 0 }: PipelineError) => retryAfterMs;
  return retryable.toSorted((a, b) => pause(b) - pause(a))[0] ?? (failures[0] as PipelineError);
}

/** The outlets of one component instance. The graph connects them after all instances exist. */
export class Wiring implements Outlets {
  readonly #fanouts = new Map<Signal, Fanout>();

  to(signal: Signal): Fanout {
    let fanout = this.#fanouts.get(signal);
    if (fanout === undefined) {
      fanout = new Fanout();
      this.#fanouts.set(signal, fanout);
    }
    return fanout;
  }

  has(signal: Signal): boolean {
    return this.#fanouts.get(signal)?.isEmpty === false;
  }

  readsAttributes(signal: Signal): boolean {
    return this.#fanouts.get(signal)?.readsAttributes === true;
  }
}
