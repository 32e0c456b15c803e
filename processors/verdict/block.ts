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

/** What one version did in one block. Sums only, so that deltas may come in any order and grouping. */
export class VersionBlock {
  /** By instance, then by operation. */
  readonly requests = new Map<string, Map<string, Cell>>();
  readonly logs = new Cell();
  readonly exemplars = new Set<string>();
  requestCount = 0;
  errorCount = 0;

  add(series: DeltaSeries): void {
    for (const id of series.exemplars) this.exemplars.add(id);
    if (series.kind === 'log') {
      this.logs.add(series);
      return;
    }
    this.requestCount += series.all;
    this.errorCount += series.bad;
    let operations = this.requests.get(series.instance);
    if (operations === undefined) {
      operations = new Map();
      this.requests.set(series.instance, operations);
    }
    let cell = operations.get(series.operation);
    if (cell === undefined) {
      cell = new Cell();
      operations.set(series.operation, cell);
    }
    cell.add(series);
  }

  /** By operation, over the instances that `include` lets in. Sorted, so that sums of fractions do not depend on order. */
  byOperation(include: (instance: string) => boolean = () => true): Map<string, Cell> {
    const total = new Map<string, Cell>();
    for (const [instance, operations] of this.requests) {
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
