import { setImmediate } from 'node:timers/promises';
import type { Tag } from '../../pipeline/tag.ts';
import {
  type DeltaSeries,
  type DeploymentEvent,
  EXEMPLARS,
  type HealthDelta,
  type SeriesKind,
} from '../../proto/windback/health.ts';
import { BinCounter } from './bin-counter.ts';
import { MAX_NAMES, NameTable } from './names.ts';
import { OperationTable } from './operations.ts';

/** Kinds that are counted by operation alone: `series`. */
const KINDS: readonly SeriesKind[] = ['span', 'metric', 'log'];
export const SPAN = 0;
export const METRIC = 1;
export const LOG = 2;

/** Kinds that are counted by name as well: `named`. */
export type NamedKind = Exclude<SeriesKind, 'span' | 'metric' | 'log'>;
const NAMED: readonly NamedKind[] = ['calls', 'origin', 'signature', 'resource', 'custom'];

/** One series while it is being folded. */
export class Series {
  all = 0;
  bad = 0;
  readonly bins = new BinCounter();
  /** The smallest trace ids, ascending. */
  readonly exemplars: string[] = [];

  addToBin(bin: number, count: number): void {
    this.bins.add(bin, count);
  }

  /** The smallest ids are kept, whichever came first, so that merging in any order gives the same ones. */
  addExemplar(traceId: string): void {
    const { exemplars } = this;
    if (exemplars.length === EXEMPLARS && traceId >= (exemplars[EXEMPLARS - 1] as string)) return;
    if (exemplars.includes(traceId)) return;
    exemplars.push(traceId);
    exemplars.sort();
    if (exemplars.length > EXEMPLARS) exemplars.pop();
  }
}

/** The slots of one tagged resource since the last flush. */
export class ResourceSeries {
  readonly tag: Tag;
  readonly operations: OperationTable;
  readonly names: NameTable;
  readonly #slots = new Map<number, SlotTable>();
  readonly #budget: SeriesBudget;
  #lastSlot = -1;
  #last: SlotTable = emptySlot();

  constructor(tag: Tag, { operations, names }: Tables, budget: SeriesBudget) {
    this.tag = tag;
    this.operations = operations;
    this.names = names;
    this.#budget = budget;
  }

  /** The series of an operation and kind in a slot; undefined when the budget is spent. */
  series(slot: number, operation: number, kind: number): Series | undefined {
    // Spans of one resource mostly stand in the order of time: the slot is nearly always the last one asked for.
    if (slot !== this.#lastSlot) this.#turnTo(slot);
    const index = operation * KINDS.length + kind;
    const existing = this.#last.plain[index];
    if (existing !== undefined) return existing;
    const series = this.#open();
    if (series !== undefined) this.#last.plain[index] = series;
    return series;
  }

  /** The series of a kind that is counted by name (an index of `names`) too; undefined when the budget is spent. */
  named(slot: number, operation: number, kind: NamedKind, name: number): Series | undefined {
    if (slot !== this.#lastSlot) this.#turnTo(slot);
    const index = (operation * MAX_NAMES + name) * NAMED.length + NAMED.indexOf(kind);
    const existing = this.#last.named.get(index);
    if (existing !== undefined) return existing;
    const series = this.#open();
    if (series !== undefined) this.#last.named.set(index, series);
    return series;
  }

  /** Calls `emit` for each slot with its series. */
  forEachSlot(emit: (slot: number, series: readonly DeltaSeries[]) => void): void {
    for (const [slot, { plain, named }] of this.#slots) {
      const finished: DeltaSeries[] = [];
      plain.forEach((series, index) => {
        if (series === undefined) return;
        const kind = KINDS[index % KINDS.length] as SeriesKind;
        finished.push(this.#finish(series, kind, Math.floor(index / KINDS.length), ''));
      });
      for (const [index, series] of named) {
        const kind = NAMED[index % NAMED.length] as SeriesKind;
        const pair = Math.floor(index / NAMED.length);
        const name = this.names.name(pair % MAX_NAMES);
        finished.push(this.#finish(series, kind, Math.floor(pair / MAX_NAMES), name));
      }
      emit(slot, finished);
    }
  }

  #open(): Series | undefined {
    if (this.#budget.left === 0) return undefined;
    this.#budget.left--;
    return new Series();
  }

  #turnTo(slot: number): void {
    let table = this.#slots.get(slot);
    if (table === undefined) {
      table = emptySlot();
      this.#slots.set(slot, table);
    }
    this.#lastSlot = slot;
    this.#last = table;
  }

  #finish(series: Series, kind: SeriesKind, index: number, name: string): DeltaSeries {
    const { namespace, service, environment, version, instance } = this.tag;
    const operation = WITHOUT_OPERATION.has(kind) || index === NO_OPERATION ? '' : this.operations.name(index);
    const { all, bad, exemplars } = series;
    const bins = series.bins.finish();
    return { namespace, service, environment, version, instance, operation, kind, name, all, bad, bins, exemplars };
  }
}

/** For a named series without an operation. */
export const NO_OPERATION = 0xff_ffff;
const WITHOUT_OPERATION: ReadonlySet<SeriesKind> = new Set(['log', 'signature', 'resource']);

/** What one slot of a resource holds. */
interface SlotTable {
  /** By operation and kind. */
  readonly plain: (Series | undefined)[];
  /** By operation, name and kind. */
  readonly named: Map<number, Series>;
}

function emptySlot(): SlotTable {
  return { plain: [], named: new Map() };
}

/** What the operations and names of one service key are interned in. */
interface Tables {
  readonly operations: OperationTable;
  readonly names: NameTable;
}

/** How many series may still be opened before the next flush. */
export interface SeriesBudget {
  left: number;
}

/** Everything folded since the last flush. */
export class Accumulator {
  readonly #source: string;
  readonly #maxOperations: number;
  readonly #maxSeries: number;
  readonly #tables = new Map<string, Tables>();
  #resources = new Map<Tag, ResourceSeries>();
  #events: DeploymentEvent[] = [];
  #budget: SeriesBudget;

  constructor(source: string, maxOperations: number, maxSeries: number) {
    this.#source = source;
    this.#maxOperations = maxOperations;
    this.#maxSeries = maxSeries;
    this.#budget = { left: maxSeries };
  }

  get seriesCount(): number {
    return this.#maxSeries - this.#budget.left;
  }

  resource(tag: Tag): ResourceSeries {
    let resource = this.#resources.get(tag);
    if (resource === undefined) {
      resource = new ResourceSeries(tag, this.#tablesOf(tag.serviceKey), this.#budget);
      this.#resources.set(tag, resource);
    }
    return resource;
  }

  addEvent(event: DeploymentEvent): void {
    this.#events.push(event);
  }

  /**
   * The deltas since the last flush, one per slot, ascending. What is folded from the call on is for the next flush:
   * others have a turn after every `SERIES_PER_TURN` series.
   */
  async flush(): Promise<HealthDelta[]> {
    const resources = this.#resources;
    const events = this.#events;
    this.#resources = new Map();
    this.#events = [];
    this.#budget = { left: this.#maxSeries };
    this.#forgetNames();
    const slots = new Map<number, { series: DeltaSeries[]; events: DeploymentEvent[] }>();
    const at = (slot: number) => {
      let entry = slots.get(slot);
      if (entry === undefined) {
        entry = { series: [], events: [] };
        slots.set(slot, entry);
      }
      return entry;
    };
    let untilTurn = SERIES_PER_TURN;
    for (const resource of resources.values()) {
      resource.forEachSlot((slot, series) => {
        const { series: all } = at(slot);
        // Not spread: one slot of one resource can have more of them than fit on the stack.
        for (const one of series) all.push(one);
        untilTurn -= series.length;
      });
      if (untilTurn > 0) continue;
      untilTurn = SERIES_PER_TURN;
      await setImmediate();
    }
    for (const event of events) at(Math.floor(event.atSeconds)).events.push(event);
    return [...slots]
      .sort(([a], [b]) => a - b)
      .map(([slot, { series, events }]) => ({ source: this.#source, slot, series, events }));
  }

  /** Makes room where names crowd. Only between flushes: no series to come holds an index then. */
  #forgetNames(): void {
    let all = 0;
    let bytes = 0;
    for (const [key, { operations, names }] of this.#tables) {
      bytes += operations.bytes;
      if (names.size > CROWDED_NAMES) this.#tables.set(key, { operations, names: new NameTable() });
      else all += names.size;
    }
    if (all > MAX_ALL_NAMES || bytes > MAX_OPERATION_BYTES) this.#tables.clear();
  }

  #tablesOf(serviceKey: string): Tables {
    let tables = this.#tables.get(serviceKey);
    if (tables === undefined) {
      // Service keys are few; when they are not, forgetting all names only costs interning them again.
      if (this.#tables.size >= MAX_SERVICE_KEYS) this.#tables.clear();
      tables = { operations: new OperationTable(this.#maxOperations), names: new NameTable() };
      this.#tables.set(serviceKey, tables);
    }
    return tables;
  }
}

/** Series finished at once: some 5 ms. */
const SERIES_PER_TURN = 4096;
const MAX_SERVICE_KEYS = 10_000;
/** Signatures come and go: with more names than this a table is made anew, so that new ones find room. */
const CROWDED_NAMES = MAX_NAMES * 0.75;
/** Names of all service keys together, of some 400 bytes each. */
const MAX_ALL_NAMES = 100_000;
/** Operations of all service keys together: of a million with names that people gave them. */
const MAX_OPERATION_BYTES = 128 * 1024 * 1024;
