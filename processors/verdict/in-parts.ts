import type { Steps } from './turns.ts';

/** A member as it is, or in parts itself. */
export type PartOf<T> = T | InParts<T>;

/**
 * A value for JSON that is made, and written, member by member: state of many series is never there as a whole, and
 * others can have a turn while it is written. `text` gives what `JSON.stringify` makes of `whole`, to the byte.
 */
export class InParts<T> {
  readonly #isList: boolean;
  readonly #members: () => Iterable<readonly [key: string, member: unknown]>;

  private constructor(isList: boolean, members: () => Iterable<readonly [string, unknown]>) {
    this.#isList = isList;
    this.#members = members;
  }

  /** An array, of what `make` gives for each of the items. */
  static list<Item, T>(items: Iterable<Item>, make: (item: Item) => PartOf<T>): InParts<readonly T[]> {
    return new InParts<readonly T[]>(true, function* () {
      for (const item of items) yield ['', make(item)];
    });
  }

  static pair<A, B>(first: PartOf<A>, second: PartOf<B>): InParts<readonly [A, B]> {
    const members = [
      ['', first],
      ['', second],
    ] as const;
    return new InParts<readonly [A, B]>(true, () => members);
  }

  /** An object; none of its members may be undefined. */
  static record<T extends object>(members: { readonly [Key in keyof T]: PartOf<T[Key]> }): InParts<T> {
    return new InParts<T>(false, () => Object.entries(members));
  }

  whole(): T {
    const members = Array.from(this.#members(), ([key, member]) => {
      return [key, member instanceof InParts ? (member.whole() as unknown) : member] as const;
    });
    return (this.#isList ? members.map(([, member]) => member) : Object.fromEntries(members)) as T;
  }

  /** Its JSON; pauses after each part that is not in parts itself. */
  *text(): Steps<string> {
    let text = '';
    for (const [key, member] of this.#members()) {
      if (text !== '') text += ',';
      if (!this.#isList) text += `${JSON.stringify(key)}:`;
      text += member instanceof InParts ? yield* member.text() : JSON.stringify(member);
      yield;
    }
    return this.#isList ? `[${text}]` : `{${text}}`;
  }
}
