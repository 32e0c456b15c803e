import { huffmanDecode } from './huffman.ts';
import { ERROR, type Headers, Http2Error } from './protocol.ts';
import { STATIC_NAMES, STATIC_VALUES } from './static-table.ts';

/** SETTINGS_HEADER_TABLE_SIZE as it begins, which we leave as it is. */
const TABLE_BYTES_MAX = 4096;
/** What an entry counts beside its name and value (RFC 7541, 4.1). */
const ENTRY_BYTES = 32;
/** So many entries fit at most; a power of two. */
const ENTRIES_MAX = TABLE_BYTES_MAX / ENTRY_BYTES;
/** The shortest Huffman code has five bits: a string grows by less than this. */
const HUFFMAN_GROWTH = 1.6;
/** Integers in a header block are sizes and indexes: none needs more. */
const INTEGER_MAX = 2 ** 24;

/** What a header block said. `isTooLarge`: more than was allowed, of which the rest was read and left out. */
export interface HeaderList {
  readonly headers: Headers;
  /** Names in the order they came, with repetitions. */
  readonly names: readonly string[];
  readonly hasRepetitions: boolean;
  readonly isTooLarge: boolean;
}

/** HPACK (RFC 7541) for one direction of one connection: its dynamic table lives as long as that. */
export class HeaderDecoder {
  readonly #listBytesMax: number;
  /** A ring: the newest entry at `#newest`, older ones behind it. */
  readonly #names: string[] = Array.from({ length: ENTRIES_MAX }, () => '');
  readonly #values: string[] = Array.from({ length: ENTRIES_MAX }, () => '');
  #newest = 0;
  #count = 0;
  #bytesUsed = 0;
  #bytesMax = TABLE_BYTES_MAX;
  #block: Buffer = EMPTY;
  #pos = 0;
  #end = 0;

  /** `listBytesMax`: the SETTINGS_MAX_HEADER_LIST_SIZE that was announced. */
  constructor(listBytesMax: number) {
    this.#listBytesMax = listBytesMax;
  }

  /** Decodes a whole header block. Throws a `compression` error of the connection. */
  decode(block: Buffer, start: number, end: number): HeaderList {
    this.#block = block;
    this.#pos = start;
    this.#end = end;
    const list = new ListBuilder(this.#listBytesMax);
    this.#resizeTable();
    while (this.#pos < this.#end) this.#field(list);
    this.#block = EMPTY;
    return list;
  }

  /** Changes of the table's size may only stand in front (RFC 7541, 4.2). */
  #resizeTable(): void {
    while (this.#pos < this.#end && ((this.#block[this.#pos] as number) & 0xe0) === 0x20) {
      const bytes = this.#integer(5);
      if (bytes > TABLE_BYTES_MAX) throw new Http2Error(ERROR.compression, `a header table of ${bytes} bytes`);
      this.#bytesMax = bytes;
      this.#evict(0);
    }
  }

  #field(list: ListBuilder): void {
    const first = this.#block[this.#pos] as number;
    if (first >= 0x80) {
      const index = this.#integer(7);
      list.add(this.#nameAt(index), this.#valueAt(index));
    } else if (first >= 0x40) {
      const [name, value] = this.#literal(6);
      this.#insert(name, value);
      list.add(name, value);
    } else if (first >= 0x20) {
      throw new Http2Error(ERROR.compression, 'the header table is resized behind a header');
    } else {
      const [name, value] = this.#literal(4);
      list.add(name, value);
    }
  }

  #literal(prefixBits: number): readonly [string, string] {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#string() : this.#nameAt(index);
    return [name, this.#string()];
  }

  #nameAt(index: number): string {
    const own = index - STATIC_NAMES.length;
    this.#checkIndex(index, own);
    return own < 0 ? (STATIC_NAMES[index] as string) : (this.#names[this.#slot(own)] as string);
  }

  #valueAt(index: number): string {
    const own = index - STATIC_NAMES.length;
    return own < 0 ? (STATIC_VALUES[index] as string) : (this.#values[this.#slot(own)] as string);
  }

  #checkIndex(index: number, own: number): void {
    if (index === 0 || own >= this.#count) throw new Http2Error(ERROR.compression, `there is no header ${index}`);
  }

  /** Where entry `age` lies, 0 being the newest. */
  #slot(age: number): number {
    return (this.#newest - age) & (ENTRIES_MAX - 1);
  }

  #insert(name: string, value: string): void {
    const bytes = name.length + value.length + ENTRY_BYTES;
    this.#evict(bytes);
    if (bytes > this.#bytesMax) return;
    this.#newest = (this.#newest + 1) & (ENTRIES_MAX - 1);
    this.#names[this.#newest] = name;
    this.#values[this.#newest] = value;
    this.#count++;
    this.#bytesUsed += bytes;
  }

  /** Makes room for an entry of `bytes`, oldest first. */
  #evict(bytes: number): void {
    while (this.#count > 0 && this.#bytesUsed + bytes > this.#bytesMax) {
      const slot = this.#slot(--this.#count);
      this.#bytesUsed -= (this.#names[slot] as string).length + (this.#values[slot] as string).length + ENTRY_BYTES;
      this.#names[slot] = '';
      this.#values[slot] = '';
    }
  }

  /** An integer with a prefix of so many bits (RFC 7541, 5.1). */
  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = this.#byte() & mask;
    if (value < mask) return value;
    let factor = 1;
    for (;;) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (value > INTEGER_MAX) throw new Http2Error(ERROR.compression, 'a number in a header block is absurd');
      if (byte < 0x80) return value;
      factor *= 128;
      if (factor > INTEGER_MAX) throw new Http2Error(ERROR.compression, 'a number in a header block is too long');
    }
  }

  #string(): string {
    const isHuffman = ((this.#block[this.#pos] as number) & 0x80) !== 0;
    const length = this.#integer(7);
    const start = this.#pos;
    if (length > this.#end - start) throw new Http2Error(ERROR.compression, 'a header block ends within a string');
    this.#pos += length;
    if (!isHuffman) return this.#block.toString('latin1', start, this.#pos);
    const decoded = scratch(Math.ceil(length * HUFFMAN_GROWTH) + 1);
    return decoded.toString('latin1', 0, huffmanDecode(this.#block, start, this.#pos, decoded));
  }

  #byte(): number {
    if (this.#pos >= this.#end) throw new Http2Error(ERROR.compression, 'a header block ends too early');
    return this.#block[this.#pos++] as number;
  }
}

class ListBuilder implements HeaderList {
  readonly headers: Record<string, string | undefined> = Object.create(null) as Record<string, string | undefined>;
  readonly names: string[] = [];
  hasRepetitions = false;
  isTooLarge = false;
  #bytesLeft: number;

  constructor(bytesMax: number) {
    this.#bytesLeft = bytesMax;
  }

  add(name: string, value: string): void {
    this.#bytesLeft -= name.length + value.length + ENTRY_BYTES;
    if (this.#bytesLeft < 0) {
      this.isTooLarge = true;
      return;
    }
    const before = this.headers[name];
    this.names.push(name);
    if (before === undefined) {
      this.headers[name] = value;
      return;
    }
    this.hasRepetitions = true;
    this.headers[name] = before + (name === 'cookie' ? '; ' : ', ') + value;
  }
}

const EMPTY = Buffer.alloc(0);
let scratchBytes = Buffer.allocUnsafeSlow(1024);

function scratch(length: number): Buffer {
  if (scratchBytes.length < length) scratchBytes = Buffer.allocUnsafeSlow(length);
  return scratchBytes;
}
