import { type DeltaSeries, EXEMPLARS, type SeriesKind } from '../../proto/windback/health.ts';
import { FirstNames } from './first-names.ts';
import { InParts } from './in-parts.ts';
import type { Limit, OnOverflow } from './overflow.ts';
import { type SavedBins, SparseBins } from './sparse-bins.ts';
import type { Steps } from './turns.ts';

/** How much a block may tell apart, and who is told of what is more. */
export interface BlockLimits {
  /** Instances of a version. */
  readonly instances: number;
  /** Pairs of operation and name of one kind, of one instance. */
  readonly cells: number;
  readonly onOverflow: OnOverflow;
}

/** Folding limits operations first, so this only bounds what a stranger sends. */
export const MAX_CELLS = 1000;
const USUAL_LIMITS: BlockLimits = { instances: 1000, cells: MAX_CELLS, onOverflow: () => {} };

const NO_BINS = new SparseBins();

/** Counts of one series over a block. */
export class Cell {
  all = 0;
  bad = 0;
  #bins = NO_BINS;

  get bins(): SparseBins {
    return this.#bins;
  }

  add({ all, bad, bins }: DeltaSeries): void {
    this.all += all;
    this.bad += bad;
    if (bins.bin.length > 0) this.#ownBins().addAll(bins.bin, bins.count);
  }

  merge(other: Cell): void {
    this.all += other.all;
    this.bad += other.bad;
    if (other.bins.size > 0) this.#ownBins().add(other.bins);
  }

  restore(all: number, bad: number, bins: SavedBins): void {
    this.all = all;
    this.bad = bad;
    if (bins.length > 0) this.#ownBins().addSaved(bins);
  }

  /** Most kinds have no bins, and then nothing is kept for them. */
  #ownBins(): SparseBins {
    if (this.#bins === NO_BINS) this.#bins = new SparseBins();
    return this.#bins;
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

/** What is told apart within each kind: the limit that is hit when it is too much. */
const TOLD_APART: Readonly<Record<SeriesKind, Limit>> = {
  span: 'operations',
  metric: 'operations',
  log: 'operations',
  custom: 'operations',
  calls: 'callees',
  origin: 'callees',
  signature: 'signatures',
  resource: 'metrics',
};

/** Cells of one kind, and their sums. */
interface Cells {
  readonly table: FirstNames<Cell>;
  readonly sum: { all: number; bad: number };
}

const NO_CELLS: ReadonlyMap<string, Cell> = new Map();
const NOTHING = { all: 0, bad: 0 } as const;

/** What an instance, or a group of them, did in a block: cells by kind, operation and name. */
export class InstanceBlock {
  /** First and last slot in which it was seen; 0 before that. */
  first = 0;
  last = 0;
  #kinds: Map<SeriesKind, Cells> | undefined;
  readonly #limits: BlockLimits;

  constructor(limits = USUAL_LIMITS) {
    this.#limits = limits;
  }

  cells(kind: SeriesKind): ReadonlyMap<string, Cell> {
    return this.#kinds?.get(kind)?.table.entries ?? NO_CELLS;
  }

  add(series: DeltaSeries): void {
    const { kind, all, bad } = series;
    const cells = this.#cells(kind);
    cells.sum.all += all;
    cells.sum.bad += bad;
    this.#cell(cells, kind, cellKey(series.operation, series.name)).add(series);
  }

  see(first: number, last = first): void {
    if (this.first === 0 || first < this.first) this.first = first;
    if (last > this.last) this.last = last;
  }

  merge(other: InstanceBlock, kinds: Iterable<SeriesKind> = other.#kinds?.keys() ?? []): void {
    if (other.first > 0) this.see(other.first, other.last);
    for (const kind of kinds) {
      const added = other.#kinds?.get(kind);
      if (added === undefined) continue;
      const cells = this.#cells(kind);
      cells.sum.all += added.sum.all;
      cells.sum.bad += added.sum.bad;
      for (const [key, cell] of added.table.entries) this.#cell(cells, kind, key).merge(cell);
    }
  }

  /** Sums over all operations and names of a kind. */
  total(kind: SeriesKind): { readonly all: number; readonly bad: number } {
    return this.#kinds?.get(kind)?.sum ?? NOTHING;
  }

  save(): InstanceState {
    return [
      [this.first, this.last],
      [...(this.#kinds ?? [])].map(
        ([kind, { table }]) =>
          [
            kind,
            [...table.entries].map(([key, { all, bad, bins }]) => [key, all, bad, bins.packed()] as const),
          ] as const,
      ),
    ];
  }

  restore([seen, kinds]: InstanceState): void {
    [this.first, this.last] = seen;
    for (const [kind, saved] of kinds) {
      const cells = this.#cells(kind);
      for (const [key, all, bad, bins] of saved) {
        cells.sum.all += all;
        cells.sum.bad += bad;
        this.#cell(cells, kind, key).restore(all, bad, bins);
      }
    }
  }

  #cells(kind: SeriesKind): Cells {
    this.#kinds ??= new Map();
    let cells = this.#kinds.get(kind);
    if (cells === undefined) {
      cells = { table: new FirstNames(this.#limits.cells, newCell), sum: { all: 0, bad: 0 } };
      this.#kinds.set(kind, cells);
    }
    return cells;
  }

  #cell({ table }: Cells, kind: SeriesKind, key: string): Cell {
    return table.entries.get(key) ?? table.of(key, () => this.#limits.onOverflow(TOLD_APART[kind]));
  }
}

function newCell(): Cell {
  return new Cell();
}

type InstanceState = readonly [
  seen: readonly [first: number, last: number],
  kinds: readonly (readonly [
    SeriesKind,
    readonly (readonly [key: string, all: number, bad: number, bins: SavedBins])[],
  ])[],
];

/** Bad and all by slot. */
export type Slots = Map<number, { all: number; bad: number }>;

/** What one version did in one block. Sums only, so that deltas may come in any order and grouping. */
export class VersionBlock {
  /** By kind: what the windows are made of. */
  readonly slots = new Map<SeriesKind, Slots>();
  readonly #instances: FirstNames<InstanceBlock>;
  readonly #totals = new Map<SeriesKind, { all: number; bad: number }>();
  readonly #limits: BlockLimits;
  /** The smallest trace ids, ascending. */
  #exemplars: string[] = [];

  constructor(limits = USUAL_LIMITS) {
    this.#limits = limits;
    this.#instances = new FirstNames(limits.instances, () => new InstanceBlock(limits));
  }

  get instances(): ReadonlyMap<string, InstanceBlock> {
    return this.#instances.entries;
  }

  get exemplars(): readonly string[] {
    return this.#exemplars;
  }

  add(series: DeltaSeries, slot: number): void {
    const { kind, all, bad } = series;
    if (series.exemplars.length > 0) this.#addExemplars(series.exemplars);
    const instance = this.#instance(series.instance);
    instance.see(slot);
    instance.add(series);
    this.#addToTotal(kind, all, bad);
    if (WINDOWED.has(kind)) this.#addToSlot(series, slot);
  }

  /** Takes in another block of the same version, but for what only windows need. */
  *merge(other: VersionBlock, kinds: readonly SeriesKind[]): Steps<void> {
    for (const [name, block] of other.instances) {
      this.#instance(name).merge(block, kinds);
      yield;
    }
    for (const kind of kinds) {
      const { all, bad } = other.total(kind);
      if (other.has(kind)) this.#addToTotal(kind, all, bad);
    }
  }

  get lastSlot(): number {
    let last = 0;
    for (const one of this.instances.values()) last = Math.max(last, one.last);
    return last;
  }

  has(kind: SeriesKind): boolean {
    return this.#totals.has(kind);
  }

  total(kind: SeriesKind): { readonly all: number; readonly bad: number } {
    return this.#totals.get(kind) ?? NOTHING;
  }

  /** What `restore` takes, as it is written. */
  parts(): InParts<VersionState> {
    return InParts.record<VersionState>({
      instances: InParts.list(this.instances, ([name, one]) => [name, one.save()] as const),
      exemplars: this.#exemplars,
      slots: [...this.slots].map(
        ([kind, slots]) => [kind, [...slots].map(([slot, { all, bad }]) => [slot, all, bad] as const)] as const,
      ),
    });
  }

  restore(state: VersionState): void {
    for (const [name, saved] of state.instances) {
      const one = this.#instance(name);
      one.restore(saved);
      for (const [kind] of saved[1]) this.#addToTotal(kind, one.total(kind).all, one.total(kind).bad);
    }
    this.#exemplars = [...state.exemplars];
    for (const [kind, slots] of state.slots) {
      this.slots.set(kind, new Map(slots.map(([slot, all, bad]) => [slot, { all, bad }])));
    }
  }

  #instance(name: string): InstanceBlock {
    return this.instances.get(name) ?? this.#instances.of(name, () => this.#limits.onOverflow('instances'));
  }

  #addToTotal(kind: SeriesKind, all: number, bad: number): void {
    const sum = this.#totals.get(kind);
    if (sum === undefined) {
      this.#totals.set(kind, { all, bad });
      return;
    }
    sum.all += all;
    sum.bad += bad;
  }

  #addExemplars(ids: readonly string[]): void {
    this.#exemplars = [...new Set([...this.#exemplars, ...ids])].sort().slice(0, EXEMPLARS);
  }

  #addToSlot({ kind, all, bad }: DeltaSeries, slot: number): void {
    let slots = this.slots.get(kind);
    if (slots === undefined) {
      slots = new Map();
      this.slots.set(kind, slots);
    }
    const pair = slots.get(slot);
    if (pair === undefined) {
      slots.set(slot, { all, bad });
      return;
    }
    pair.all += all;
    pair.bad += bad;
  }
}

const WINDOWED: ReadonlySet<SeriesKind> = new Set(['span', 'metric', 'log']);

export interface VersionState {
  readonly instances: readonly (readonly [string, InstanceState])[];
  readonly exemplars: readonly string[];
  readonly slots: readonly (readonly [SeriesKind, readonly (readonly [number, number, number])[]])[];
}

/** What a `Block` keeps. */
export interface BlockState {
  readonly unknown: number;
  readonly versions: readonly (readonly [string, VersionState])[];
}

/** One block of one service, by version. The versions that may be here are the judge's to limit. */
export class Block {
  readonly versions = new Map<string, VersionBlock>();
  /** Requests of the service that named no version: somebody's, nobody knows whose. */
  unknown = 0;
  readonly #limits: BlockLimits;

  constructor(limits = USUAL_LIMITS) {
    this.#limits = limits;
  }

  version(version: string): VersionBlock {
    let block = this.versions.get(version);
    if (block === undefined) {
      block = new VersionBlock(this.#limits);
      this.versions.set(version, block);
    }
    return block;
  }

  /** Takes in another block, of certain kinds. */
  *merge(other: Block, kinds: readonly SeriesKind[]): Steps<void> {
    for (const [version, block] of other.versions) yield* this.version(version).merge(block, kinds);
  }

  save(): BlockState {
    return this.parts().whole();
  }

  /** What `save` gives, as it is written. */
  parts(): InParts<BlockState> {
    const { unknown } = this;
    return InParts.record<BlockState>({
      unknown,
      versions: InParts.list(this.versions, ([name, one]) => InParts.pair(name, one.parts())),
    });
  }

  restore({ unknown, versions }: BlockState): this {
    this.unknown = unknown;
    for (const [name, saved] of versions) this.version(name).restore(saved);
    return this;
  }
}
