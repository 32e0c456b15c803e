/**
 * The counts of one block that evidence is computed on, struct of arrays, one entry per stratum (operation). A stratum
 * is compared with itself only, so that a candidate which merely serves other routes is not taken for a worse one.
 */
export interface Strata {
  readonly candidateAll: number[];
  readonly candidateBad: number[];
  readonly baselineAll: number[];
  readonly baselineBad: number[];
  /**
   * Latency only: how many of the candidate's requests were slower than the bound that the baseline's own requests of
   * this very block set; empty for all other indicators.
   */
  readonly candidateOver: number[];
}

/** What one group of instances counted, one entry per stratum of the block. */
export interface Counts {
  readonly all: number[];
  readonly bad: number[];
  /** As `Strata.candidateOver`; empty where the indicator has none. */
  readonly over: number[];
}

/** What an indicator made of a block: the counts of each group of instances, `undefined` where a group was silent. */
export interface Readings {
  /** Names of the strata, ascending. */
  readonly strata: readonly string[];
  readonly candidate: readonly (Counts | undefined)[];
  /** The baseline as what is compared with. */
  readonly baseline: readonly (Counts | undefined)[];
  /** The baseline as if it were the candidate, for the placebos; the same object where that makes no difference. */
  readonly suspects: readonly (Counts | undefined)[];
}

export function emptyCounts(size: number, hasOver = false): Counts {
  return { all: zeros(size), bad: zeros(size), over: hasOver ? zeros(size) : [] };
}

/** Sums over groups. */
export function sumOf(groups: readonly (Counts | undefined)[], size: number): Counts {
  const sum = emptyCounts(
    size,
    groups.some((one) => one !== undefined && one.over.length > 0),
  );
  for (const one of groups) {
    if (one === undefined) continue;
    addInto(sum.all, one.all);
    addInto(sum.bad, one.bad);
    addInto(sum.over, one.over);
  }
  return sum;
}

/** The sum without one of its parts. */
export function without(sum: Counts, part: Counts | undefined): Counts {
  if (part === undefined) return sum;
  return { all: less(sum.all, part.all), bad: less(sum.bad, part.bad), over: less(sum.over, part.over) };
}

/** Candidate against baseline, without the strata in which either of them had nothing to do. */
export function against(candidate: Counts, baseline: Counts): Strata {
  const strata: Strata = { candidateAll: [], candidateBad: [], baselineAll: [], baselineBad: [], candidateOver: [] };
  const hasOver = candidate.over.length > 0;
  for (let i = 0; i < candidate.all.length; i++) {
    const candidateAll = candidate.all[i] as number;
    const baselineAll = baseline.all[i] as number;
    if (candidateAll === 0 || baselineAll === 0) continue;
    strata.candidateAll.push(candidateAll);
    strata.candidateBad.push(candidate.bad[i] as number);
    strata.baselineAll.push(baselineAll);
    strata.baselineBad.push(baseline.bad[i] as number);
    if (hasOver) strata.candidateOver.push(candidate.over[i] as number);
  }
  return strata;
}

export function total(values: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  return sum;
}

function zeros(size: number): number[] {
  const values: number[] = [];
  for (let i = 0; i < size; i++) values.push(0);
  return values;
}

function less(values: readonly number[], parts: readonly number[]): number[] {
  const rest: number[] = [];
  for (let i = 0; i < values.length; i++) rest.push((values[i] as number) - (parts[i] ?? 0));
  return rest;
}

function addInto(sum: number[], values: readonly number[]): void {
  for (let i = 0; i < values.length; i++) sum[i] = (sum[i] as number) + (values[i] as number);
}
