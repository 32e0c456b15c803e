import { BURN_RATES, type Burning, burning, burnSentence } from './burn.ts';
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
  const burns = burningReason(rollout, known);
  if (burns !== undefined) return { reason: burns, isUrgent: true };
  for (const { indicator, progress, isGating, guards } of weighed) {
    const failed = isGating && progress >= 1 ? guards().find(({ passed }) => !passed) : undefined;
    if (failed === undefined) continue;
    return { reason: `noisy: ${indicator} would decide, but ${failed.detail}`, isUrgent: true };
  }
  if (rollout.comparedAt === 0 && requests > 0 && isGone(baseline, known)) {
    const reason = `no baseline: ${baseline} has sent nothing while ${candidate} was at work`;
    return { reason, isUrgent: false };
  }
  return undefined;
}

/**
 * Both versions burn their budget at the fastest rate, or one that nothing can be compared with burns it at all: the
 * trouble may be elsewhere. A service that always burns a little more than it should is no reason to hold rollouts.
 */
function burningReason({ identity, comparedAt }: Rollout, known: Known): string | undefined {
  const candidate = burnOf(identity.candidate, known);
  if (candidate === undefined) return undefined;
  if (comparedAt === 0)
    return isGone(identity.baseline, known)
      ? `no baseline, and ${identity.candidate} ${burnSentence(candidate)}`
      : undefined;
  const baseline = burnOf(identity.baseline, known);
  if (baseline === undefined || Math.min(candidate.rate, baseline.rate) < FASTEST_BURN) return undefined;
  return `both bad: ${identity.candidate} ${burnSentence(candidate)}; ${identity.baseline} ${burnSentence(baseline)}`;
}

/** A baseline that only reports rarely is not gone. */
function isGone(version: string, { cohorts, config, atSlot }: Known): boolean {
  return (cohorts.get(version)?.lastSlot ?? 0) < atSlot - (config.max_hold + config.block) / 1000;
}

function burnOf(version: string, { cohorts, config }: Known): Burning | undefined {
  const { objective } = config.indicators.errors;
  const windows = cohorts.get(version)?.windows('errors');
  if (windows === undefined) return undefined;
  // The exact bound costs a little: first a look at whether there can be anything.
  const { bad, all } = windows.get('5m');
  if (all < config.burn.min_events || bad / all <= SLOWEST_BURN * (1 - objective)) return undefined;
  return burning((window) => windows.get(window), objective, config.burn);
}

const RATES = BURN_RATES.map(({ rate }) => rate);
const SLOWEST_BURN = Math.min(...RATES);
const FASTEST_BURN = Math.max(...RATES);
