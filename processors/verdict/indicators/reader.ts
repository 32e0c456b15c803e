import type { InstanceBlock } from '../block.ts';
import { type Counts, emptyCounts, type Readings } from '../evidence/strata.ts';

/** What both versions of a rollout did in a block, by group of instances; undefined where a group was silent. */
export interface View {
  readonly candidate: readonly (InstanceBlock | undefined)[];
  readonly baseline: readonly (InstanceBlock | undefined)[];
  /** The groups of the baseline as one, where somebody has put them together already. */
  readonly baselineSum?: InstanceBlock;
  /** Request counts come from spans, or from histograms where one of the versions sends no spans. */
  readonly requests: 'span' | 'metric';
}

/** One stratum of one group. */
export interface Reading {
  readonly all: number;
  readonly bad: number;
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
  const strata = namesOf(candidate, baseline);
  if (strata.length === 0) return NOTHING;
  const counts = (read: ReadonlyMap<string, Reading> | undefined) => read && countsOf(read, strata);
  const counted = baseline.map(counts);
  const isAlike = reads.suspects === reads.baseline;
  const suspects = isAlike ? counted : view.baseline.map((group) => group && countsOf(reads.suspects(group), strata));
  return { strata, candidate: candidate.map(counts), baseline: counted, suspects };
}

/** Of a block in which nothing was there to read. */
export const NOTHING: Readings = { strata: [], candidate: [], baseline: [], suspects: [] };

/** The names of all groups, ascending. */
export function namesOf(...sides: readonly (readonly (ReadonlyMap<string, unknown> | undefined)[])[]): string[] {
  const names = new Set<string>();
  for (const side of sides) for (const group of side) if (group) for (const name of group.keys()) names.add(name);
  return [...names].sort();
}

function countsOf(read: ReadonlyMap<string, Reading>, strata: readonly string[]): Counts {
  const counts = emptyCounts(strata.length);
  for (let i = 0; i < strata.length; i++) {
    const one = read.get(strata[i] as string);
    if (one === undefined) continue;
    counts.all[i] = one.all;
    // More bad events than events, as several exceptions of one request, count as one each.
    counts.bad[i] = Math.min(one.all, one.bad);
  }
  return counts;
}

/** Whether all of a version's groups together did anything of a kind that `test` looks for. */
export function some(groups: readonly (InstanceBlock | undefined)[], test: (group: InstanceBlock) => boolean): boolean {
  return groups.some((group) => group !== undefined && test(group));
}
