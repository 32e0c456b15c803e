import { type Batch, isTelemetry, type Signal } from './batch.ts';
import type { Consumer, Outlets } from './component.ts';
import { type Door, Entrance } from './door.ts';
import { asPipelineError, PipelineError } from './errors.ts';
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

/** What is behind an outlet. */
export interface Followers {
  readonly branches: readonly Branch[];
  /** Where what passes is counted. */
  readonly seam?: Seam | undefined;
}

/**
 * Hands each batch to every branch. It has taken responsibility when all of them have; if one has not, the caller is
 * told so and may send again, and those that had taken it see it twice: at least once, never less.
 */
export class Fanout implements Consumer {
  #branches: readonly Branch[] = [];
  /** Where there is just one. */
  #only: Consumer | undefined;
  #seam: Seam | undefined;
  #held: PromiseWithResolvers<void> | undefined;
  #isClosed = false;

  add(branch: Branch): void {
    this.connect({ branches: [...this.#branches, branch], seam: this.#seam });
  }

  /** Where batches go from now on, and where they are counted. */
  connect({ branches, seam }: Followers): void {
    this.#branches = branches;
    this.#only = branches.length === 1 ? branches[0]?.consumer : undefined;
    this.#seam = seam;
  }

  /** Whether what is behind this door gets its batches from here. */
  leadsTo(door: Door): boolean {
    return this.#branches.some(({ consumer }) => {
      if (consumer instanceof Fanout) return consumer.leadsTo(door);
      return consumer instanceof Entrance && consumer.door === door;
    });
  }

  /** Lets batches wait that come from now on; what waits then goes where the branches lead by then. */
  hold(): void {
    this.#held ??= Promise.withResolvers();
  }

  release(): void {
    this.#held?.resolve();
    this.#held = undefined;
  }

  /** Refuses what waits, and what comes from now on. */
  close(): void {
    this.#isClosed = true;
    this.connect(NOBODY);
    this.release();
  }

  get isEmpty(): boolean {
    return this.#branches.length === 0;
  }

  get readsAttributes(): boolean {
    return this.#branches.some(({ readsAttributes = false }) => readsAttributes);
  }

  consume(batch: Batch): Promise<void> {
    if (this.#held !== undefined) return this.#wait(batch);
    if (this.#isClosed) return Promise.reject(reconfigured(batch));
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

  async #wait(batch: Batch): Promise<void> {
    while (this.#held !== undefined) await this.#held.promise;
    // Somebody was to have it: that nobody is there any more must not pass for somebody who takes it.
    if (!this.isEmpty) return this.consume(batch);
    throw reconfigured(batch);
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
    const branches = this.#branches;
    const outcomes = await Promise.allSettled(
      branches.map(async ({ consumer, mutates }) =>
        consumer.consume(mutates && isTelemetry(batch) ? batch.fork() : batch),
      ),
    );
    const failures = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [asPipelineError(outcome.reason)] : [],
    );
    if (failures.length === 0) return;
    for (const [i, { status }] of outcomes.entries()) if (status === 'fulfilled') branches[i]?.repeated?.add(items);
    throw mostHopeful(failures);
  }
}

function reconfigured({ signal }: Batch): PipelineError {
  return new PipelineError('reconfigured', `no pipeline takes ${signal} from here any more`);
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

/** The outlets of one component. They stay the same when the graph connects them anew: who has one may keep it. */
export class Wiring implements Outlets {
  readonly #fanouts = new Map<Signal, Fanout>();
  #isClosed = false;

  to(signal: Signal): Fanout {
    let fanout = this.#fanouts.get(signal);
    if (fanout === undefined) {
      fanout = new Fanout();
      this.#fanouts.set(signal, fanout);
      if (this.#isClosed) fanout.close();
    }
    return fanout;
  }

  /** Connects every outlet anew, all at once. */
  connect(followers: ReadonlyMap<Signal, Followers>): void {
    for (const [signal, fanout] of this.#fanouts) fanout.connect(followers.get(signal) ?? NOBODY);
    for (const [signal, of] of followers) this.to(signal).connect(of);
  }

  /** Refuses what its component hands on from now on: nothing of it is to be taken for delivered. */
  close(): void {
    this.#isClosed = true;
    for (const fanout of this.#fanouts.values()) fanout.close();
  }

  get fanouts(): Fanout[] {
    return [...this.#fanouts.values()];
  }

  has(signal: Signal): boolean {
    return this.#fanouts.get(signal)?.isEmpty === false;
  }

  readsAttributes(signal: Signal): boolean {
    return this.#fanouts.get(signal)?.readsAttributes === true;
  }
}

const NOBODY: Followers = { branches: [] };
