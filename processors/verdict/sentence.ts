import type { Evidence, OperationEvidence } from '../../proto/windback/decision.ts';
import { customName } from './config-indicators.ts';
import type { Step } from './lifecycle.ts';
import type { Rollout } from './rollout.ts';
import type { Weighed } from './weighing.ts';

interface Words {
  readonly verb: string;
  /** The verb again, short. */
  readonly does: string;
  readonly events: string;
  readonly beyond: string;
}

/** What is compared, as a person would say it. */
const WORDS: Readonly<Record<string, Words>> = {
  errors: { verb: 'fails', does: 'does', events: 'requests', beyond: '' },
  slow_p50: {
    verb: 'is slow',
    does: 'is',
    events: 'requests',
    beyond: " (slower than the baseline's median and the margin)",
  },
  slow_p90: {
    verb: 'is slow',
    does: 'is',
    events: 'requests',
    beyond: " (slower than the baseline's 90th percentile and the margin)",
  },
  slow_p99: {
    verb: 'is slow',
    does: 'is',
    events: 'requests',
    beyond: " (slower than the baseline's 99th percentile and the margin)",
  },
  log_errors: { verb: 'logs errors', does: 'does', events: 'requests or records', beyond: '' },
  new_signatures: {
    verb: 'has errors of a new kind',
    does: 'has them',
    events: 'requests or records',
    beyond: '',
  },
  calls: { verb: 'makes unusual calls', does: 'does', events: 'requests', beyond: '' },
  resource: { verb: 'is beyond the usual', does: 'is', events: 'samples', beyond: ' (high or growing)' },
};

function wordsOf(indicator: string): Words {
  const own = customName(indicator);
  return own === undefined
    ? (WORDS[indicator] as Words)
    : { verb: `has bad ${own} items`, does: 'has them', events: 'items', beyond: '' };
}

/** The reason of a decision in one sentence. `atSlot` is when it was taken. */
export function sentence(
  step: Step,
  weighed: Weighed | undefined,
  rollout: Rollout,
  operations: readonly OperationEvidence[],
  atSlot: number,
): string {
  const elapsed = duration(atSlot - rollout.identity.startedAt);
  if (step.inconclusive !== undefined) return `no verdict on ${rollout.identity.candidate}: ${step.inconclusive}`;
  if (weighed !== undefined) {
    const why = whyOf(weighed, rollout, operations, elapsed);
    if (step.because !== undefined) return `${why}; held, for ${step.because}`;
    return step.kind === 'hold' ? `${why}; not yet beyond doubt` : why;
  }
  return calm(step, rollout, elapsed);
}

function whyOf(
  { isHistorical, evidence }: Weighed,
  rollout: Rollout,
  operations: readonly OperationEvidence[],
  elapsed: string,
): string {
  const found = evidence();
  if (isHistorical) return unlikeThePast(rollout, found);
  return found.indicator === 'silence'
    ? silent(rollout, found, elapsed)
    : compared(rollout, found, operations, elapsed);
}

function unlikeThePast({ identity }: Rollout, { indicator, candidate, baseline, relative_risk }: Evidence): string {
  const verb = indicator === 'silence' ? 'gets fewer requests' : wordsOf(indicator).verb;
  const much = relative_risk === null ? '' : `, ${times(relative_risk)} times what was to be expected`;
  return `${identity.candidate} ${verb} unlike all that the past of ${identity.baseline} shows: ${candidate.bad} of ${candidate.all} minutes were out of the ordinary of ${baseline.all} minutes before${much}`;
}

/** Where no indicator decided. */
function calm({ kind, because }: Step, rollout: Rollout, elapsed: string): string {
  const { requests } = rollout.totals.candidate;
  const { candidate, baseline } = rollout.identity;
  const what = `${grouped(requests)} requests in ${elapsed}`;
  if (because !== undefined) return `${candidate}: ${because}; ${what}`;
  if (kind === 'resume') return `${candidate} is no worse than ${baseline} after all: the doubt has gone, ${what}`;
  return `${candidate} is no worse than ${baseline} by more than tolerated in any indicator that decides: ${what}`;
}

function compared(
  rollout: Rollout,
  { indicator, candidate, baseline, relative_risk, interval }: Evidence,
  operations: readonly OperationEvidence[],
  elapsed: string,
): string {
  const { verb, does, events, beyond } = wordsOf(indicator);
  const main = mainOperation(operations, candidate.bad);
  const where = main === undefined ? '' : ` on ${main.operation}`;
  // Where a single operation is named, the counts are its own.
  const { candidate: own, baseline: other } = main ?? { candidate, baseline };
  const counts = `${grouped(own.bad)} of ${grouped(own.all)} against ${grouped(other.bad)} of ${grouped(other.all)} ${events} in ${elapsed}`;
  const much =
    relative_risk === null
      ? baseline.bad === 0
        ? `and ${rollout.identity.baseline} never ${does}`
        : `where ${rollout.identity.baseline} ${does} not`
      : `${times(relative_risk)} times as often as ${rollout.identity.baseline}${range(interval)}`;
  return `${rollout.identity.candidate} ${verb}${beyond} ${much}${where}: ${counts}`;
}

function silent(rollout: Rollout, { candidate }: Evidence, elapsed: string): string {
  if (rollout.silence.isCrashLoop) {
    return `${rollout.identity.candidate} keeps dying: ${candidate.bad} of ${candidate.all} instances that it started in ${elapsed} were gone within 5 min`;
  }
  const share = Math.round((rollout.weight ?? 0) * 100);
  const got = candidate.all - candidate.bad;
  const amount = got <= 0 ? 'none' : `only ${grouped(got)}`;
  return `${rollout.identity.candidate} answers ${amount} of the ${grouped(candidate.all)} requests that its share of ${share} % should have brought in ${elapsed}`;
}

/** Named only if most of what went wrong went wrong there. */
function mainOperation(operations: readonly OperationEvidence[], bad: number): OperationEvidence | undefined {
  const [worst] = operations;
  return worst !== undefined && worst.candidate.bad >= 0.8 * bad ? worst : undefined;
}

function range(interval: Evidence['interval']): string {
  if (interval === null || interval[0] === 0) return '';
  return interval[1] === null
    ? ` (at least ${times(interval[0])})`
    : ` (${times(interval[0])} to ${times(interval[1])})`;
}

function times(value: number): string {
  return value >= 10 ? String(Math.round(value)) : value.toFixed(1);
}

/** 9340 as `9 340`. */
function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** 250 as `4 min 10 s`. */
export function duration(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor((seconds % 3600) / 60), 'min'],
    [seconds % 60, 's'],
  ] as const;
  const shown = parts.filter(([amount]) => amount > 0).map(([amount, unit]) => `${amount} ${unit}`);
  return shown.length === 0 ? '0 s' : shown.join(' ');
}
