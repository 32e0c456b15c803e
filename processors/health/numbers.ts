import { LRUCache } from 'lru-cache';

/** Numbers that stand for texts: the same text has the same number while it is one of the `limit` asked for last. */
export class TextNumbers {
  readonly #known: LRUCache<string, number>;
  #next = 0;

  constructor(limit: number) {
    this.#known = new LRUCache({ max: limit });
  }

  /** The number of a text. None stands for two texts, ever. */
  of(text: string): number {
    let number = this.#known.get(text);
    if (number === undefined) {
      number = this.#next++;
      this.#known.set(text, number);
    }
    return number;
  }
}
