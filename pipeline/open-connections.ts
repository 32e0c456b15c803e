import type { ConnectionLoad, Sheddable } from './component.ts';

interface Open {
  readonly bytes: () => number;
  readonly shed: () => void;
}

/** Unique in the thread, so that a receiver may have several listeners. */
let lastId = 0;

/** The open connections of a listener, as the balance between threads sees them. */
export class OpenConnections implements Sheddable {
  readonly #open = new Map<number, Open>();

  /** `bytes`: what has come over it so far. `shed`: begins its orderly end. Returns what to call when it is gone. */
  add(bytes: () => number, shed: () => void): () => void {
    const id = ++lastId;
    this.#open.set(id, { bytes, shed });
    return () => this.#open.delete(id);
  }

  load(): ConnectionLoad[] {
    return [...this.#open].map(([id, { bytes }]) => ({ id, bytes: bytes() }));
  }

  shed(id: number): void {
    this.#open.get(id)?.shed();
  }
}
