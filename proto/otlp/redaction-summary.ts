import type { Patches } from '../wire/patches.ts';
import { attribute } from './any-value.ts';

/** How much a summary tells: nothing, how many, or also which. */
export type SummaryDetail = 'silent' | 'info' | 'debug';

/** What may have become of an attribute, in the order in which it is written. */
export const OUTCOMES = ['redacted', 'masked', 'allowed', 'ignored'] as const;
export type Outcome = (typeof OUTCOMES)[number];

const PARTS = ['', 'body.'] as const;

/** The attributes of a summary, as the Collector names them. It never lists what was ignored. */
export const SUMMARY_KEYS: readonly string[] = PARTS.flatMap((part) =>
  OUTCOMES.flatMap((outcome) => [
    ...(outcome === 'ignored' ? [] : [`redaction.${part}${outcome}.keys`]),
    `redaction.${part}${outcome}.count`,
  ]),
);

/** A summary that is there already, from a redaction before this one. */
interface Earlier {
  readonly value: string;
  /** For `Patches.removeLater`. */
  readonly place: number;
  readonly end: number;
}

/** What became of the attributes of one message, and of its body. */
export class Summary {
  readonly #detail: SummaryDetail;
  readonly #counts = new Map<string, number>();
  readonly #keys = new Map<string, string[]>();
  readonly #earlier = new Map<string, Earlier>();

  constructor(detail: SummaryDetail) {
    this.#detail = detail;
  }

  count(outcome: Outcome, isBody: boolean, path: string): void {
    const name = `redaction.${isBody ? 'body.' : ''}${outcome}`;
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    if (this.#detail !== 'debug' || outcome === 'ignored') return;
    const keys = this.#keys.get(name);
    if (keys === undefined) this.#keys.set(name, [path]);
    else keys.push(path);
  }

  /** Remembers a summary that is there, to be added to; of one that is there twice the last. */
  found(key: string, earlier: Earlier): void {
    this.#earlier.set(key, earlier);
  }

  /** Writes the summary behind everything else of a message that ends at `end`, in place of an earlier one. */
  write(patches: Patches, attributesField: number, end: number): void {
    for (const [name, count] of this.#counts) {
      const keys = this.#keys.get(name);
      if (keys !== undefined) {
        const before = this.#replaced(patches, `${name}.keys`);
        const all = [...keys, ...(before === '' ? [] : before.split(','))].sort();
        patches.replace(end, end, attribute(attributesField, `${name}.keys`, all.join(',')));
      }
      const before = Number(this.#replaced(patches, `${name}.count`));
      const total = count + (Number.isSafeInteger(before) && before > 0 ? before : 0);
      patches.replace(end, end, attribute(attributesField, `${name}.count`, total));
    }
  }

  /** What stood under a key that is written anew. */
  #replaced(patches: Patches, key: string): string {
    const earlier = this.#earlier.get(key);
    if (earlier === undefined) return '';
    patches.removeLater(earlier.place, earlier.end);
    return earlier.value;
  }
}
