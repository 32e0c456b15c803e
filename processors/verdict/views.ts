import type { SeriesKind } from '../../proto/windback/health.ts';
import { type Block, InstanceBlock, type VersionBlock } from './block.ts';
import type { Cohort } from './cohort.ts';
import type { Steps } from './turns.ts';

/** Groups of a version's instances; undefined where a group was silent. */
export type GroupBlocks = readonly (InstanceBlock | undefined)[];

/** What is asked for over all instances. */
const SUMMED: readonly SeriesKind[] = ['span', 'metric', 'calls'];

/** A version's part of a block, put together in the ways in which it is looked at. */
interface VersionView {
  readonly groups: GroupBlocks;
  readonly warmGroups: GroupBlocks;
  readonly sum: InstanceBlock;
  readonly warmSum: InstanceBlock;
}

/** A block as it is judged: each version by group of instances and as a whole, put together once for all who look. */
export class Views {
  readonly block: Block;
  /** First slot of the block. */
  readonly start: number;
  readonly #views: ReadonlyMap<string, VersionView>;

  private constructor(block: Block, start: number, views: ReadonlyMap<string, VersionView>) {
    this.block = block;
    this.start = start;
    this.#views = views;
  }

  /** Of the versions that have a cohort. All that grows with the instances is done here, and pauses after each. */
  static *of(block: Block, start: number, cohorts: ReadonlyMap<string, Cohort>, warmUpSlots: number): Steps<Views> {
    const views = new Map<string, VersionView>();
    for (const [version, one] of block.versions) {
      const cohort = cohorts.get(version);
      if (cohort === undefined) continue;
      const isWarm = (instance: string) => cohort.isWarm(instance, start, warmUpSlots);
      views.set(version, yield* viewOf(one, cohort, isWarm));
    }
    return new Views(block, start, views);
  }

  groups(version: string): GroupBlocks {
    return this.#views.get(version)?.groups ?? [];
  }

  /** Only of instances that have been at work for long enough. */
  warmGroups(version: string): GroupBlocks {
    return this.#views.get(version)?.warmGroups ?? [];
  }

  /** All instances as one, of the kinds that are asked for so. */
  sum(version: string): InstanceBlock {
    return this.#views.get(version)?.sum ?? NOTHING;
  }

  warmSum(version: string): InstanceBlock {
    return this.#views.get(version)?.warmSum ?? NOTHING;
  }
}

const NOTHING = new InstanceBlock();

function* viewOf(block: VersionBlock, cohort: Cohort, isWarm: (instance: string) => boolean): Steps<VersionView> {
  const groups = yield* cohort.groups.split(block);
  const sum = yield* together(groups);
  if ([...block.instances.keys()].every(isWarm)) return { groups, warmGroups: groups, sum, warmSum: sum };
  const warmGroups = yield* cohort.groups.split(block, isWarm);
  return { groups, warmGroups, sum, warmSum: yield* together(warmGroups) };
}

function* together(groups: GroupBlocks): Steps<InstanceBlock> {
  const members = groups.filter((group) => group !== undefined);
  if (members.length === 1) return members[0] as InstanceBlock;
  const sum = new InstanceBlock();
  for (const member of members) {
    sum.merge(member, SUMMED);
    yield;
  }
  return sum;
}
