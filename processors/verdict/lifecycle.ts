import type { DecisionKind } from '../../proto/windback/decision.ts';
import type { OverrideKind } from '../../proto/windback/status.ts';
import type { VerdictConfig } from './config.ts';
import { obstacleToPromotion } from './promotion.ts';
import type { Rollout } from './rollout.ts';
import type { Weighed } from './weighing.ts';

/** What was decided, and by which indicator. */
export interface Step {
  readonly kind: DecisionKind;
  readonly indicator: string | null;
  /** Why nothing can be said; a hold only. */
  readonly inconclusive?: string;
  /** A hold of a version that was rolled back a moment ago, or a promotion that a person approved: in words. */
  readonly because?: string;
}

/** What is known beside the evidence of the rollout itself. */
export interface Circumstances {
  readonly atSlot: number;
  readonly override: OverrideKind | undefined;
  /** Who else has evidence against it, if the trouble is another's: a sentence. */
  readonly blamedElsewhere: string | undefined;
  /** Why nothing can be said, as far as the judge of the service knows; an urgent reason holds at once. */
  readonly inconclusive: { readonly reason: string; readonly isUrgent: boolean } | undefined;
  /** The version was rolled back this short a time ago: a sentence. */
  readonly coolingDown: string | undefined;
}

/**
 * What the evidence asks for now, if anything. A rollback is decided once per rollout and ends the matter; hold and
 * resume may alternate; a promotion is decided once, and can still be followed by a rollback.
 */
export function nextStep(
  rollout: Rollout,
  weighed: readonly Weighed[],
  circumstances: Circumstances,
  config: VerdictConfig,
): Step | undefined {
  const { override, blamedElsewhere, coolingDown } = circumstances;
  if (rollout.isRolledBack || override === 'pin' || override === 'ignore') return undefined;
  const fired = strongest(weighed.filter(({ fired }) => fired));
  if (fired !== undefined && blamedElsewhere === undefined && coolingDown === undefined) {
    return { kind: 'rollback', indicator: fired.indicator };
  }
  if (override === 'approve') {
    return rollout.isPromoted ? undefined : { kind: 'promote', indicator: null, because: 'a person approved it' };
  }
  const hold = reasonToHold(rollout, weighed, circumstances, config);
  if (hold !== undefined) return rollout.isHeld ? undefined : hold;
  // What was held for want of evidence is promoted at once: by the next block the obstacle may be back.
  if (rollout.isHeld && circumstances.atSlot < rollout.unsettledUntil) return undefined;
  const mayPromote = !rollout.isHeld || rollout.inconclusive !== null;
  if (mayPromote && isReady(rollout, circumstances, config)) return { kind: 'promote', indicator: null };
  return rollout.isHeld ? resume(rollout) : undefined;
}

/** An urgent reason that has gone must have been gone for so many slots. */
const UNSETTLED = 300;

/** What could not be judged can be; that is no praise. */
function resume({ inconclusive }: Rollout): Step {
  const because = inconclusive === null ? {} : { because: 'what stood against a verdict has gone, it is being judged' };
  return { kind: 'resume', indicator: null, ...because };
}

function isReady(rollout: Rollout, { inconclusive, atSlot }: Circumstances, config: VerdictConfig): boolean {
  if (rollout.isPromoted || !config.promotion.enabled || inconclusive !== undefined) return false;
  return obstacleToPromotion(rollout, atSlot, config) === undefined;
}

/** Records a step in the rollout's life. */
export function take(rollout: Rollout, { kind, inconclusive }: Step): void {
  rollout.inconclusive = inconclusive ?? null;
  if (kind === 'rollback') {
    rollout.isRolledBack = true;
    rollout.verdict = 'failing';
  } else if (kind === 'hold') {
    rollout.isHeld = true;
    rollout.holds++;
    rollout.verdict = inconclusive === undefined ? 'suspect' : 'inconclusive';
  } else if (kind === 'resume') {
    rollout.isHeld = false;
    rollout.verdict = 'observing';
  } else {
    rollout.isHeld = false;
    rollout.isPromoted = true;
    rollout.verdict = 'healthy';
  }
}

/** Whether a gate should pause, and why. What holds already goes on holding until the doubt has all but gone. */
function reasonToHold(
  rollout: Rollout,
  weighed: readonly Weighed[],
  { atSlot, inconclusive, coolingDown, blamedElsewhere }: Circumstances,
  config: VerdictConfig,
): Step | undefined {
  const leading = strongest(weighed.filter(isTelling));
  const progress = leading?.progress ?? 0;
  if (coolingDown !== undefined) {
    // It is held for what it did before, which its own evidence need not show yet.
    const indicator = leading !== undefined && progress >= config.hold.at ? leading.indicator : null;
    return { kind: 'hold', indicator, because: coolingDown };
  }
  // Evidence that a guard keeps from deciding is no verdict, and says why.
  if (inconclusive?.isUrgent === true) {
    // What comes and goes around a limit is one trouble, not many.
    rollout.unsettledUntil = atSlot + UNSETTLED;
    return { kind: 'hold', indicator: null, inconclusive: inconclusive.reason };
  }
  const isSuspected = rollout.isHeld && rollout.inconclusive === null;
  const isSuspect = isSuspected ? progress > config.hold.resume_at : progress >= config.hold.at;
  if (leading !== undefined && isSuspect) {
    const because = blamedElsewhere === undefined ? {} : { because: blamedElsewhere };
    return { kind: 'hold', indicator: leading.indicator, ...because };
  }
  if (rollout.isPromoted || (atSlot - rollout.identity.startedAt) * 1000 < config.inconclusive_after) return undefined;
  const obstacle = obstacleToPromotion(rollout, atSlot, config);
  if (obstacle === undefined && inconclusive === undefined) return undefined;
  const reason = inconclusive?.reason ?? `too little is known: ${obstacle?.needs}`;
  return { kind: 'hold', indicator: null, inconclusive: reason };
}

/** One that may not decide a rollback is heard only when it could decide: what it shows is often not the version's. */
function isTelling({ isGating, progress, guards }: Weighed): boolean {
  return isGating || (progress >= 1 && guards().every(({ passed }) => passed));
}

function strongest(weighed: readonly Weighed[]): Weighed | undefined {
  return weighed.reduce<Weighed | undefined>(
    (best, one) => (best === undefined || one.progress > best.progress ? one : best),
    undefined,
  );
}
