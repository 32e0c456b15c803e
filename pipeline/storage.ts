/**
 * What a component remembers beyond its process: a small map of texts. Synchronous, so that state is written between
 * two events and never beside one.
 */
export interface Storage {
  /** Whether it outlives the process. Where it does not, it is enough to write at the end. */
  readonly survives: boolean;
  get(key: string): string | undefined;
  /**
   * Writes all entries or none, a null removes its key, and returns when they are as durable as this storage is. Throws
   * a `PipelineError` (`file_unwritable`, retryable) and has then changed nothing.
   */
  put(entries: ReadonlyMap<string, string | null>): void;
  /** Every key, in the order of their text. */
  keys(): readonly string[];
}

/** The storages of all components of a process. */
export interface Storages {
  /** The one of the component with this id; always the same one for the same id. */
  of(component: string): Storage;
  /** The components that have something under a key that begins so. */
  having(prefix: string): readonly string[];
  /** Releases what is held. Legal twice; nothing is written after it. */
  close(): void;
}

/** Nothing survives the process: the default, and what a replay has. */
export class MemoryStorage implements Storage {
  readonly survives: boolean;
  readonly #entries = new Map<string, string>();

  /** `survives`: for tests, in which it stands for one that does. */
  constructor(survives = false) {
    this.survives = survives;
  }

  get(key: string): string | undefined {
    return this.#entries.get(key);
  }

  put(entries: ReadonlyMap<string, string | null>): void {
    for (const [key, value] of entries) {
      if (value === null) this.#entries.delete(key);
      else this.#entries.set(key, value);
    }
  }

  keys(): readonly string[] {
    return [...this.#entries.keys()].sort();
  }
}

export class MemoryStorages implements Storages {
  readonly #storages = new Map<string, MemoryStorage>();

  of(component: string): Storage {
    let storage = this.#storages.get(component);
    if (storage === undefined) this.#storages.set(component, (storage = new MemoryStorage()));
    return storage;
  }

  having(prefix: string): readonly string[] {
    const has = (storage: Storage) => storage.keys().some((key) => key.startsWith(prefix));
    return [...this.#storages].filter(([, storage]) => has(storage)).map(([component]) => component);
  }

  close(): void {
    this.#storages.clear();
  }
}
