import type { Columns, TelemetrySignal } from '../proto/otlp/columns.ts';
import { columnBytesOf } from '../proto/otlp/growing.ts';
import { scan } from '../proto/otlp/scan.ts';
import { type Replacement, splice } from '../proto/otlp/splice.ts';
import type { DeploymentEvent, HealthDelta } from '../proto/windback/health.ts';
import type { DecisionEvent } from '../proto/windback/decision.ts';
import { bodies } from './buffer-pool.ts';
import { Lease } from './lease.ts';
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
  /** Spans, data points or log records. */
  readonly items: number;
  #columns: Columns | undefined;
  /** One per resource of `columns.resources`, or undefined before the tagger. */
  #tags: readonly Tag[] | undefined;
  #deployments: ReadonlyMap<number, DeploymentEvent> = NO_DEPLOYMENTS;
  #target: TagTarget = 'resource';
  #encoded: Uint8Array | undefined;
  /** Whether the columns hold what attributes of items say. */
  readonly hasAttributes: boolean;
  /** Of bytes and columns; undefined where they are nobody's but this batch's. */
  readonly #lease: Lease | undefined;

  private constructor(
    of: Pick<TelemetryBatch, 'signal' | 'items' | 'hasAttributes'>,
    bytes: Uint8Array,
    columns: Columns | undefined,
    lease: Lease | undefined,
  ) {
    this.signal = of.signal;
    this.items = of.items;
    this.hasAttributes = of.hasAttributes;
    this.bytes = bytes;
    this.#columns = columns;
    this.#lease = lease;
  }

  /**
   * Scans an encoded Export request. Throws `WireError` where it is malformed. With a `lease`, bytes and columns are
   * good until that ends. Attributes of items are passed over where nobody `readsAttributes`: that is half the scan.
   * `columnBytesMax`: what the columns may take; throws `TooManyEntries` where they need more.
   */
  static open(
    signal: TelemetrySignal,
    bytes: Uint8Array,
    lease?: Lease,
    readsAttributes = true,
    columnBytesMax = Infinity,
  ): TelemetryBatch {
    const columns = scan(signal, bytes, lease, readsAttributes, columnBytesMax);
    const of = { signal, items: columns.count, hasAttributes: readsAttributes };
    return new TelemetryBatch(of, bytes, columns, lease);
  }

  /** What one pass over the bytes has found. Of a batch that was parked it is found anew, when somebody asks for it. */
  get columns(): Columns {
    this.#columns ??= scan(this.signal, this.bytes, undefined, this.hasAttributes);
    return this.#columns;
  }

  /**
   * To be called by whoever goes on reading the batch after its `consume` has resolved, before that: else bytes and
   * columns may be overwritten from then on.
   */
  keep(): void {
    this.#lease?.hold();
  }

  /** Ends what `keep` began. Not to be called where somebody may still read it: then it is left to the collector. */
  letGo(): void {
    this.#lease?.letGo();
  }

  /**
   * The same telemetry for whoever keeps it until it is sent, which may be long: with the tags written, and without
   * columns, which take many times as much as the bytes where items are few. To be called before `consume` resolves; it is
   * held already, and let go of by `letGo`.
   */
  parked(): TelemetryBatch {
    const lease = new Lease();
    const bytes = this.#encode(allocatorOf(lease));
    if (bytes === this.bytes) this.#lease?.holdBytesFor(lease);
    return new TelemetryBatch(this, bytes, undefined, lease);
  }

  /**
   * What it takes of the memory, more or less. Usually the columns are a quarter of the bytes, which counts as nothing;
   * many items in few bytes take many times as much as the bytes.
   */
  get memoryBytes(): number {
    const encoded = this.#encoded === this.bytes ? 0 : (this.#encoded?.length ?? 0);
    const columns = this.#columns === undefined ? 0 : columnBytesOf(this.#columns);
    return Math.max(this.bytes.length, columns) + encoded;
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
    this.#encoded ??= this.#encode(allocatorOf(this.#lease));
    return this.#encoded;
  }

  /** The same telemetry for another pipeline that must not see this one's changes. Shares bytes and columns. */
  fork(): TelemetryBatch {
    const fork = new TelemetryBatch(this, this.bytes, this.#columns, this.#lease);
    fork.#tags = this.#tags;
    fork.#deployments = this.#deployments;
    fork.#target = this.#target;
    fork.#encoded = this.#encoded;
    return fork;
  }

  #encode(allocate: (bytes: number) => Uint8Array): Uint8Array {
    if (this.#tags === undefined) return this.bytes;
    const replacements: Replacement[] = this.#tags.map((tag) =>
      this.#target === 'resource' ? { resource: tag.taggedResource } : { itemAttributes: tag.attributes },
    );
    return splice(this.bytes, this.columns, replacements, allocate);
  }
}

/** Gives memory that comes back with the lease. */
function allocatorOf(lease: Lease | undefined): (bytes: number) => Uint8Array {
  return (bytes) => {
    if (lease === undefined) return Buffer.allocUnsafe(bytes);
    const room = bodies.take(bytes);
    lease.onEnd(() => bodies.give(room));
    return room;
  };
}

/** Whether a batch is telemetry, so that its columns may be read. */
export function isTelemetry(batch: Batch): batch is TelemetryBatch {
  return batch instanceof TelemetryBatch;
}

const NO_DEPLOYMENTS: ReadonlyMap<number, DeploymentEvent> = new Map();
