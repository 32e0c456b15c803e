import type { TelemetryBatch } from '../batch.ts';
import { isTelemetry } from '../batch.ts';
import type { Outlets } from '../component.ts';
import { PipelineError } from '../errors.ts';
import { WireError } from '../../proto/wire/reader.ts';
import { BatchReader } from './batch-data.ts';
import type { BatchData } from './messages.ts';
import type { MainSiblings } from './siblings.ts';

/** Where, in the main thread, what workers hand over goes on. */
export class Targets {
  readonly #outlets = new Map<string, Outlets>();
  readonly #instances = new Map<string, (batch: TelemetryBatch) => void>();
  readonly #reader = new BatchReader();
  /** While workers may know more than we do: settles when that is over. */
  #changing: PromiseWithResolvers<void> | undefined;

  /** What follows where the batches of `target` come out. */
  connect(target: string, outlets: Outlets): void {
    this.#outlets.set(target, outlets);
  }

  /** What the instance `id` of the main thread is given, to serve those in workers. */
  siblings(id: string): MainSiblings {
    return { place: 'main', serve: (take) => void this.#instances.set(id, take) };
  }

  /** From here on what goes to a target that is not known waits for `changed`. */
  changing(): void {
    this.#changing ??= Promise.withResolvers();
  }

  changed(): void {
    this.#changing?.resolve();
    this.#changing = undefined;
  }

  /** Forgets all others: these targets, and these instances, are what workers know. */
  keep(targets: readonly string[], instances: readonly string[]): void {
    for (const name of this.#outlets.keys()) if (!targets.includes(name)) this.#outlets.delete(name);
    for (const id of this.#instances.keys()) if (!instances.includes(id)) this.#instances.delete(id);
  }

  /** Resolves when responsibility is taken. Rejects with a `PipelineError`. */
  async deliver(target: string, data: BatchData): Promise<void> {
    const batch = this.#read(data);
    if (!this.#knows(target)) await this.#changing?.promise;
    if (!this.#knows(target)) throw new PipelineError('reconfigured', `${target} is not there`);
    const take = this.#instances.get(instanceOf(target) ?? '');
    if (take === undefined) await this.#outlets.get(target)?.to(batch.signal).consume(batch);
    else if (isTelemetry(batch)) take(batch);
  }

  #knows(target: string): boolean {
    return this.#outlets.has(target) || this.#instances.has(instanceOf(target) ?? '');
  }

  #read(data: BatchData) {
    try {
      return this.#reader.read(data);
    } catch (error) {
      if (error instanceof WireError) throw new PipelineError('malformed', error.message, { cause: error });
      throw error;
    }
  }
}

/** The id in `instance:ID`. */
function instanceOf(target: string): string | undefined {
  return /^instance:(.*)$/s.exec(target)?.[1];
}
