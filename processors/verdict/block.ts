import type { DeltaSeries } from '../../proto/windback/health.ts';

/** Requests of one version on one instance and operation in one block. */
export class Cell {
  all = 0;
  bad = 0;
  readonly bins = new Map<number, number>();

  add(series: DeltaSeries): void {
    this.all += series.all;
    this.bad += series.bad;
    series.bins.bin.forEach((bin, i) => {
      this.bins.set(bin, (this.bins.get(bin) ?? 0) + (series.bins.count[i] as number));
    });
  }
}

/** Requests as one kind of telemetry told them: by instance, then by operation; and by slot for the windows. */
class Requests {
  readonly cells = new Map<string, Map<string, Cell>>();
  readonly slots = new Map<number, { all: number; bad: number }>();
  all = 0;
  bad = 0;

  add(series: DeltaSeries, slot: number): void {
    this.all += series.all;
    this.bad += series.bad;
    addTo(this.slots, slot, series);
    let operations = this.cells.get(series.instance);
    if (operations === undefined) {
      operations = new Map();
      this.cells.set(series.instance, operations);
    }
    let cell = operations.get(series.operation);
    if (cell === undefined) {
      cell = new Cell();
      operations.set(series.operation, cell);
    }
    cell.add(series);
  }
}

/** What one version did in one block. Sums only, so that deltas may come in any order and grouping. */
export class VersionBlock {
  readonly #spans = new Requests();
  readonly #metrics = new Requests();
  readonly logs = new Cell();
  readonly logSlots = new Map<number, { all: number; bad: number }>();
  readonly exemplars = new Set<string>();
  /** First slot of each instance in this block. */
  readonly instances = new Map<string, number>();
  lastSlot = 0;
  /** Set before the block is judged: request metrics count only for a version that sends no spans. */
  countsMetrics = false;

  add(series: DeltaSeries, slot: number): void {
    for (const id of series.exemplars) this.exemplars.add(id);
    this.lastSlot = Math.max(this.lastSlot, slot);
    this.instances.set(series.instance, Math.min(this.instances.get(series.instance) ?? slot, slot));
    if (series.kind === 'span') this.#spans.add(series, slot);
    else if (series.kind === 'metric') this.#metrics.add(series, slot);
    else {
      this.logs.add(series);
      addTo(this.logSlots, slot, series);
    }
  }

  get hasSpans(): boolean {
    return this.#spans.cells.size > 0;
  }

  get requestCount(): number {
    return this.#requests.all;
  }

  get errorCount(): number {
    return this.#requests.bad;
  }

  get requestSlots(): ReadonlyMap<number, { readonly all: number; readonly bad: number }> {
    return this.#requests.slots;
  }

  /** By operation, over the instances that `include` lets in. Sorted, so that sums of fractions do not depend on order. */
  byOperation(include: (instance: string) => boolean = () => true): Map<string, Cell> {
    const total = new Map<string, Cell>();
    for (const [instance, operations] of this.#requests.cells) {
      if (!include(instance)) continue;
      for (const [operation, cell] of operations) {
        const sum = total.get(operation) ?? new Cell();
        sum.all += cell.all;
        sum.bad += cell.bad;
        for (const [bin, count] of cell.bins) sum.bins.set(bin, (sum.bins.get(bin) ?? 0) + count);
        total.set(operation, sum);
      }
    }
    return new Map([...total].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  get #requests(): Requests {
    return this.countsMetrics ? this.#metrics : this.#spans;
  }
}

/** One block of one service, by version. */
export class Block {
  readonly versions = new Map<string, VersionBlock>();

  version(version: string): VersionBlock {
    let block = this.versions.get(version);
    if (block === undefined) {
      block = new VersionBlock();
      this.versions.set(version, block);
    }
    return block;
  }
}

function addTo(slots: Map<number, { all: number; bad: number }>, slot: number, { all, bad }: DeltaSeries): void {
  const pair = slots.get(slot) ?? { all: 0, bad: 0 };
  pair.all += all;
  pair.bad += bad;
  slots.set(slot, pair);
}
