import { createHash } from 'node:crypto';
import type {
  CohortHealth,
  DecisionEvent,
  DecisionKind,
  Evidence,
  OperationEvidence,
} from '../../proto/windback/decision.ts';
import type { Cohort } from './cohort.ts';
import type { IndicatorName, VerdictConfig } from './config.ts';
import type { Step } from './lifecycle.ts';
import type { Rollout, Totals } from './rollout.ts';
import { sentence } from './sentence.ts';
import type { ServiceIdentity } from './identity.ts';

/** Everything a decision is made of. */
export interface DecisionParts {
  readonly step: Step;
  readonly evidence: readonly Evidence[];
  readonly rollout: Rollout;
  readonly candidate: Cohort;
  readonly baseline: Cohort;
  readonly identity: ServiceIdentity;
  /** First slot after the block that decided. */
  readonly atSlot: number;
  readonly config: VerdictConfig;
  readonly digest: string;
}

/** Operations named in an event, those with the largest excess of bad events first. */
const MAX_OPERATIONS = 5;

/** The event of a step. The same parts give the same bytes. */
export function decisionEvent(parts: DecisionParts): DecisionEvent {
  const { step, evidence, rollout, candidate, baseline, identity, atSlot, config, digest } = parts;
  const operations = operationsOf(rollout, step.indicator);
  const ordinal = step.kind === 'hold' || step.kind === 'resume' ? rollout.holds : 1;
  return {
    id: decisionId(identity.key, rollout.candidate, rollout.startedAt, step.kind, ordinal),
    source: config.source,
    type: `dev.windback.decision.${step.kind}.v1`,
    subject: identity.key,
    time: timestamp(atSlot),
    data: {
      decision: step.kind,
      verdict: rollout.verdict,
      reason: sentence(step, evidence, rollout, operations, atSlot),
      service: { name: identity.service, namespace: identity.namespace, environment: identity.environment },
      candidate: healthOf(candidate, rollout.totals.candidate, config),
      baseline: healthOf(baseline, rollout.totals.baseline, config),
      rollout: {
        id: hash(identity.key, rollout.candidate, String(rollout.startedAt)),
        started_at: timestamp(rollout.startedAt),
        decided_at: timestamp(atSlot),
        elapsed_seconds: atSlot - rollout.startedAt,
        known_by: rollout.knownBy,
      },
      evidence: evidence.map(rounded),
      indicator: step.indicator,
      operations,
      exemplars: rollout.exemplars,
      guards: guardsOf(step, evidence),
      policy: { false_rollback_rate: config.false_rollback_rate, tolerance: config.tolerance, digest },
      dry_run: config.dry_run,
    },
  };
}

/** A hash of what makes a decision that decision: the same after any crash or replay. */
function decisionId(key: string, candidate: string, startedAt: number, kind: DecisionKind, ordinal: number): string {
  return hash(key, candidate, String(startedAt), ordinal === 1 ? kind : `${kind}#${ordinal}`);
}

function hash(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

/** The configuration that judged, as 16 hex digits. */
export function digestOf(config: VerdictConfig): string {
  return createHash('sha256').update(JSON.stringify(config)).digest('hex').slice(0, 16);
}

function timestamp(slot: number): string {
  return new Date(slot * 1000).toISOString();
}

function healthOf(cohort: Cohort, totals: Totals, config: VerdictConfig): CohortHealth {
  return {
    version: cohort.version,
    score: cohort.scores(config.indicators),
    requests: totals.requests,
    errors: totals.errors,
    log_records: totals.logRecords,
    log_errors: totals.logErrors,
    instances: cohort.instances.size,
  };
}

/** Operations where the candidate had more bad events than its share of requests explains, worst first. */
function operationsOf(rollout: Rollout, indicator: IndicatorName | null): OperationEvidence[] {
  if (indicator === null || indicator === 'silence') return [];
  const operations = [...(rollout.comparisons.get(indicator)?.operations ?? [])].filter(
    ([operation]) => operation !== '',
  );
  const excess = ({ candidate, baseline }: Pick<OperationEvidence, 'candidate' | 'baseline'>) =>
    candidate.bad - (baseline.all === 0 ? 0 : (candidate.all * baseline.bad) / baseline.all);
  return operations
    .map(([operation, pairs]) => ({ operation, indicator, ...pairs }))
    .filter((one) => excess(one) > 0)
    .sort((a, b) => excess(b) - excess(a) || (a.operation < b.operation ? -1 : 1))
    .slice(0, MAX_OPERATIONS);
}

/** Numbers at a precision that people read; the last bits of a double tell nobody anything. */
function rounded(evidence: Evidence): Evidence {
  const digits = (value: number) => Number(value.toPrecision(4));
  return {
    ...evidence,
    e: digits(evidence.e),
    bar: digits(evidence.bar),
    progress: digits(evidence.progress),
    relative_risk: evidence.relative_risk === null ? null : digits(evidence.relative_risk),
    interval:
      evidence.interval === null
        ? null
        : [digits(evidence.interval[0]), evidence.interval[1] === null ? null : digits(evidence.interval[1])],
  };
}

/** What had to hold beside the evidence itself. */
function guardsOf({ kind, indicator }: Step, evidence: readonly Evidence[]): DecisionEvent['data']['guards'] {
  if (kind !== 'rollback') return [];
  const decisive = evidence.find((one) => one.indicator === indicator);
  const severalBlocks = {
    guard: 'evidence_in_several_blocks',
    passed: (decisive?.blocks ?? 0) > 1,
    detail: `${decisive?.blocks ?? 0} blocks of event time had something to say`,
  };
  if (indicator === 'silence') return [severalBlocks];
  return [
    severalBlocks,
    {
      guard: 'concurrent_baseline',
      passed: true,
      detail: 'only blocks of event time in which both versions were at work were compared',
    },
  ];
}
