/** Medians with their spread. */

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Of at least one number; of an even count, the mean of the middle two. */
export function spreadOf(numbers: readonly number[]): Spread {
  if (numbers.length === 0) throw new Error('no median of nothing');
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = ((sorted[Math.floor(middle)] as number) + (sorted[Math.ceil(middle)] as number)) / 2;
  return { median, min: sorted[0] as number, max: sorted.at(-1) as number };
}

/**
 * How many times as much, round by round: what disturbs the machine for a while disturbs both of a pair. Rounds that
 * only one of them has are left out; undefined where none is left.
 */
export function ratioOf(ours: readonly number[], theirs: readonly number[]): Spread | undefined {
  const pairs = Math.min(ours.length, theirs.length);
  if (pairs === 0) return undefined;
  return spreadOf(Array.from({ length: pairs }, (_, i) => (ours[i] as number) / (theirs[i] as number)));
}
