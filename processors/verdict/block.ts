import type { DeltaSeries, SeriesKind } from '../../proto/windback/health.ts';

/** Counts of one series over a block. */
export class Cell {
  all = 0;
  bad = 0;
  readonly bins = new Map<number, number>();

  add(series: DeltaSeries): void {
    this.all += series.all;
    this.bad += series.bad;
    series.bins.bin.forEach((bin, i) => this.#addToBin(bin, series.bins.count[i] as number));
  }

  merge(other: Cell): void {
    this.all += other.all;
    this.bad += other.bad;
    for (const [bin, count] of other.bins) this.#addToBin(bin, count);
  }

  #addToBin(bin: number, count: number): void {
    this.bins.set(bin, (this.bins.get(bin) ?? 0) + count);
  }
}

/** What stands between operation and name in the key of a cell. */
const SEPARATOR = '\n';

export function cellKey(operation: string, name: string): string {
  return name === '' ? operation : `${operation}${SEPARATOR}${name}`;
}

/** Operation and name of a cell's key. */
export function cellNames(key: string): readonly [operation: string, name: string] {
  const at = key.indexOf(SEPARATOR);
  return at < 0 ? [key, ''] : [key.slice(0, at), key.slice(at + 1)];
}

const NO_CELLS: ReadonlyMap<string, Cell> = new Map();

/** What an instance, or a group of them, did in a block: cells by kind, operation and name. */
export class InstanceBlock {
  readonly kinds = new Map<SeriesKind, Map<string, Cell>>();

  cells(kind: SeriesKind): ReadonlyMap<string, Cell> {
    return this.kinds.get(kind) ?? NO_CELLS;
  }

  add(series: DeltaSeries): void {
    this.#cell(series.kind, cellKey(series.operation, series.name)).add(series);
  }

  merge(other: InstanceBlock, kinds: Iterable<SeriesKind> = other.kinds.keys()): void {
    for (const kind of kinds) {
      for (const [key, cell] of other.cells(kind)) this.#cell(kind, key).merge(cell);
    }
  }

  /** Sums over all operations and names of a kind. */
  total(kind: SeriesKind): { all: number; bad: number } {
    const sum = { all: 0, bad: 0 };
    for (const { all, bad } of this.cells(kind).values()) {
      sum.all += all;
      sum.bad += bad;
    }
    return sum;
  }

  #cell(kind: SeriesKind, key: string): Cell {
    let cells = this.kinds.get(kind);
    if (cells === undefined) {
      cells = new Map();
      this.kinds.set(kind, cells);
    }
    let cell = cells.get(key);
    if (cell === undefined) {
      cell = new Cell();
      cells.set(key, cell);
    }
    return cell;
  }

  save(): InstanceState {
    return [...this.kinds].map(
      ([kind, cells]) =>
        [kind, [...cells].map(([key, { all, bad, bins }]) => [key, all, bad, [...bins].flat()] as const)] as const,
    );
  }

  restore(state: InstanceState): void {
    for (const [kind, cells] of state) {
      for (const [key, all, bad, bins] of cells) {
        const cell = this.#cell(kind, key);
        cell.all = all;
        cell.bad = bad;
        for (let i = 0; i < bins.length; i += 2) cell.bins.set(bins[i] as number, bins[i + 1] as number);
      }
    }
  }
}

type InstanceState = readonly (readonly [
  SeriesKind,
  readonly (readonly [key: string, all: number, bad: number, bins: readonly number[]])[],
])[];

/** Bad and all by slot. */
export type Slots = Map<number, { all: number; bad: number }>;

/** What one version did in one block. Sums only, so that deltas may come in any order and grouping. */
export class VersionBlock {
  readonly instances = new Map<string, InstanceBlock>();
  /** First and last slot of each instance in this block. */
  readonly seen = new Map<string, { first: number; last: number }>();
  readonly exemplars = new Set<string>();
  /** By kind: what the windows are made of. */
  readonly slots = new Map<SeriesKind, Slots>();

  add(series: DeltaSeries, slot: number): void {
    for (const id of series.exemplars) this.exemplars.add(id);
    const seen = this.seen.get(series.instance);
    this.seen.set(series.instance, {
      first: Math.min(seen?.first ?? slot, slot),
      last: Math.max(seen?.last ?? slot, slot),
    });
    this.#instance(series.instance).add(series);
    if (WINDOWED.has(series.kind)) this.#addToSlot(series, slot);
  }

  /** Takes in another block of the same version, but for what only windows need. */
  merge(other: VersionBlock, kinds: readonly SeriesKind[]): void {
    for (const [instance, block] of other.instances) this.#instance(instance).merge(block, kinds);
  }

  get lastSlot(): number {
    return Math.max(0, ...[...this.seen.values()].map(({ last }) => last));
  }

  has(kind: SeriesKind): boolean {
    return [...this.instances.values()].some((one) => one.cells(kind).size > 0);
  }

  total(kind: SeriesKind): { all: number; bad: number } {
    const sum = { all: 0, bad: 0 };
    for (const one of this.instances.values()) {
      const { all, bad } = one.total(kind);
      sum.all += all;
      sum.bad += bad;
    }
    return sum;
  }

  save(): VersionState {
    return {
      instances: [...this.instances].map(([name, one]) => [name, one.save()] as const),
      seen: [...this.seen].map(([name, { first, last }]) => [name, first, last] as const),
      exemplars: [...this.exemplars],
      slots: [...this.slots].map(
        ([kind, slots]) => [kind, [...slots].map(([slot, { all, bad }]) => [slot, all, bad] as const)] as const,
      ),
    };
  }

  restore(state: VersionState): void {
    for (const [name, saved] of state.instances) this.#instance(name).restore(saved);
    for (const [name, first, last] of state.seen) this.seen.set(name, { first, last });
    for (const id of state.exemplars) this.exemplars.add(id);
    for (const [kind, slots] of state.slots) {
      this.slots.set(kind, new Map(slots.map(([slot, all, bad]) => [slot, { all, bad }])));
    }
  }

  #instance(name: string): InstanceBlock {
    let instance = this.instances.get(name);
    if (instance === undefined) {
      instance = new InstanceBlock();
      this.instances.set(name, instance);
    }
    return instance;
  }

  #addToSlot({ kind, all, bad }: DeltaSeries, slot: number): void {
    let slots = this.slots.get(kind);
    if (slots === undefined) {
      slots = new Map();
      this.slots.set(kind, slots);
    }
    const pair = slots.get(slot) ?? { all: 0, bad: 0 };
    pair.all += all;
    pair.bad += bad;
    slots.set(slot, pair);
  }
}

const WINDOWED: ReadonlySet<SeriesKind> = new Set(['span', 'metric', 'log']);

export interface VersionState {
  readonly instances: readonly (readonly [string, InstanceState])[];
  readonly seen: readonly (readonly [string, number, number])[];
  readonly exemplars: readonly string[];
  readonly slots: readonly (readonly [SeriesKind, readonly (readonly [number, number, number])[]])[];
}

export type BlockState = readonly (readonly [string, VersionState])[];

/** One block of one service, by version. */
export class Block {
  readonly versions = new Map<string, VersionBlock>();
  /** Requests of the service that named no version: somebody's, nobody knows whose. */
  unknown = 0;

  version(version: string): VersionBlock {
    let block = this.versions.get(version);
    if (block === undefined) {
      block = new VersionBlock();
      this.versions.set(version, block);
    }
    return block;
  }

  /** Takes in another block, of certain kinds. */
  merge(other: Block, kinds: readonly SeriesKind[]): void {
    for (const [version, block] of other.versions) this.version(version).merge(block, kinds);
  }

  save(): { unknown: number; versions: BlockState } {
    return { unknown: this.unknown, versions: [...this.versions].map(([name, one]) => [name, one.save()] as const) };
  }

  restore({ unknown, versions }: { unknown: number; versions: BlockState }): this {
    this.unknown = unknown;
    for (const [name, saved] of versions) this.version(name).restore(saved);
    return this;
  }
}
