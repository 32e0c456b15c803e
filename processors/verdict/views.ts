import type { SeriesKind } from '../../proto/windback/health.ts';
import { type Block, InstanceBlock, type VersionBlock } from './block.ts';
import type { Cohort } from './cohort.ts';

/** Groups of a version's instances; undefined where a group was silent. */
export type GroupBlocks = readonly (InstanceBlock | undefined)[];

/** What is asked for over all instances. */
const SUMMED: readonly SeriesKind[] = ['span', 'metric', 'calls'];

/** A version's part of a block, put together in the ways in which it is looked at. */
interface VersionView {
  readonly version: VersionBlock;
  readonly cohort: Cohort;
  groups?: GroupBlocks;
  warmGroups?: GroupBlocks;
  sum?: InstanceBlock;
  warmSum?: InstanceBlock;
}

/** A block as it is judged: each version by group of instances and as a whole, put together once for all who look. */
export class Views {
  readonly block: Block;
  /** First slot of the block. */
  readonly start: number;
  readonly #cohorts: ReadonlyMap<string, Cohort>;
  readonly #warmUpSlots: number;
  readonly #views = new Map<string, VersionView>();

  constructor(block: Block, start: number, cohorts: ReadonlyMap<string, Cohort>, warmUpSlots: number) {
    this.block = block;
    this.start = start;
    this.#cohorts = cohorts;
    this.#warmUpSlots = warmUpSlots;
  }

  groups(version: string): GroupBlocks {
    const view = this.#of(version);
    if (view === undefined) return [];
    view.groups ??= view.cohort.groups.split(view.version);
    return view.groups;
  }

  /** Only of instances that have been at work for long enough. */
  warmGroups(version: string): GroupBlocks {
    const view = this.#of(version);
    if (view === undefined) return [];
    view.warmGroups ??= this.#isAllWarm(view)
      ? this.groups(version)
      : view.cohort.groups.split(view.version, (instance) => this.#isWarm(view, instance));
    return view.warmGroups;
  }

  /** All instances as one, of the kinds that are asked for so. */
  sum(version: string): InstanceBlock {
    const view = this.#of(version);
    if (view === undefined) return NOTHING;
    view.sum ??= together(this.groups(version));
    return view.sum;
  }

  warmSum(version: string): InstanceBlock {
    const view = this.#of(version);
    if (view === undefined) return NOTHING;
    view.warmSum ??= this.#isAllWarm(view) ? this.sum(version) : together(this.warmGroups(version));
    return view.warmSum;
  }

  #of(name: string): VersionView | undefined {
    const known = this.#views.get(name);
    if (known !== undefined) return known;
    const version = this.block.versions.get(name);
    const cohort = this.#cohorts.get(name);
    if (version === undefined || cohort === undefined) return undefined;
    const view = { version, cohort };
    this.#views.set(name, view);
    return view;
  }

  #isAllWarm(view: VersionView): boolean {
    for (const instance of view.version.instances.keys()) if (!this.#isWarm(view, instance)) return false;
    return true;
  }

  #isWarm({ cohort }: VersionView, instance: string): boolean {
    return cohort.isWarm(instance, this.start, this.#warmUpSlots);
  }
}

const NOTHING = new InstanceBlock();

function together(groups: GroupBlocks): InstanceBlock {
  const members = groups.filter((group) => group !== undefined);
  if (members.length === 1) return members[0] as InstanceBlock;
  const sum = new InstanceBlock();
  for (const member of members) sum.merge(member, SUMMED);
  return sum;
}
