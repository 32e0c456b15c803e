import { SeenTable, seenTableMemory } from './seen-table.ts';
import type { Held } from './siblings.ts';

/** What all threads see, by id of a component. Crosses to workers as it is. */
export interface SharedMemory {
  readonly workers: number;
  /** One number for each worker. */
  readonly held: ReadonlyMap<string, SharedArrayBuffer>;
  readonly seen: ReadonlyMap<string, SharedArrayBuffer>;
}

/** Memory for `workers` threads that run these components; what `known` has of it stays the same. */
export function shareMemory(ids: readonly string[], workers: number, known?: SharedMemory): SharedMemory {
  const held = () => new SharedArrayBuffer(workers * Float64Array.BYTES_PER_ELEMENT);
  return {
    workers,
    held: new Map(ids.map((id) => [id, known?.held.get(id) ?? held()])),
    seen: new Map(ids.map((id) => [id, known?.seen.get(id) ?? seenTableMemory()])),
  };
}

/** Takes back what worker `index` held when it was lost, and what it has seen since `since`, seconds. */
export function releaseAll(memory: SharedMemory, index: number, since: number): void {
  for (const [id, buffer] of memory.held) {
    new Float64Array(buffer)[index] = 0;
    new SeenTable(memory.seen.get(id) as SharedArrayBuffer, index).forget(index, since);
  }
}

/** One number per thread. Each thread writes its own alone, so that none is lost; a reader may see it a moment old. */
export class SharedHeld implements Held {
  readonly #parts: Float64Array;
  readonly #index: number;

  constructor(memory: SharedArrayBuffer, index: number) {
    this.#parts = new Float64Array(memory);
    this.#index = index;
  }

  get own(): number {
    return this.#parts[this.#index] as number;
  }

  set own(amount: number) {
    this.#parts[this.#index] = amount;
  }

  get all(): number {
    let sum = 0;
    for (const part of this.#parts) sum += part;
    return sum;
  }
}
