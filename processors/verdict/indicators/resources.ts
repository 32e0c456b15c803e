import { upperBoundOf, valueBinOf } from '../../../proto/windback/value-bins.ts';
import { type Cell, cellNames, type InstanceBlock } from '../block.ts';
import type { Readings } from '../evidence/strata.ts';
import type { OnOverflow } from '../overflow.ts';
import { FadingBins } from './fading-bins.ts';
import { type Reading, readingsOf, type View } from './reader.ts';

/** The baseline's high quantile that a sample is held against, and how many samples make one. */
const HIGH = 0.99;
const MIN_SAMPLES = 30;
/** Growth is looked at over this many blocks, from the time on that a group of instances is this old. */
const GROWTH_BLOCKS = 10;
const MAX_METRICS = 100;
/** Metrics of groups of instances of versions. */
const MAX_LEVELS = 10_000;
/** Strata of growth are named after their metric. */
const GROWTH = ' growth';

/** Levels of one metric of one group of instances: one per block in which it was sampled, the oldest first. */
type Levels = number[];

/**
 * What the baseline's gauges usually show, and how each group's levels have developed. Two questions per metric: is a
 * sample above the baseline's own high, and has the level grown over the last blocks more than margin, as a leak does.
 */
export class ResourceKnowledge {
  readonly #usual = new Map<string, FadingBins>();
  readonly #levels = new Map<string, Levels>();
  readonly #onOverflow: OnOverflow;

  constructor(onOverflow: OnOverflow = () => {}) {
    this.#onOverflow = onOverflow;
  }

  /** Samples beyond the baseline's high quantile and margin, and groups that grow; by metric. Blocks of a minute. */
  read(view: View, versions: { candidate: string; baseline: string }, margin: number): Readings {
    const reader = (groups: View['candidate'], version: string, widening: number) => {
      const numbers = numbersOf(groups);
      return (group: InstanceBlock) => this.#readGroup(group, `${version}\n${numbers.get(group)}`, widening, margin);
    };
    return readingsOf(view, {
      candidate: reader(view.candidate, versions.candidate, margin),
      baseline: reader(view.baseline, versions.baseline, 0),
      suspects: reader(view.baseline, versions.baseline, margin),
    });
  }

  /** Levels of all groups of a version enter; the baseline's samples enter what is usual. After the block was judged. */
  learn(version: string, groups: readonly (InstanceBlock | undefined)[], isBaseline: boolean): void {
    groups.forEach((group, number) => {
      for (const [key, cell] of group?.cells('resource') ?? []) {
        const metric = cellNames(key)[1];
        if (isBaseline) this.#learnUsual(metric, cell);
        this.#learnLevel(`${version}\n${number}\n${metric}`, levelOf(cell));
      }
    });
  }

  /** Forgets the levels of versions that are no longer known. */
  forgetOthers(versions: ReadonlyMap<string, unknown>): void {
    for (const key of this.#levels.keys()) {
      if (!versions.has(key.slice(0, key.indexOf('\n')))) this.#levels.delete(key);
    }
  }

  save(): ResourceState {
    return {
      usual: [...this.#usual].map(([name, bins]) => [name, bins.save()] as const),
      levels: [...this.#levels],
    };
  }

  restore({ usual, levels }: ResourceState): void {
    for (const [name, saved] of usual) this.#usual.set(name, FadingBins.restore(saved));
    for (const [key, saved] of levels) this.#levels.set(key, [...saved]);
  }

  #readGroup(group: InstanceBlock, prefix: string, widening: number, margin: number): Map<string, Reading> {
    const readings = new Map<string, Reading>();
    for (const [key, cell] of group.cells('resource')) {
      const metric = cellNames(key)[1];
      const usual = this.#usual.get(metric);
      if (usual !== undefined && usual.total >= MIN_SAMPLES) {
        const bound = valueBinOf(upperBoundOf(usual.quantileBin(HIGH)) * (1 + widening));
        readings.set(metric, { all: cell.all, bad: cell.bins.above(bound) });
      }
      const levels = this.#levels.get(`${prefix}\n${metric}`);
      // A young process fills its caches: its first blocks are not held against it.
      if (levels === undefined || levels.length < 2 * GROWTH_BLOCKS) continue;
      const grown = levelOf(cell) / Math.max(Number.MIN_VALUE, levels[levels.length - GROWTH_BLOCKS] as number);
      readings.set(metric + GROWTH, { all: 1, bad: Number(grown > 1 + (widening === 0 ? margin / 2 : margin)) });
    }
    return readings;
  }

  #learnUsual(metric: string, cell: Cell): void {
    let usual = this.#usual.get(metric);
    if (usual === undefined) {
      if (this.#usual.size >= MAX_METRICS) {
        this.#onOverflow('metrics');
        return;
      }
      usual = new FadingBins();
      this.#usual.set(metric, usual);
    }
    usual.add(cell.bins);
  }

  #learnLevel(key: string, level: number): void {
    let levels = this.#levels.get(key);
    if (levels === undefined) {
      if (this.#levels.size >= MAX_LEVELS) {
        this.#onOverflow('metrics');
        return;
      }
      levels = [];
      this.#levels.set(key, levels);
    }
    levels.push(level);
    if (levels.length > 2 * GROWTH_BLOCKS) levels.shift();
  }
}

interface ResourceState {
  readonly usual: readonly (readonly [string, ReturnType<FadingBins['save']>])[];
  readonly levels: readonly (readonly [string, readonly number[]])[];
}

function numbersOf(groups: View['candidate']): Map<InstanceBlock, number> {
  return new Map(groups.flatMap((group, number) => (group === undefined ? [] : [[group, number] as const])));
}

/** The mean of a block's samples. */
function levelOf(cell: Cell): number {
  let sum = 0;
  cell.bins.forEach((count, bin) => {
    sum += upperBoundOf(bin) * count;
  });
  return sum / Math.max(1, cell.all);
}
