import type { InstanceBlock } from '../block.ts';
import { type Counts, emptyCounts, type Readings } from '../evidence/strata.ts';

/** What both versions of a rollout did in a block, by group of instances; undefined where a group was silent. */
export interface View {
  readonly candidate: readonly (InstanceBlock | undefined)[];
  readonly baseline: readonly (InstanceBlock | undefined)[];
  /** Request counts come from spans, or from histograms where one of the versions sends no spans. */
  readonly requests: 'span' | 'metric';
}

/** One stratum of one group. */
export interface Reading {
  readonly all: number;
  readonly bad: number;
  readonly over?: number;
}

/** Reads one group: its strata, by name. */
export type Read = (group: InstanceBlock) => ReadonlyMap<string, Reading>;

/** How each side of a comparison is read. */
export interface Reads {
  readonly candidate: Read;
  readonly baseline: Read;
  /** The baseline as if it were the candidate, for the placebos. */
  readonly suspects: Read;
}

/** Readings of a block, where one function reads every side. */
export function readAlike(view: Pick<View, 'candidate' | 'baseline'>, read: Read): Readings {
  return readingsOf(view, { candidate: read, baseline: read, suspects: read });
}

export function readingsOf(view: Pick<View, 'candidate' | 'baseline'>, reads: Reads): Readings {
  const candidate = view.candidate.map((group) => group && reads.candidate(group));
  const baseline = view.baseline.map((group) => group && reads.baseline(group));
  const isAlike = reads.suspects === reads.baseline;
  const suspects = isAlike ? baseline : view.baseline.map((group) => group && reads.suspects(group));
  const names = new Set<string>();
  for (const read of [...candidate, ...baseline]) for (const name of read?.keys() ?? []) names.add(name);
  const strata = [...names].sort();
  const counts = (read: ReadonlyMap<string, Reading> | undefined) => read && countsOf(read, strata);
  const counted = baseline.map(counts);
  return {
    strata,
    candidate: candidate.map(counts),
    baseline: counted,
    suspects: isAlike ? counted : suspects.map(counts),
  };
}

function countsOf(read: ReadonlyMap<string, Reading>, strata: readonly string[]): Counts {
  const hasOver = [...read.values()].some(({ over }) => over !== undefined);
  const counts = emptyCounts(strata.length, hasOver);
  strata.forEach((name, i) => {
    const one = read.get(name);
    if (one === undefined) return;
    counts.all[i] = one.all;
    // More bad events than events, as several exceptions of one request, count as one each.
    counts.bad[i] = Math.min(one.all, one.bad);
    if (hasOver) counts.over[i] = one.over ?? 0;
  });
  return counts;
}

/** Whether all of a version's groups together did anything of a kind that `test` looks for. */
export function some(groups: readonly (InstanceBlock | undefined)[], test: (group: InstanceBlock) => boolean): boolean {
  return groups.some((group) => group !== undefined && test(group));
}
