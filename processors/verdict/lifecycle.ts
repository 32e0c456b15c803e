import type { DecisionKind, Evidence } from '../../proto/windback/decision.ts';
import { INDICATORS, type IndicatorName, type VerdictConfig } from './config.ts';
import type { Rollout } from './rollout.ts';

/** What was decided, and by which indicator. */
export interface Step {
  readonly kind: DecisionKind;
  readonly indicator: IndicatorName | null;
}

/** The evidence of every enabled indicator that has something to say. */
export function evidenceOf(rollout: Rollout, config: VerdictConfig): Evidence[] {
  const all: Evidence[] = [];
  for (const name of INDICATORS) {
    const { enabled, gating, weight } = config.indicators[name];
    if (!enabled) continue;
    const logBar = -Math.log(config.false_rollback_rate * weight);
    const found = name === 'silence' ? silenceEvidence(rollout) : comparisonEvidence(rollout, name);
    if (found === undefined) continue;
    const { logE, ...counts } = found;
    all.push({
      indicator: name,
      e: Math.exp(Math.min(logE, MAX_LOG_E)),
      bar: Math.exp(logBar),
      progress: Math.max(0, logE / logBar),
      ...counts,
      fired: gating && logE >= logBar,
    });
  }
  return all;
}

/** Beyond this an e-value is only written as "very large": the largest double is near e^709. */
const MAX_LOG_E = 700;

type Found = Omit<Evidence, 'indicator' | 'e' | 'bar' | 'progress' | 'fired'> & { readonly logE: number };

function comparisonEvidence(rollout: Rollout, name: Exclude<IndicatorName, 'silence'>): Found | undefined {
  const comparison = rollout.comparisons.get(name);
  if (comparison === undefined || comparison.worse.blocks === 0) return undefined;
  return {
    logE: comparison.worse.logE,
    blocks: comparison.worse.blocks,
    candidate: { ...comparison.candidate },
    baseline: { ...comparison.baseline },
    relative_risk: comparison.relativeRisk,
    interval: comparison.interval.bounds,
  };
}

function silenceEvidence({ silence }: Rollout): Found | undefined {
  if (silence.blocks === 0) return undefined;
  return {
    logE: silence.logE,
    blocks: silence.blocks,
    candidate: { bad: Math.round(silence.missing), all: Math.round(silence.expected) },
    baseline: { bad: 0, all: 0 },
    relative_risk: null,
    interval: null,
  };
}

/**
 * What the evidence asks for now, if anything. A rollback is decided once per rollout and ends the matter; hold and
 * resume may alternate; a promotion is decided once, and can still be followed by a rollback.
 */
export function nextStep(
  rollout: Rollout,
  evidence: readonly Evidence[],
  atSlot: number,
  config: VerdictConfig,
): Step | undefined {
  if (rollout.isRolledBack) return undefined;
  const gating = evidence.filter(({ indicator }) => config.indicators[indicator as IndicatorName].gating);
  const fired = strongest(gating.filter((one) => one.fired));
  if (fired !== undefined) return { kind: 'rollback', indicator: fired.indicator as IndicatorName };
  const leading = strongest(gating);
  const progress = leading?.progress ?? 0;
  if (!rollout.isHeld && progress >= config.hold.at) {
    return { kind: 'hold', indicator: leading?.indicator as IndicatorName };
  }
  if (rollout.isHeld && progress <= config.hold.resume_at) return { kind: 'resume', indicator: null };
  if (!rollout.isHeld && !rollout.isPromoted && mayPromote(rollout, atSlot, config)) {
    return { kind: 'promote', indicator: null };
  }
  return undefined;
}

/** Records a step in the rollout's life. */
export function take(rollout: Rollout, { kind }: Step): void {
  if (kind === 'rollback') {
    rollout.isRolledBack = true;
    rollout.verdict = 'failing';
  } else if (kind === 'hold') {
    rollout.isHeld = true;
    rollout.holds++;
    rollout.verdict = 'suspect';
  } else if (kind === 'resume') {
    rollout.isHeld = false;
    rollout.verdict = 'observing';
  } else {
    rollout.isPromoted = true;
    rollout.verdict = 'healthy';
  }
}

function strongest(evidence: readonly Evidence[]): Evidence | undefined {
  return evidence.reduce<Evidence | undefined>(
    (best, one) => (best === undefined || one.progress > best.progress ? one : best),
    undefined,
  );
}

/**
 * Old enough, compared often enough, and no gating comparison that has not been shown to be fine. Requests that never
 * met the baseline's in a block were counted but not compared, and speak for nobody.
 */
function mayPromote(rollout: Rollout, atSlot: number, config: VerdictConfig): boolean {
  const { enabled, after, min_requests, error_rate } = config.promotion;
  if (!enabled || atSlot - rollout.startedAt < after / 1000) return false;
  const { requests, logRecords } = rollout.totals.candidate;
  if (requests < min_requests) return false;
  for (const [name, comparison] of rollout.comparisons) {
    const { gating, objective } = config.indicators[name];
    if (!gating) continue;
    if (name === 'errors' && comparison.candidate.all < min_requests) return false;
    if (comparison.candidate.all === 0) {
      if (name === 'log_errors' && logRecords > 0) return false;
      continue;
    }
    const isShownBetter = comparison.better.logE >= Math.log(1 / error_rate);
    if (!isShownBetter && !isWithinObjective(comparison.candidate, objective, error_rate)) return false;
  }
  return true;
}

/**
 * Whether the candidate's own rate is within the objective: the upper bound of its rate is, by the Chernoff bound for
 * a share. It stands in where nothing, or hardly anything, went wrong and a comparison has nothing to go by.
 */
function isWithinObjective(pair: { bad: number; all: number }, objective: number, errorRate: number): boolean {
  const budget = 1 - objective;
  const rate = pair.bad / pair.all;
  if (rate >= budget) return false;
  const divergence =
    (rate === 0 ? 0 : rate * Math.log(rate / budget)) + (1 - rate) * Math.log((1 - rate) / (1 - budget));
  return pair.all * divergence >= Math.log(1 / errorRate);
}
