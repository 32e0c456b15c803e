import { varintSize, Writer } from './writer.ts';

/**
 * Changes of a protobuf message, gathered in one walk from its beginning to its end, and made in one copy afterwards:
 * what is not changed is copied as blocks. Around each change the lengths of the messages that it lies in are written
 * anew; those around no change stay as they stand.
 */
export class Patches {
  /** Where what is replaced lies, and what stands there instead: bytes, or the length of a message. In order. */
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  readonly #contents: (Uint8Array | number)[] = [];
  #count = 0;
  /** By how many bytes the message grows. */
  #growth = 0;
  #changes = 0;
  /** Of the messages that are open: their place among the patches, and growth and changes before them. */
  readonly #open: number[] = [];

  clear(): void {
    this.#count = 0;
    this.#growth = 0;
    this.#changes = 0;
    this.#contents.length = 0;
    this.#open.length = 0;
    if (this.#starts.length <= KEPT_MAX) return;
    this.#starts.length = 0;
    this.#ends.length = 0;
  }

  get isEmpty(): boolean {
    return this.#changes === 0;
  }

  /** Begins a message whose length stands at `lengthAt`, and whose body at `start`. */
  open(lengthAt: number, start: number): void {
    this.#open.push(this.#count, this.#growth, this.#changes);
    this.#push(lengthAt, start, 0);
  }

  /** Ends the message opened last, whose body has ended at `end`. */
  close(end: number): void {
    const changes = this.#open.pop() as number;
    const growth = this.#open.pop() as number;
    const place = this.#open.pop() as number;
    if (changes === this.#changes) {
      this.#count = place;
      return;
    }
    const start = this.#ends[place] as number;
    const length = end - start + this.#growth - growth;
    this.#contents[place] = length;
    this.#growth += varintSize(length) - (start - (this.#starts[place] as number));
  }

  /** Puts `content` in place of what lies from `start` to `end`. */
  replace(start: number, end: number, content: Uint8Array): void {
    this.#push(start, end, content);
    this.#growth += content.length - (end - start);
    this.#changes++;
  }

  /** Leaves a place at `start` for `removeLater`: it is good until the message that it lies in is closed. */
  mayRemove(start: number): number {
    this.#push(start, start, NOTHING);
    return this.#count - 1;
  }

  /** Removes what lies between a place that was left and `end`. */
  removeLater(place: number, end: number): void {
    this.#ends[place] = end;
    this.#growth -= end - (this.#starts[place] as number);
    this.#changes++;
  }

  /** `bytes`, of which the patches were told, changed; written into what `allocate` gives. */
  apply(bytes: Uint8Array, allocate: (bytes: number) => Uint8Array): Uint8Array {
    const writer = new Writer(allocate(bytes.length + this.#growth + VARINT_MAX));
    let copied = 0;
    for (let i = 0; i < this.#count; i++) {
      const content = this.#contents[i] as Uint8Array | number;
      writer.raw(bytes, copied, this.#starts[i]);
      if (typeof content === 'number') writer.varint(content);
      else writer.raw(content);
      copied = this.#ends[i] as number;
    }
    writer.raw(bytes, copied, bytes.length);
    return writer.finish();
  }

  #push(start: number, end: number, content: Uint8Array | number): void {
    const i = this.#count++;
    this.#starts[i] = start;
    this.#ends[i] = end;
    this.#contents[i] = content;
  }
}

const NOTHING = new Uint8Array();
/** What a writer makes sure of before it writes a number. */
const VARINT_MAX = 10;
/** Patches that are kept room for between two messages. */
const KEPT_MAX = 65_536;
