import type { Cohort } from './cohort.ts';
import type { VerdictConfig } from './config.ts';
import type { Rollout } from './rollout.ts';
import type { Weighed } from './weighing.ts';

/** What the judge of a service knows beside the rollout. */
interface Known {
  readonly config: VerdictConfig;
  readonly cohorts: ReadonlyMap<string, Cohort>;
  /** Events of the candidate that came after the block of their time was judged. */
  readonly late: number;
  readonly atSlot: number;
}

/** So many late events, and this part of all, and the judged ones are no fair picture. */
const MANY_LATE = 100;
const LATE_PART = 0.2;
/** A score below this on both sides: both burn several times their budget. */
const BAD = 25;

/** Why nothing can be said about a rollout, as far as that is not a matter of waiting; undefined where it can. */
export function inconclusiveReason(
  rollout: Rollout,
  weighed: readonly Weighed[],
  known: Known,
): { readonly reason: string; readonly isUrgent: boolean } | undefined {
  const { candidate, baseline } = rollout.identity;
  const { requests } = rollout.totals.candidate;
  const outOfTime = known.late > MANY_LATE && known.late > LATE_PART * (requests + known.late);
  if (outOfTime) {
    const reason = `clock skew: ${known.late} events of ${candidate} came after their time had been judged; see lateness and the clocks of its hosts`;
    return { reason, isUrgent: false };
  }
  const bothBad = bothBadReason(rollout, known);
  if (bothBad !== undefined) return { reason: bothBad, isUrgent: true };
  for (const { indicator, progress, guards } of weighed) {
    const failed = progress >= 1 ? guards().find(({ passed }) => !passed) : undefined;
    if (failed === undefined) continue;
    return { reason: `noisy: ${indicator} would decide, but ${failed.detail}`, isUrgent: true };
  }
  if (rollout.comparedAt === 0 && requests > 0) {
    const reason = `no baseline: ${baseline} has sent nothing while ${candidate} was at work`;
    return { reason, isUrgent: false };
  }
  return undefined;
}

/** Both versions burn their budget, and neither is much the worse one: the trouble is elsewhere. */
function bothBadReason({ identity }: Rollout, { cohorts, config }: Known): string | undefined {
  const score = (version: string) => cohorts.get(version)?.score('5m', config.indicators) ?? null;
  const candidate = score(identity.candidate);
  const baseline = score(identity.baseline);
  if (candidate === null || baseline === null || candidate >= BAD || baseline >= BAD) return undefined;
  return `both bad: the health of ${identity.candidate} is ${candidate} and that of ${identity.baseline} ${baseline} of 100`;
}
