import { type Batch, isTelemetry, TelemetryBatch } from '../../pipeline/batch.ts';
import { bodies } from '../../pipeline/buffer-pool.ts';
import type { Component, Consumer, Context, Outlets } from '../../pipeline/component.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import { Lease } from '../../pipeline/lease.ts';
import type { Count } from '../../pipeline/telemetry/meter.ts';
import { Redactor } from '../../proto/otlp/redactor.ts';
import { WireError } from '../../proto/wire/reader.ts';
import type { RedactionConfig } from './config.ts';
import { REQUESTS } from '../../proto/otlp/attribute-shapes.ts';
import { Rules } from './rules.ts';
import { TagRedactor } from './tags.ts';

/** Without these a resource belongs to no service and no version, and nothing is judged. */
const JUDGED_BY = 'service.name';

/** Removes attributes and masks values before anything behind it sees them. */
export class Redactions implements Component, Consumer {
  readonly #config: RedactionConfig;
  readonly #next: Outlets;
  readonly #context: Context;
  readonly #redactor: Redactor;
  readonly #tags: TagRedactor;
  readonly #removed: Count;
  readonly #masked: Count;

  constructor(config: RedactionConfig, next: Outlets, context: Context) {
    this.#config = config;
    this.#next = next;
    this.#context = context;
    const rules = new Rules(config);
    this.#redactor = new Redactor(rules);
    this.#tags = new TagRedactor(rules);
    const labels = { processor: context.id };
    this.#removed = context.meter.counter('windback_redaction_removed_attributes_total', labels);
    this.#masked = context.meter.counter('windback_redaction_masked_values_total', labels);
  }

  async start(): Promise<void> {
    const { allow_all_keys: allowsAll, allowed_keys: allowed, ignored_keys: ignored } = this.#config;
    if (allowsAll || allowed.includes(JUDGED_BY) || ignored.includes(JUDGED_BY)) return;
    this.#context.logger.warn(`${JUDGED_BY} is not among allowed_keys: behind this processor nothing can be judged`);
  }

  async stop(): Promise<void> {}

  async consume(batch: Batch): Promise<void> {
    const next = this.#next.to(batch.signal);
    if (!isTelemetry(batch)) return next.consume(batch);
    const lease = new Lease();
    try {
      await next.consume(this.#redacted(batch, lease));
    } finally {
      lease.letGo();
    }
  }

  /** The batch itself where nothing of it is redacted; else one whose memory comes back with the lease. */
  #redacted(batch: TelemetryBatch, lease: Lease): TelemetryBatch {
    const bytes = this.#redact(batch, lease);
    const tags = batch.tags?.map((tag) => this.#tags.tag(tag));
    if (bytes === undefined && (tags === undefined || tags.every((tag, i) => tag === batch.tags?.[i]))) return batch;
    const redacted =
      bytes === undefined ? batch.fork() : TelemetryBatch.open(batch.signal, bytes, lease, batch.hasAttributes);
    if (tags !== undefined) {
      const events = [...batch.deployments].map(([record, event]) => [record, this.#tags.event(event)] as const);
      redacted.tag(tags, batch.target, new Map(events));
    }
    return redacted;
  }

  #redact(batch: TelemetryBatch, lease: Lease): Uint8Array | undefined {
    const allocate = (size: number): Uint8Array => {
      const room = bodies.take(size);
      lease.onEnd(() => bodies.give(room));
      return room;
    };
    try {
      const bytes = this.#redactor.redact(batch.bytes, REQUESTS[batch.signal], allocate);
      this.#removed.add(this.#redactor.removed);
      this.#masked.add(this.#redactor.masked);
      return bytes;
    } catch (error) {
      // The scan looks at the fields it needs. What cannot be read cannot be redacted, and must not go on.
      if (error instanceof WireError) throw new PipelineError('malformed', error.message, { cause: error });
      throw error;
    }
  }
}
