/** Stands for all names that have no place of their own; the folder of telemetry calls them the same. */
export const OTHER = 'other';

interface Mergeable<T> {
  merge(other: T): void;
}

/**
 * Things by name, of a limited number of names. The names that sort first have a place of their own, whichever came
 * first, and all others share one: so what is where does not depend on the order of arrival.
 */
export class FirstNames<T extends Mergeable<T>> {
  readonly entries = new Map<string, T>();
  readonly #limit: number;
  readonly #make: () => T;
  /** The last of the names with a place of their own; undefined until they are so many. */
  #last: string | undefined;

  constructor(limit: number, make: () => T) {
    this.#limit = limit;
    this.#make = make;
  }

  /** The place of a name. `onOther` is told when it is not its own. */
  of(name: string, onOther?: () => void): T {
    const known = this.entries.get(name);
    if (known !== undefined) return known;
    if (name === OTHER || this.#names < this.#limit) return this.#open(name);
    onOther?.();
    this.#last ??= this.#findLast();
    if (name > this.#last) return this.of(OTHER);
    this.of(OTHER).merge(this.entries.get(this.#last) as T);
    this.entries.delete(this.#last);
    this.#last = undefined;
    return this.#open(name);
  }

  get #names(): number {
    return this.entries.size - (this.entries.has(OTHER) ? 1 : 0);
  }

  #open(name: string): T {
    const made = this.#make();
    this.entries.set(name, made);
    return made;
  }

  #findLast(): string {
    let last = '';
    for (const name of this.entries.keys()) if (name !== OTHER && name > last) last = name;
    return last;
  }
}
