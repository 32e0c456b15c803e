import type { Batch } from './batch.ts';
import type { Context } from './component.ts';
import type { QueueConfig } from './queue-config.ts';
import { type Entry, memoryMaxOf, memoryOf, sizeOfBatch } from './queue-entry.ts';

/** What a queue has taken of what it may. */
export class Room {
  /** In what the queue counts. */
  readonly capacity: number;
  /** Bytes. */
  readonly memoryMax: number;
  /** What is taken of the capacity, also by those that are still being written to disk. */
  size = 0;
  /** Bytes of batches that are in memory. */
  memory = 0;
  readonly #sizer: QueueConfig['sizer'];

  constructor(queue: QueueConfig, context: Context) {
    this.capacity = typeof queue.queue_size === 'number' ? queue.queue_size : queue.queue_size.bytes;
    this.memoryMax = memoryMaxOf(queue, context);
    this.#sizer = queue.sizer;
  }

  /** An entry leaves, before its batch does. */
  remove({ size, bytes, batch }: Entry): void {
    this.size -= size;
    if (batch !== undefined) this.memory -= bytes;
  }

  /** Whether a batch fits. Where it goes to disk, it need not stay in memory. */
  fits(batch: Batch, isOnDisk: boolean): boolean {
    return this.#fitsBeside(this.size, this.memory, batch, isOnDisk);
  }

  /** The first ones of `entries` that would have to go for a batch to fit; undefined where it does not fit without all. */
  without(entries: Iterable<Entry>, batch: Batch, isOnDisk: boolean): Entry[] | undefined {
    const gone: Entry[] = [];
    let [size, memory] = [this.size, this.memory];
    for (const entry of entries) {
      gone.push(entry);
      size -= entry.size;
      if (entry.batch !== undefined) memory -= entry.bytes;
      if (this.#fitsBeside(size, memory, batch, isOnDisk)) return gone;
    }
    return undefined;
  }

  /** What is larger than all there is has its turn when there is nothing else. */
  #fitsBeside(size: number, memory: number, batch: Batch, isOnDisk: boolean): boolean {
    const hasPlace = size === 0 || size + sizeOfBatch(this.#sizer, batch) <= this.capacity;
    if (isOnDisk || !hasPlace) return hasPlace;
    return memory === 0 || memory + memoryOf(batch) <= this.memoryMax;
  }
}
