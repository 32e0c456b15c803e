import type { ResourceColumns } from './columns.ts';

type Numbers = Uint8Array | Uint16Array | Uint32Array | Float64Array;

/**
 * Scratch columns that a scanner fills and then copies out at their exact size. They are kept between requests, so
 * that a scan allocates one block per column and nothing per item.
 */
export class GrowingColumns<Layout extends Record<string, Numbers>> {
  readonly columns: Layout;
  capacity: number;

  constructor(layout: Layout, capacity: number) {
    this.columns = layout;
    this.capacity = capacity;
  }

  /** Makes room for entry `index`. */
  ensure(index: number): void {
    if (index < this.capacity) return;
    this.capacity *= 2;
    for (const name in this.columns) {
      const old = this.columns[name] as Numbers;
      const Type = old.constructor as new (length: number) => typeof old;
      const grown = new Type(this.capacity);
      grown.set(old);
      this.columns[name] = grown as Layout[typeof name];
    }
  }

  /** The first `count` entries of every column, in arrays of their own. */
  copy(count: number): Layout {
    const copy: Record<string, Numbers> = {};
    for (const name in this.columns) copy[name] = (this.columns[name] as Numbers).slice(0, count);
    return copy as Layout;
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
  );
  #count = 0;

  clear(): void {
    this.#count = 0;
  }

  /** Opens the group whose message lies at `offset`; returns its index. */
  open(offset: number, length: number): number {
    const index = this.#count++;
    this.#columns.ensure(index);
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
