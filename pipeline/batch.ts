import type { Columns, TelemetrySignal } from '../proto/otlp/columns.ts';
import { scan } from '../proto/otlp/scan.ts';
import { type Replacement, splice } from '../proto/otlp/splice.ts';
import type { DeploymentEvent, HealthDelta } from '../proto/windback/health.ts';
import type { DecisionEvent } from '../proto/windback/decision.ts';
import type { Tag } from './tag.ts';

/** What a pipeline carries. */
export type Signal = TelemetrySignal | 'health' | 'decisions';

export type { TelemetrySignal } from '../proto/otlp/columns.ts';

/** One message on its way through a pipeline. */
export type Batch = TelemetryBatch | HealthBatch | DecisionBatch;

/** Deltas of one source, with how far its clock has come. */
export interface HealthBatch {
  readonly signal: 'health';
  readonly items: number;
  readonly deltas: readonly HealthDelta[];
}

/** Decisions, in the order in which they were taken. */
export interface DecisionBatch {
  readonly signal: 'decisions';
  readonly items: number;
  readonly decisions: readonly DecisionEvent[];
}

/** Where the tagger writes: on each resource, or on every span, data point and log record. */
export type TagTarget = 'resource' | 'item';

/**
 * One Export request: the bytes as they came in, and the columns of one pass over them. The bytes are never changed
 * in place, so a fork shares them; tags are kept beside them and written only when somebody needs the whole message.
 */
export class TelemetryBatch {
  readonly signal: TelemetrySignal;
  /** An encoded Export{Trace,Metrics,Logs}ServiceRequest, without the tags. */
  readonly bytes: Uint8Array;
  readonly columns: Columns;
  /** One per resource of `columns.resources`, or undefined before the tagger. */
  #tags: readonly Tag[] | undefined;
  #deployments: ReadonlyMap<number, DeploymentEvent> = NO_DEPLOYMENTS;
  #target: TagTarget = 'resource';
  #encoded: Uint8Array | undefined;

  private constructor(bytes: Uint8Array, columns: Columns) {
    this.signal = columns.signal;
    this.bytes = bytes;
    this.columns = columns;
  }

  /** Scans an encoded Export request. Throws `WireError` where it is malformed. */
  static open(signal: TelemetrySignal, bytes: Uint8Array): TelemetryBatch {
    return new TelemetryBatch(bytes, scan(signal, bytes));
  }

  /** Spans, data points or log records. */
  get items(): number {
    return this.columns.count;
  }

  get tags(): readonly Tag[] | undefined {
    return this.#tags;
  }

  /** Where the tags are written. */
  get target(): TagTarget {
    return this.#target;
  }

  /** The deployment events among the log records, by record, as the tagger understood them. */
  get deployments(): ReadonlyMap<number, DeploymentEvent> {
    return this.#deployments;
  }

  /** Tags each resource; `tags[i]` belongs to resource i. `deployments` are the events among the log records. */
  tag(tags: readonly Tag[], target: TagTarget, deployments = NO_DEPLOYMENTS): void {
    this.#tags = tags;
    this.#deployments = deployments;
    this.#target = target;
    this.#encoded = undefined;
  }

  /** The request with the tags written, for whoever sends it on. Encoded once. */
  encoded(): Uint8Array {
    this.#encoded ??= this.#encode();
    return this.#encoded;
  }

  /** The same telemetry for another pipeline that must not see this one's changes. Shares bytes and columns. */
  fork(): TelemetryBatch {
    const fork = new TelemetryBatch(this.bytes, this.columns);
    fork.#tags = this.#tags;
    fork.#deployments = this.#deployments;
    fork.#target = this.#target;
    fork.#encoded = this.#encoded;
    return fork;
  }

  #encode(): Uint8Array {
    if (this.#tags === undefined) return this.bytes;
    const replacements: Replacement[] = this.#tags.map((tag) =>
      this.#target === 'resource' ? { resource: tag.taggedResource } : { itemAttributes: tag.attributes },
    );
    return splice(this.bytes, this.columns, replacements);
  }
}

/** Whether a batch is telemetry, so that its columns may be read. */
export function isTelemetry(batch: Batch): batch is TelemetryBatch {
  return batch instanceof TelemetryBatch;
}

const NO_DEPLOYMENTS: ReadonlyMap<number, DeploymentEvent> = new Map();
