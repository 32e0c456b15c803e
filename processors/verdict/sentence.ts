import type { Evidence, OperationEvidence } from '../../proto/windback/decision.ts';
import type { IndicatorName } from './config.ts';
import type { Step } from './lifecycle.ts';
import type { Rollout } from './rollout.ts';

interface Words {
  readonly verb: string;
  /** The verb again, short. */
  readonly does: string;
  readonly events: string;
  readonly beyond: string;
}

/** What is compared, as a person would say it. */
const WORDS: Readonly<Record<Exclude<IndicatorName, 'silence'>, Words>> = {
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
  log_errors: { verb: 'logs errors', does: 'does', events: 'log records', beyond: '' },
};

/** The reason of a decision in one sentence. `atSlot` is when it was taken. */
export function sentence(
  step: Step,
  evidence: readonly Evidence[],
  rollout: Rollout,
  operations: readonly OperationEvidence[],
  atSlot: number,
): string {
  const elapsed = duration(atSlot - rollout.startedAt);
  const decisive = evidence.find(({ indicator }) => indicator === step.indicator);
  if (decisive !== undefined) {
    const why =
      decisive.indicator === 'silence'
        ? silent(rollout, decisive, elapsed)
        : compared(rollout, decisive, operations, elapsed);
    return step.kind === 'hold' ? `${why}; not yet beyond doubt` : why;
  }
  const { requests } = rollout.totals.candidate;
  const versions = `${rollout.candidate} is no worse than ${rollout.baseline}`;
  if (step.kind === 'resume')
    return `${versions} after all: the doubt has gone, ${grouped(requests)} requests in ${elapsed}`;
  return `${versions} by more than tolerated in any indicator: ${grouped(requests)} requests in ${elapsed}`;
}

function compared(
  rollout: Rollout,
  { indicator, candidate, baseline, relative_risk, interval }: Evidence,
  operations: readonly OperationEvidence[],
  elapsed: string,
): string {
  const { verb, does, events, beyond } = WORDS[indicator as Exclude<IndicatorName, 'silence'>];
  const where = mainOperation(operations, candidate.bad);
  const counts = `${grouped(candidate.bad)} of ${grouped(candidate.all)} against ${grouped(baseline.bad)} of ${grouped(baseline.all)} ${events} in ${elapsed}`;
  const much =
    relative_risk === null
      ? baseline.bad === 0
        ? `and ${rollout.baseline} never ${does}`
        : `where ${rollout.baseline} ${does} not`
      : `${times(relative_risk)} times as often as ${rollout.baseline}${range(interval)}`;
  return `${rollout.candidate} ${verb}${beyond} ${much}${where}: ${counts}`;
}

function silent(rollout: Rollout, { candidate }: Evidence, elapsed: string): string {
  const share = Math.round((rollout.weight ?? 0) * 100);
  const got = candidate.all - candidate.bad;
  const amount = got <= 0 ? 'none' : `only ${grouped(got)}`;
  return `${rollout.candidate} answers ${amount} of the ${grouped(candidate.all)} requests that its share of ${share} % should have brought in ${elapsed}`;
}

/** Named only if most of what went wrong went wrong there. */
function mainOperation(operations: readonly OperationEvidence[], bad: number): string {
  const [worst] = operations;
  return worst !== undefined && worst.candidate.bad >= 0.8 * bad ? ` on ${worst.operation}` : '';
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
function duration(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor((seconds % 3600) / 60), 'min'],
    [seconds % 60, 's'],
  ] as const;
  const shown = parts.filter(([amount]) => amount > 0).map(([amount, unit]) => `${amount} ${unit}`);
  return shown.length === 0 ? '0 s' : shown.join(' ');
}
