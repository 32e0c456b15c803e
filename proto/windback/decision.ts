/**
 * What Windback tells the world: a CloudEvents 1.0 event whose data is a `Decision`. The JSON Schema of the data is
 * `decision.schema.json` beside this file; a test holds every event against it.
 */
export type DecisionKind = 'rollback' | 'hold' | 'resume' | 'promote';

/** The state of a rollout when the decision was taken. */
export type Verdict = 'observing' | 'healthy' | 'suspect' | 'failing' | 'inconclusive';

/** Bad events out of all events. */
export interface Pair {
  readonly bad: number;
  readonly all: number;
}

/** One cohort in the decision: how it did since the rollout began, and its score. */
export interface CohortHealth {
  readonly version: string;
  /** 0 to 100 by window name (`1m`, `5m`, `30m`, `1h`); null where the window saw no event. 100 is perfect. */
  readonly score: Readonly<Record<string, number | null>>;
  readonly requests: number;
  readonly errors: number;
  readonly log_records: number;
  readonly log_errors: number;
  /** Instances that sent telemetry during the rollout. */
  readonly instances: number;
}

/** What one indicator says. */
export interface Evidence {
  readonly indicator: string;
  /** The e-value: under "no worse than tolerated" it exceeds 1/x with probability at most x, ever. */
  readonly e: number;
  /** The e-value at which this indicator alone decides: 1 / (false_rollback_rate × weight). */
  readonly bar: number;
  /** Share of the way to the bar on the log scale, 0 to 1 and above. */
  readonly progress: number;
  /** Blocks that had something to say. */
  readonly blocks: number;
  readonly candidate: Pair;
  readonly baseline: Pair;
  /** Candidate's rate over the baseline's, stratified by operation, and its interval; null where not defined. */
  readonly relative_risk: number | null;
  readonly interval: readonly [number, number | null] | null;
  readonly fired: boolean;
}

/** What the candidate is compared with. */
export type BaselineKind = 'concurrent' | 'historical' | 'chosen';

/** Another rollout with evidence at the same time, and why it is not the one to blame; or the one that is. */
export interface Blame {
  /** Name of the other service, and its candidate. */
  readonly service: string;
  readonly candidate: string;
  readonly verdict: Verdict;
  readonly why_not: string;
}

/** An exception or message that the baseline never had. */
export interface NewSignature {
  readonly signature: string;
  readonly count: number;
}

/** An operation that stands out. */
export interface OperationEvidence {
  readonly operation: string;
  readonly indicator: string;
  readonly candidate: Pair;
  readonly baseline: Pair;
}

/** The data of the event. Keys are snake_case since this is a wire format. */
export interface Decision {
  readonly decision: DecisionKind;
  readonly verdict: Verdict;
  /** Why, as a person would say it. */
  readonly reason: string;
  readonly service: { readonly name: string; readonly namespace: string; readonly environment: string };
  readonly candidate: CohortHealth;
  /** Null where the rollout has no baseline to compare with. */
  readonly baseline: CohortHealth | null;
  readonly baseline_kind: BaselineKind;
  readonly rollout: {
    readonly id: string;
    /** Event times, RFC 3339. */
    readonly started_at: string;
    readonly decided_at: string;
    readonly elapsed_seconds: number;
    /** How the rollout became known. */
    readonly known_by: 'telemetry' | 'deployment_event';
  };
  readonly evidence: readonly Evidence[];
  /** Why nothing can be said; null unless the verdict is `inconclusive`. */
  readonly inconclusive: string | null;
  /** The indicator that decided; null for a promotion. */
  readonly indicator: string | null;
  readonly operations: readonly OperationEvidence[];
  /** Up to ten trace ids, hex, of requests of the candidate that went wrong. */
  readonly exemplars: readonly string[];
  /** Exceptions and messages of the candidate that the baseline never had, the most frequent first. */
  readonly signatures: readonly NewSignature[];
  /** Other rollouts that were suspected, and why not they. */
  readonly blame: readonly Blame[];
  readonly guards: readonly { readonly guard: string; readonly passed: boolean; readonly detail: string }[];
  readonly policy: {
    readonly false_rollback_rate: number;
    readonly tolerance: number;
    /** SHA-256 of the judge's effective configuration, hex, first 16 digits. */
    readonly digest: string;
  };
  readonly dry_run: boolean;
  /** All of this as a page for a person. */
  readonly explanation: string;
}

/** A decision in its envelope. */
export interface DecisionEvent {
  /** Deterministic: a hash of service key, candidate, rollout start and kind; the same after any crash or replay. */
  readonly id: string;
  readonly source: string;
  readonly type: `dev.windback.decision.${DecisionKind}.v1`;
  /** The service key: also the Kafka key, so that one service's decisions stay in order. */
  readonly subject: string;
  /** Event time, RFC 3339. */
  readonly time: string;
  readonly data: Decision;
}

/** Where the JSON Schema of the data is published. */
export const DECISION_SCHEMA = 'https://windback.dev/schemas/decision.v1.json';

/** CloudEvents JSON format, structured mode: one object, keys in a fixed order. */
export function structuredEvent(event: DecisionEvent): Record<string, unknown> {
  return {
    specversion: '1.0',
    id: event.id,
    source: event.source,
    type: event.type,
    subject: event.subject,
    time: event.time,
    datacontenttype: 'application/json',
    dataschema: DECISION_SCHEMA,
    data: event.data,
  };
}

/** CloudEvents Kafka binding, binary mode: attributes as `ce_` headers, the data alone as value. */
export function kafkaEvent(event: DecisionEvent): {
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string;
} {
  return {
    key: event.subject,
    headers: {
      ce_specversion: '1.0',
      ce_id: event.id,
      ce_source: event.source,
      ce_type: event.type,
      ce_subject: event.subject,
      ce_time: event.time,
      ce_dataschema: DECISION_SCHEMA,
      'content-type': 'application/json',
    },
    value: JSON.stringify(event.data),
  };
}
