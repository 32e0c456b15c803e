import { InstanceBlock, type VersionBlock } from './block.ts';
import type { Steps } from './turns.ts';

/** Groups of instances that are told apart; up to this many instances, each is a group of its own. */
export const MAX_GROUPS = 8;

/**
 * Which group each instance of a version belongs to. A guard leaves out one group at a time, or holds one against the
 * rest, so groups are as even as can be; who joins in one block joins in the order of names.
 */
export class Groups {
  readonly #group = new Map<string, number>();
  readonly #limit: number;
  #next = 0;

  /** `limit`: how many instances are remembered; further ones share the last group. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes in the instances of a block. */
  join(instances: Iterable<string>): void {
    const fresh: string[] = [];
    for (const name of instances) if (!this.#group.has(name)) fresh.push(name);
    for (const name of fresh.sort()) {
      if (this.#group.size >= this.#limit) return;
      this.#group.set(name, this.#next % MAX_GROUPS);
      this.#next++;
    }
  }

  leave(instance: string): void {
    this.#group.delete(instance);
  }

  of(instance: string): number {
    return this.#group.get(instance) ?? MAX_GROUPS - 1;
  }

  /** A block by group, of the instances that `include` lets in; undefined where a group was silent. */
  *split(
    block: VersionBlock,
    include: (instance: string) => boolean = () => true,
  ): Steps<(InstanceBlock | undefined)[]> {
    const members: InstanceBlock[][] = [];
    for (const [instance, one] of block.instances) {
      if (!include(instance)) continue;
      const group = this.of(instance);
      (members[group] ??= []).push(one);
    }
    const groups: (InstanceBlock | undefined)[] = [];
    for (let group = 0; group < members.length; group++) groups.push(yield* joined(members[group] ?? []));
    return groups;
  }

  save(): { next: number; groups: readonly (readonly [string, number])[] } {
    return { next: this.#next, groups: [...this.#group] };
  }

  restore({ next, groups }: { next: number; groups: readonly (readonly [string, number])[] }): void {
    this.#next = next;
    for (const [name, group] of groups) this.#group.set(name, group);
  }
}

function* joined(members: readonly InstanceBlock[]): Steps<InstanceBlock | undefined> {
  if (members.length < 2) return members[0];
  const sum = new InstanceBlock();
  for (const member of members) {
    sum.merge(member);
    yield;
  }
  return sum;
}
