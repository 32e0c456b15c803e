import type { Batch } from './batch.ts';
import type { Consumer } from './component.ts';

/** Knows how many batches are inside of a component. Those who hand it some come by an `Entrance` each. */
export class Door {
  #inside = 0;
  readonly #emptied: (() => void)[] = [];

  /** Batches that the component has not answered. */
  get inside(): number {
    return this.#inside;
  }

  // Every batch comes by here, several times: without an async function of its own.
  pass(batch: Batch, to: Consumer): Promise<void> {
    this.#inside++;
    try {
      return to.consume(batch).then(this.#taken, this.#refused);
    } catch (thrown) {
      return Promise.reject(thrown as Error).catch(this.#refused);
    }
  }

  /** Resolves when it has answered all, or `deadline` aborts: whether all were answered. */
  async empty(deadline: AbortSignal): Promise<boolean> {
    if (this.#inside === 0) return true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#emptied.push(resolve);
    if (deadline.aborted) resolve();
    deadline.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    return this.#inside === 0;
  }

  readonly #taken = (): void => {
    if (--this.#inside > 0 || this.#emptied.length === 0) return;
    for (const emptied of this.#emptied.splice(0)) emptied();
  };

  readonly #refused = (thrown: unknown): never => {
    this.#taken();
    throw thrown;
  };
}

/** A way into a component. It stays when the component is made anew. */
export class Entrance implements Consumer {
  readonly door: Door;
  #to: Consumer | undefined;

  constructor(door: Door) {
    this.door = door;
  }

  /** Leads to a component that was made. */
  lead(to: Consumer): void {
    this.#to = to;
  }

  consume(batch: Batch): Promise<void> {
    return this.door.pass(batch, this.#to as Consumer);
  }
}
