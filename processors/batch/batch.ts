import { type Batch, isTelemetry, type TelemetryBatch } from '../../pipeline/batch.ts';
import type { Component, Consumer, Context, Outlets } from '../../pipeline/component.ts';
import { asPipelineError } from '../../pipeline/errors.ts';
import { Lease } from '../../pipeline/lease.ts';
import type { Count } from '../../pipeline/telemetry/meter.ts';
import { GROUPS_MAX, ITEMS_MAX } from '../../proto/otlp/growing.ts';
import type { BatchConfig } from './config.ts';
import { groupOf, join } from './join.ts';

/** What grpc-go, and with it the Collector, takes as one message by default; requests are not joined beyond it. */
const JOINED_BYTES_MAX = 4 * 1024 * 1024;

/** Requests that wait for others of their group. */
interface Group {
  readonly batches: TelemetryBatch[];
  items: number;
  bytes: number;
  resources: number;
  /** Ends the wait for the timeout. */
  readonly sent: AbortController;
  /** Settles as the joined batch does downstream. */
  readonly outcome: PromiseWithResolvers<void>;
}

type Trigger = 'size' | 'bytes' | 'timeout' | 'stop';

/**
 * Joins small requests to large ones. Each caller is answered when the joined batch has been taken, or refused,
 * downstream: nothing that was acknowledged waits here.
 */
export class Batcher implements Component, Consumer {
  readonly #config: BatchConfig;
  readonly #next: Outlets;
  readonly #context: Context;
  readonly #groups = new Map<string, Group>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #counts = new Map<Trigger, Count>();

  constructor(config: BatchConfig, next: Outlets, context: Context) {
    this.#config = config;
    this.#next = next;
    this.#context = context;
  }

  async start(): Promise<void> {}

  /** Sends what waits and waits for its outcome; the callers learn it. */
  async stop(deadline: AbortSignal): Promise<void> {
    for (const [key, group] of this.#groups) this.#send(key, group, 'stop');
    const late = Promise.withResolvers<void>();
    if (deadline.aborted) late.resolve();
    else deadline.addEventListener('abort', () => late.resolve(), { once: true });
    await Promise.race([Promise.allSettled(this.#underWay), late.promise]);
  }

  consume(batch: Batch): Promise<void> {
    if (!isTelemetry(batch) || this.#config.timeout === 0) return this.#next.to(batch.signal).consume(batch);
    const key = groupOf(batch);
    const open = this.#groups.get(key);
    if (open !== undefined && !fits(open, batch)) this.#send(key, open, 'bytes');
    const group = this.#groups.get(key) ?? this.#open(key);
    group.batches.push(batch);
    group.items += batch.items;
    group.bytes += batch.bytes.length;
    group.resources += batch.columns.resources.count;
    if (group.items >= this.#config.send_batch_size) this.#send(key, group, 'size');
    return group.outcome.promise;
  }

  #open(key: string): Group {
    const group: Group = {
      batches: [],
      items: 0,
      bytes: 0,
      resources: 0,
      sent: new AbortController(),
      outcome: Promise.withResolvers<void>(),
    };
    this.#groups.set(key, group);
    void this.#context.clock.sleep(this.#config.timeout, group.sent.signal).then(() => {
      if (!group.sent.signal.aborted) this.#send(key, group, 'timeout');
    });
    return group;
  }

  #send(key: string, group: Group, trigger: Trigger): void {
    this.#groups.delete(key);
    group.sent.abort();
    this.#count(trigger).add(1);
    const sending = this.#deliver(group).finally(() => this.#underWay.delete(sending));
    this.#underWay.add(sending);
  }

  /** Never rejects: whatever happens is told to the callers. */
  async #deliver({ batches, outcome }: Group): Promise<void> {
    const lease = new Lease();
    try {
      const joined = join(batches, lease);
      await this.#next.to(joined.signal).consume(joined);
      outcome.resolve();
    } catch (thrown) {
      outcome.reject(asPipelineError(thrown));
    } finally {
      lease.letGo();
    }
  }

  #count(trigger: Trigger): Count {
    let count = this.#counts.get(trigger);
    if (count === undefined) {
      const labels = { processor: this.#context.id, trigger };
      count = this.#context.meter.counter('windback_processor_batch_flushes_total', labels);
      this.#counts.set(trigger, count);
    }
    return count;
  }
}

/** Whether the joined request could be read: else one that is odd would have all others of the group refused with it. */
function fits({ items, bytes, resources }: Group, batch: TelemetryBatch): boolean {
  return (
    bytes + batch.bytes.length <= JOINED_BYTES_MAX &&
    items + batch.items <= ITEMS_MAX &&
    resources + batch.columns.resources.count <= GROUPS_MAX
  );
}
