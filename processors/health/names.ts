import { OTHER } from './operations.ts';

/** Names told apart per service key over all kinds, `other` among them. */
export const MAX_NAMES = 4096;

/**
 * Interns what is counted beside operations: whom a service called, metrics, signatures, the user's indicators.
 * When full, what is new becomes `other`.
 */
export class NameTable {
  readonly #indexes = new Map<string, number>([[OTHER, 0]]);
  readonly #names: string[] = [OTHER];

  /** How many names there are, `other` among them. */
  get size(): number {
    return this.#names.length;
  }

  has(name: string): boolean {
    return this.#indexes.has(name);
  }

  /** The index of a name; 0 (`other`) when the table is full. */
  intern(name: string): number {
    const known = this.#indexes.get(name);
    if (known !== undefined) return known;
    if (this.#names.length >= MAX_NAMES) return 0;
    const index = this.#names.push(name) - 1;
    this.#indexes.set(name, index);
    return index;
  }

  name(index: number): string {
    return this.#names[index] as string;
  }
}
