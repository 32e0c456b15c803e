import type { InstanceBlock } from '../block.ts';
import { cellNames } from '../block.ts';
import type { Readings } from '../evidence/strata.ts';
import type { OnOverflow } from '../overflow.ts';
import { exposureOf, one } from './counted.ts';
import { readAlike, type Reading, type View } from './reader.ts';

/** Templates told apart; what comes when the table is full is not new, for then nobody could say so. */
const MAX_TEMPLATES = 2000;
/** Two messages of as many words are the same template if at least this part of the words is. */
const SIMILAR = 0.7;
/** What the folder puts together under one name is no signature of its own. */
const OTHER = 'other';

/**
 * The signatures that are known: exceptions by type and place, messages by their template. Messages that differ in few
 * words (a user's name, a table's) are taken for one template, as Drain does with words in fixed places (He et al.,
 * "Drain: an online log parsing approach with fixed depth tree", ICWS 2017).
 *
 * What nobody knew before a block is new in it, whichever version says it. Before it is known, a rare message of both
 * versions comes from the candidate as often as its part of the traffic says; only one of its own keeps coming from it.
 */
export class SignatureKnowledge {
  /** Templates by number of words and first word. */
  readonly #templates = new Map<string, string[][]>();
  #size = 0;
  readonly #onOverflow: OnOverflow;

  constructor(onOverflow: OnOverflow = () => {}) {
    this.#onOverflow = onOverflow;
  }

  /** Occurrences of signatures that are not known, of requests or records. */
  read(view: View): Readings {
    const exposure = exposureOf(view);
    return readAlike(view, (group) => {
      let count = 0;
      for (const [key, { all }] of group.cells('signature')) if (!this.knows(nameOf(key))) count += all;
      return withCount(exposure(group), count);
    });
  }

  /** The new signatures of a group, with their counts. */
  fresh(group: InstanceBlock): ReadonlyMap<string, number> {
    const found = new Map<string, number>();
    for (const [key, { all }] of group.cells('signature')) {
      const name = nameOf(key);
      if (!this.knows(name)) found.set(name, (found.get(name) ?? 0) + all);
    }
    return found;
  }

  knows(signature: string): boolean {
    if (signature === OTHER || this.#size >= MAX_TEMPLATES) return true;
    const words = wordsOf(signature);
    return this.#templates.get(placeOf(words))?.some((known) => isSimilar(known, words)) ?? false;
  }

  /** Takes in the signatures of a block, in the order of names, since of two similar ones the first stays. */
  learn(groups: readonly (InstanceBlock | undefined)[]): void {
    const names = new Set<string>();
    for (const group of groups) for (const key of group?.cells('signature').keys() ?? []) names.add(nameOf(key));
    for (const name of [...names].sort()) this.#add(name);
  }

  save(): readonly string[] {
    return [...this.#templates.values()].flat().map((words) => words.join(' '));
  }

  restore(signatures: readonly string[]): void {
    for (const signature of signatures) {
      const words = wordsOf(signature);
      this.#put(words);
    }
  }

  #add(signature: string): void {
    if (this.#size >= MAX_TEMPLATES && signature !== OTHER) this.#onOverflow('signatures');
    if (this.knows(signature)) return;
    this.#put(wordsOf(signature));
  }

  #put(words: string[]): void {
    const place = placeOf(words);
    const templates = this.#templates.get(place);
    if (templates === undefined) this.#templates.set(place, [words]);
    else templates.push(words);
    this.#size++;
  }
}

function nameOf(key: string): string {
  return cellNames(key)[1];
}

function withCount(all: number, bad: number): ReadonlyMap<string, Reading> {
  // A process that serves nothing and logs nothing but this has as many occasions as it used.
  return one(Math.max(all, bad), bad);
}

function wordsOf(signature: string): string[] {
  return signature.split(' ');
}

function placeOf(words: readonly string[]): string {
  return `${words.length} ${words[0]}`;
}

/** Short ones, and exceptions (`Type at place`), must agree to the letter. */
function isSimilar(known: readonly string[], words: readonly string[]): boolean {
  let same = 0;
  known.forEach((word, i) => {
    if (word === words[i]) same++;
  });
  if (words.length < 5 || words[1] === 'at') return same === words.length;
  return same >= SIMILAR * words.length;
}
