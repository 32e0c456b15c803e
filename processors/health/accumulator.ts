import type { Tag } from '../../pipeline/tag.ts';
import {
  type Bins,
  type DeltaSeries,
  type DeploymentEvent,
  EXEMPLARS,
  type HealthDelta,
  type SeriesKind,
} from '../../proto/windback/health.ts';
import { OperationTable } from './operations.ts';

const KINDS: readonly SeriesKind[] = ['span', 'metric', 'log'];
export const SPAN = 0;
export const METRIC = 1;
export const LOG = 2;

/** One series while it is being folded. */
export class Series {
  all = 0;
  bad = 0;
  readonly bins = new Map<number, number>();
  /** The smallest trace ids, ascending. */
  readonly exemplars: string[] = [];

  addToBin(bin: number, count: number): void {
    this.bins.set(bin, (this.bins.get(bin) ?? 0) + count);
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
  readonly #slots = new Map<number, (Series | undefined)[]>();
  readonly #budget: SeriesBudget;
  #lastSlot = -1;
  #last: (Series | undefined)[] = [];

  constructor(tag: Tag, operations: OperationTable, budget: SeriesBudget) {
    this.tag = tag;
    this.operations = operations;
    this.#budget = budget;
  }

  /** The series of an operation and kind in a slot; undefined when the budget is spent. */
  series(slot: number, operation: number, kind: number): Series | undefined {
    // Spans of one resource mostly stand in the order of time: the slot is nearly always the last one asked for.
    if (slot !== this.#lastSlot) this.#turnTo(slot);
    const index = operation * KINDS.length + kind;
    const existing = this.#last[index];
    if (existing !== undefined) return existing;
    if (this.#budget.left === 0) return undefined;
    this.#budget.left--;
    const series = new Series();
    this.#last[index] = series;
    return series;
  }

  /** Calls `emit` for each slot with its series. */
  forEachSlot(emit: (slot: number, series: readonly DeltaSeries[]) => void): void {
    for (const [slot, table] of this.#slots) {
      const finished: DeltaSeries[] = [];
      table.forEach((series, index) => {
        if (series !== undefined) finished.push(this.#finish(series, index));
      });
      emit(slot, finished);
    }
  }

  #turnTo(slot: number): void {
    let table = this.#slots.get(slot);
    if (table === undefined) {
      table = [];
      this.#slots.set(slot, table);
    }
    this.#lastSlot = slot;
    this.#last = table;
  }

  #finish(series: Series, index: number): DeltaSeries {
    const { namespace, service, environment, version, instance } = this.tag;
    const kind = KINDS[index % KINDS.length] as SeriesKind;
    const operation = kind === 'log' ? '' : this.operations.name(Math.floor(index / KINDS.length));
    const { all, bad, exemplars } = series;
    const bins = finishBins(series.bins);
    return { namespace, service, environment, version, instance, operation, kind, all, bad, bins, exemplars };
  }
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
  readonly #operations = new Map<string, OperationTable>();
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
      resource = new ResourceSeries(tag, this.#operationsOf(tag.serviceKey), this.#budget);
      this.#resources.set(tag, resource);
    }
    return resource;
  }

  addEvent(event: DeploymentEvent): void {
    this.#events.push(event);
  }

  /** The deltas since the last flush, one per slot, ascending; and begins anew. */
  flush(): HealthDelta[] {
    const slots = new Map<number, { series: DeltaSeries[]; events: DeploymentEvent[] }>();
    const at = (slot: number) => {
      let entry = slots.get(slot);
      if (entry === undefined) {
        entry = { series: [], events: [] };
        slots.set(slot, entry);
      }
      return entry;
    };
    for (const resource of this.#resources.values()) {
      resource.forEachSlot((slot, series) => at(slot).series.push(...series));
    }
    for (const event of this.#events) at(Math.floor(event.atSeconds)).events.push(event);
    this.#resources = new Map();
    this.#events = [];
    this.#budget = { left: this.#maxSeries };
    return [...slots]
      .sort(([a], [b]) => a - b)
      .map(([slot, { series, events }]) => ({ source: this.#source, slot, series, events }));
  }

  #operationsOf(serviceKey: string): OperationTable {
    let table = this.#operations.get(serviceKey);
    if (table === undefined) {
      // Service keys are few; when they are not, forgetting all names only costs interning them again.
      if (this.#operations.size >= MAX_SERVICE_KEYS) this.#operations.clear();
      table = new OperationTable(this.#maxOperations);
      this.#operations.set(serviceKey, table);
    }
    return table;
  }
}

const MAX_SERVICE_KEYS = 10_000;

function finishBins(bins: ReadonlyMap<number, number>): Bins {
  const bin = [...bins.keys()].sort((a, b) => a - b);
  return { bin, count: bin.map((index) => bins.get(index) as number) };
}
