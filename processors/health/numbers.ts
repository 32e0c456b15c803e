import { LRUCache } from 'lru-cache';

/** What all texts take at most: senders choose them, and one may be as long as a request. */
const TEXTS_BYTES_MAX = 32 * 1024 * 1024;
/** What a text takes beside its characters, roughly. */
const TEXT_BYTES = 128;

/**
 * Numbers that stand for texts: the same text has the same number while it is one of the `limit` asked for last, and these
 * are not too long.
 */
export class TextNumbers {
  readonly #known: LRUCache<string, number>;
  #next = 0;

  constructor(limit: number) {
    this.#known = new LRUCache({
      max: limit,
      maxSize: TEXTS_BYTES_MAX,
      sizeCalculation: (_, text) => TEXT_BYTES + text.length,
    });
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
