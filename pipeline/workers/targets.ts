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

  /** What follows where the batches of `target` come out. */
  connect(target: string, outlets: Outlets): void {
    this.#outlets.set(target, outlets);
  }

  /** What the instance `id` of the main thread is given, to serve those in workers. */
  siblings(id: string): MainSiblings {
    return { place: 'main', serve: (take) => void this.#instances.set(id, take) };
  }

  /** Resolves when responsibility is taken. Rejects with a `PipelineError`. */
  async deliver(target: string, data: BatchData): Promise<void> {
    const batch = this.#read(data);
    const [, instance] = /^instance:(.*)$/s.exec(target) ?? [];
    if (instance === undefined) {
      const outlets = this.#outlets.get(target);
      if (outlets === undefined)
        throw new PipelineError('internal', `a worker knows ${target}, the main thread does not`);
      await outlets.to(batch.signal).consume(batch);
      return;
    }
    const take = this.#instances.get(instance);
    if (take === undefined || !isTelemetry(batch)) throw new PipelineError('internal', `nobody serves ${target}`);
    take(batch);
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
