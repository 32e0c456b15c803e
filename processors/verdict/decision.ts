import { createHash } from 'node:crypto';
import { explain } from '../../proto/windback/explain.ts';
import type {
  Blame,
  CohortHealth,
  DecisionEvent,
  DecisionKind,
  Evidence,
  NewSignature,
  OperationEvidence,
} from '../../proto/windback/decision.ts';
import type { Cohort } from './cohort.ts';
import type { VerdictConfig } from './config.ts';
import type { IndicatorsConfig } from './config-indicators.ts';
import type { Step } from './lifecycle.ts';
import type { Rollout, Totals } from './rollout.ts';
import { sentence } from './sentence.ts';
import type { ServiceIdentity } from './identity.ts';
import type { Weighed } from './weighing.ts';

/** Everything a decision is made of. */
export interface DecisionParts {
  readonly step: Step;
  readonly weighed: readonly Weighed[];
  readonly rollout: Rollout;
  readonly candidate: Cohort;
  readonly baseline: Cohort;
  readonly identity: ServiceIdentity;
  /** Other rollouts of these hours, and why they are not to blame. */
  readonly others: readonly Blame[];
  /** First slot after the block that decided. */
  readonly atSlot: number;
  readonly config: VerdictConfig;
  readonly digest: string;
}

/** Operations named in an event, those with the largest excess of bad events first. */
const MAX_OPERATIONS = 5;

/** The event of a step. The same parts give the same bytes. */
export function decisionEvent(parts: DecisionParts): DecisionEvent {
  const { step, rollout, identity, atSlot, config } = parts;
  const ordinal = step.kind === 'hold' || step.kind === 'resume' ? rollout.holds : 1;
  const event: DecisionEvent = {
    id: decisionId(identity.key, rollout.identity.candidate, rollout.identity.startedAt, step.kind, ordinal),
    source: config.source,
    type: `dev.windback.decision.${step.kind}.v1`,
    subject: identity.key,
    time: timestamp(atSlot),
    data: dataOf(parts),
  };
  return { ...event, data: { ...event.data, explanation: explain(event) } };
}

function dataOf(parts: DecisionParts): DecisionEvent['data'] {
  const { step, weighed, rollout, candidate, baseline, identity, others, atSlot, config, digest } = parts;
  const evidence = weighed.map((one) => one.evidence());
  const decisive = weighed.find(({ indicator }) => indicator === step.indicator);
  const operations = operationsOf(rollout, step.indicator);
  return {
    decision: step.kind,
    verdict: rollout.verdict,
    reason: sentence(step, decisive, rollout, operations, atSlot),
    service: { name: identity.service, namespace: identity.namespace, environment: identity.environment },
    candidate: healthOf(candidate, rollout.totals.candidate, config.indicators),
    baseline: healthOf(baseline, rollout.totals.baseline, config.indicators),
    baseline_kind: decisive?.isHistorical === true ? 'historical' : rollout.identity.baselineKind,
    rollout: rolloutOf(identity, rollout, atSlot),
    evidence: evidence.map(rounded),
    inconclusive: step.inconclusive ?? null,
    indicator: step.indicator,
    operations,
    exemplars: rollout.exemplars,
    signatures: signaturesOf(rollout),
    blame: others,
    guards: decisive?.guards() ?? [],
    policy: { false_rollback_rate: config.false_rollback_rate, tolerance: config.tolerance, digest },
    dry_run: config.dry_run,
    explanation: '',
  };
}

function rolloutOf(
  identity: ServiceIdentity,
  { identity: { candidate, startedAt, knownBy } }: Rollout,
  atSlot: number,
): DecisionEvent['data']['rollout'] {
  return {
    id: rolloutId(identity.key, candidate, startedAt),
    started_at: timestamp(startedAt),
    decided_at: timestamp(atSlot),
    elapsed_seconds: atSlot - startedAt,
    known_by: knownBy,
  };
}

export function rolloutId(key: string, candidate: string, startedAt: number): string {
  return hash(key, candidate, String(startedAt));
}

/** New signatures named in an event. */
const MAX_SIGNATURES = 10;

function signaturesOf({ signatures }: Rollout): NewSignature[] {
  return [...signatures]
    .map(([signature, count]) => ({ signature, count }))
    .sort((a, b) => b.count - a.count || (a.signature < b.signature ? -1 : 1))
    .slice(0, MAX_SIGNATURES);
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

/** What matters when something is decided, and not to the evidence that it is decided by. */
const ONLY_DECIDING: readonly (keyof VerdictConfig)[] = [
  'hold',
  'end_after',
  'inconclusive_after',
  'recovery',
  'max_services',
  'state',
  'source',
  'dry_run',
];

/** Tells configurations apart by which the same telemetry comes to other evidence. */
export function evidenceDigestOf(config: VerdictConfig): string {
  const { margin, error_rate } = config.promotion;
  const weighing = Object.entries(config).filter(([key]) => !ONLY_DECIDING.includes(key as keyof VerdictConfig));
  return digestOf({ ...Object.fromEntries(weighing), promotion: { margin, error_rate } } as VerdictConfig);
}

export function timestamp(slot: number): string {
  return new Date(slot * 1000).toISOString();
}

export function healthOf(cohort: Cohort, totals: Totals, indicators: IndicatorsConfig): CohortHealth {
  return {
    version: cohort.version,
    score: cohort.scores(indicators),
    requests: totals.requests,
    errors: totals.errors,
    log_records: totals.logRecords,
    log_errors: totals.logErrors,
    instances: cohort.instances.size,
  };
}

/** Operations where the candidate had more bad events than its share of requests explains, worst first. */
function operationsOf(rollout: Rollout, indicator: string | null): OperationEvidence[] {
  if (indicator === null || indicator === 'silence') return [];
  const operations = [...(rollout.comparisons.get(indicator)?.operations ?? [])].filter(
    ([operation]) => operation !== '',
  );
  const excess = ({ candidate, baseline }: Pick<OperationEvidence, 'candidate' | 'baseline'>) =>
    candidate.bad - (baseline.all === 0 ? 0 : (candidate.all * baseline.bad) / baseline.all);
  return operations
    .map(([stratum, pairs]) => ({
      operation: stratum.replace('\n', ' → '),
      indicator,
      candidate: { ...pairs.candidate },
      baseline: { ...pairs.baseline },
    }))
    .filter((one) => excess(one) > 0)
    .sort((a, b) => excess(b) - excess(a) || (a.operation < b.operation ? -1 : 1))
    .slice(0, MAX_OPERATIONS);
}

/** Numbers at a precision that people read; the last bits of a double tell nobody anything. */
export function rounded(evidence: Evidence): Evidence {
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
