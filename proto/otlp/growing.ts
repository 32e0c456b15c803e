import { WireError } from '../wire/reader.ts';
import type { ResourceColumns } from './columns.ts';

type Numbers = Uint8Array | Uint16Array | Uint32Array | Float64Array;

/**
 * How many items and groups one request may have. An item takes two bytes at least, its columns some fifty, and the
 * tag of a group hundreds: without a limit a small compressed request would fill the memory.
 */
export const ITEMS_MAX = 1 << 20;
export const GROUPS_MAX = 1 << 17;

/** Scratch columns of more entries are given back after the request that needed them. */
const KEPT_CAPACITY = 1 << 16;

/**
 * Scratch columns that a scanner fills and then copies out at their exact size. They are kept between requests, so
 * that a scan allocates one block per column and nothing per item.
 */
export class GrowingColumns<Layout extends Record<string, Numbers>> {
  readonly columns: Layout;
  capacity: number;
  readonly #limit: number;

  constructor(layout: Layout, capacity: number, limit = ITEMS_MAX) {
    this.columns = layout;
    this.capacity = capacity;
    this.#limit = limit;
  }

  /** Makes room for entry `index`, of which the bytes lie at `at`. Throws `WireError` where there are too many. */
  ensure(index: number, at: number): void {
    if (index < this.capacity) return;
    if (index >= this.#limit) throw new WireError(`more than ${this.#limit} entries in one request,`, at);
    this.#resize(this.capacity * 2);
  }

  /** The first `count` entries of every column, in arrays of their own. */
  copy(count: number): Layout {
    const copy: Record<string, Numbers> = {};
    for (const name in this.columns) copy[name] = (this.columns[name] as Numbers).slice(0, count);
    return copy as Layout;
  }

  /** Gives back what an unusually large request has taken. */
  trim(): void {
    if (this.capacity > KEPT_CAPACITY) this.#resize(KEPT_CAPACITY);
  }

  #resize(capacity: number): void {
    for (const name in this.columns) {
      const old = this.columns[name] as Numbers;
      const Type = old.constructor as new (length: number) => typeof old;
      const resized = new Type(capacity);
      resized.set(capacity < this.capacity ? old.subarray(0, capacity) : old);
      this.columns[name] = resized as Layout[typeof name];
    }
    this.capacity = capacity;
  }
}

/** Collects the groups (ResourceSpans and so on) of one request. */
export class ResourceCollector {
  readonly #columns = new GrowingColumns(
    {
      groupOffset: new Uint32Array(16),
      groupLength: new Uint32Array(16),
      offset: new Uint32Array(16),
      length: new Uint32Array(16),
    },
    16,
    GROUPS_MAX,
  );
  #count = 0;

  clear(): void {
    this.#count = 0;
    this.#columns.trim();
  }

  /** Opens the group whose message lies at `offset`; returns its index. */
  open(offset: number, length: number): number {
    const index = this.#count++;
    this.#columns.ensure(index, offset);
    const { columns } = this.#columns;
    columns.groupOffset[index] = offset;
    columns.groupLength[index] = length;
    columns.offset[index] = 0;
    columns.length[index] = 0;
    return index;
  }

  /** Notes where the Resource of group `index` lies. */
  resource(index: number, offset: number, length: number): void {
    const { columns } = this.#columns;
    columns.offset[index] = offset;
    columns.length[index] = length;
  }

  finish(): ResourceColumns {
    return { count: this.#count, ...this.#columns.copy(this.#count) };
  }
}
