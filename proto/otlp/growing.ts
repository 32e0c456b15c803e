import { WireError } from '../wire/reader.ts';
import type { Columns, ResourceColumns } from './columns.ts';

type Numbers = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;

/**
 * How many items and groups one request may have. An item takes two bytes at least, its columns some eighty, and the
 * tag of a group hundreds: without a limit a small compressed request would fill the memory.
 */
export const ITEMS_MAX = 1 << 20;
export const GROUPS_MAX = 1 << 17;
/** What a group takes: its columns, and the tag that it may get. */
export const GROUP_BYTES = 512;

/** Columns of more entries are given back after the request that needed them. */
const KEPT_CAPACITY = 1 << 14;
/**
 * What sets of columns may take that are kept for the next requests. A request in a queue keeps its own, so that those of a
 * queue that empties come back, and are wanted again when it fills: this is enough for some 16 MiB of requests.
 */
const KEPT_BYTES = 4 * 1024 * 1024;
/** What a set takes beside its entries, more or less. */
const SET_BYTES = 2048;

/** More items or groups than one request may have, or than there is memory for. */
export class TooManyEntries extends WireError {}

/** Columns that a scanner fills: they grow with what comes, and are filled again after that. */
export class GrowingColumns<Layout extends Record<string, Numbers>> {
  readonly columns: Layout;
  capacity: number;
  readonly #limit: number;
  readonly #entryBytes: number;
  /** Of the request that is read now. */
  #entriesMax: number;

  /** `limit`: how many entries one request may have; `entryBytes`: what one takes, where that is more than is here. */
  constructor(layout: Layout, capacity: number, limit = ITEMS_MAX, entryBytes = entryBytesOf(layout)) {
    this.columns = layout;
    this.capacity = capacity;
    this.#limit = limit;
    this.#entryBytes = entryBytes;
    this.#entriesMax = limit;
  }

  /** What the columns take. */
  get bytes(): number {
    return SET_BYTES + this.capacity * entryBytesOf(this.columns);
  }

  /** A request begins, of which the entries may take `bytesMax`. */
  begin(bytesMax: number): void {
    this.trim();
    this.#entriesMax = Math.min(this.#limit, Math.floor(bytesMax / this.#entryBytes));
  }

  /** Makes room for entry `index`, of which the bytes lie at `at`. Throws `TooManyEntries`. */
  ensure(index: number, at: number): void {
    if (index >= this.#entriesMax)
      throw new TooManyEntries(`more than ${this.#entriesMax} entries in one request,`, at);
    if (index >= this.capacity) this.#resize(this.capacity * 2);
  }

  /** The first `count` entries of every column, in arrays of their own. */
  copy(count: number): Layout {
    const copy: Record<string, Numbers> = {};
    for (const name in this.columns) copy[name] = (this.columns[name] as Numbers).slice(0, count);
    return copy as Layout;
  }

  /** Writes over all entries. */
  poison(): void {
    for (const name in this.columns) (this.columns[name] as Numbers).fill(0xdb);
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

/** What one entry takes in all columns together, bytes; whatever else is there is passed over. */
export function entryBytesOf(columns: object): number {
  let bytes = 0;
  for (const column of Object.values(columns))
    if (ArrayBuffer.isView(column)) bytes += (column as Numbers).BYTES_PER_ELEMENT;
  return bytes;
}

const entryBytes = new Map<string, number>();

/** What the columns of a request take, bytes: by its items and groups, not by how far they had grown before. */
export function columnBytesOf(columns: Columns): number {
  let bytes = entryBytes.get(columns.signal);
  if (bytes === undefined) {
    bytes = entryBytesOf(columns);
    entryBytes.set(columns.signal, bytes);
  }
  return columns.count * bytes + columns.resources.count * GROUP_BYTES;
}

/** Where the columns of a request go when nobody reads them any more. */
export interface ColumnsLease {
  onColumnsEnd(giveBack: () => void): void;
}

/**
 * The columns of one scanner. A request that is leased gets the columns themselves, with entries of earlier requests
 * behind its own, and they come back; any other gets a copy at its exact size, so a scan allocates nothing per item.
 */
export class ColumnSets<Layout extends Record<string, Numbers>> {
  /** Writes over columns that come back, so that a test sees whoever still reads them. */
  static isPoisoning = false;
  readonly #make: () => GrowingColumns<Layout>;
  readonly #idle: GrowingColumns<Layout>[] = [];
  #idleBytes = 0;
  current: GrowingColumns<Layout>;

  constructor(make: () => GrowingColumns<Layout>) {
    this.#make = make;
    this.current = make();
  }

  /** The `count` entries that were filled in. */
  finish(count: number, lease: ColumnsLease | undefined): Layout {
    if (lease === undefined) return this.current.copy(count);
    const lent = this.current;
    this.current = this.#take();
    lease.onColumnsEnd(() => {
      if (ColumnSets.isPoisoning) lent.poison();
      this.#keep(lent);
    });
    return lent.columns;
  }

  #take(): GrowingColumns<Layout> {
    const idle = this.#idle.pop();
    if (idle === undefined) return this.#make();
    this.#idleBytes -= idle.bytes;
    return idle;
  }

  #keep(set: GrowingColumns<Layout>): void {
    set.trim();
    if (this.#idleBytes + set.bytes > KEPT_BYTES) return;
    this.#idleBytes += set.bytes;
    this.#idle.push(set);
  }
}

/** Collects the groups (ResourceSpans and so on) of one request. */
export class ResourceCollector {
  readonly #sets = new ColumnSets(
    () =>
      new GrowingColumns(
        {
          groupOffset: new Uint32Array(16),
          groupLength: new Uint32Array(16),
          offset: new Uint32Array(16),
          length: new Uint32Array(16),
        },
        16,
        GROUPS_MAX,
        GROUP_BYTES,
      ),
  );
  #count = 0;

  /** A request begins, of which the groups may take `bytesMax`. */
  begin(bytesMax: number): void {
    this.#count = 0;
    this.#sets.current.begin(bytesMax);
  }

  /** Opens the group whose message lies at `offset`; returns its index. */
  open(offset: number, length: number): number {
    const index = this.#count++;
    this.#sets.current.ensure(index, offset);
    const { columns } = this.#sets.current;
    columns.groupOffset[index] = offset;
    columns.groupLength[index] = length;
    columns.offset[index] = 0;
    columns.length[index] = 0;
    return index;
  }

  /** Notes where the Resource of group `index` lies. */
  resource(index: number, offset: number, length: number): void {
    const { columns } = this.#sets.current;
    columns.offset[index] = offset;
    columns.length[index] = length;
  }

  finish(lease: ColumnsLease | undefined): ResourceColumns {
    return { count: this.#count, ...this.#sets.finish(this.#count, lease) };
  }
}
