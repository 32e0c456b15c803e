import type { Consumer, Context, Outlets } from '../../pipeline/component.ts';
import { TelemetryBatch, type TelemetrySignal } from '../../pipeline/batch.ts';
import type { Encoding } from '../../pipeline/compression.ts';
import { asPipelineError, type ErrorCode, PipelineError } from '../../pipeline/errors.ts';
import { Lease } from '../../pipeline/lease.ts';
import type { Count } from '../../pipeline/telemetry/meter.ts';
import { TooManyEntries } from '../../proto/otlp/growing.ts';
import type { PartialSuccess } from '../../proto/otlp/export.ts';
import { WireError } from '../../proto/wire/reader.ts';
import type { Body } from './body.ts';
import { Content, type Decode } from './content.ts';
import { withoutLargeItems } from './item-limit.ts';

export const SIGNALS = ['traces', 'metrics', 'logs'] as const satisfies readonly TelemetrySignal[];

interface Lane {
  readonly consumer: Consumer;
  readonly accepted: Count;
}

/** What gRPC and HTTP do alike with a request that has arrived: inflate, open, hand on, count. */
export class Intake {
  readonly #transport: 'grpc' | 'http';
  readonly #next: Outlets;
  readonly #itemBytesMax: number;
  readonly #context: Context;
  readonly #lanes = new Map<TelemetrySignal, Lane>();
  readonly #refusals = new Map<string, Count>();

  /** `itemBytesMax`: larger items are refused. */
  constructor(transport: 'grpc' | 'http', itemBytesMax: number, next: Outlets, context: Context) {
    this.#transport = transport;
    this.#next = next;
    this.#itemBytesMax = itemBytesMax;
    this.#context = context;
    // So that their counters are there from the start.
    for (const signal of SIGNALS) this.#laneOf(signal);
  }

  /** Whether a pipeline takes this signal. Requests of others are refused: to take and forget them would be a loss. */
  serves(signal: TelemetrySignal): boolean {
    return this.#next.has(signal);
  }

  /**
   * Resolves when the pipelines have taken responsibility for the request, or when it was empty; with what was refused
   * of it for good, where that was a part. Rejects with a `PipelineError`. Releases the body, and counts, in any case.
   */
  async accept(
    signal: TelemetrySignal,
    body: Body,
    encoding: Encoding,
    limitBytes: number,
    decode?: Decode,
  ): Promise<PartialSuccess | undefined> {
    const lane = this.#laneOf(signal);
    const lease = new Lease();
    const content = new Content(body);
    let items = 0;
    try {
      if (lane === undefined) throw new PipelineError('unknown_path', `no pipeline takes ${signal} from this receiver`);
      if (encoding !== 'identity') content.inflate(encoding, limitBytes);
      if (decode !== undefined) content.decode(decode, signal);
      const whole = this.#open(signal, content.bytes, lease, body.budget.limitBytes);
      items = whole.items;
      content.charge(whole.memoryBytes);
      const limited = withoutLargeItems(whole, this.#itemBytesMax, lease);
      const { batch, refused } = limited ?? { batch: whole, refused: undefined };
      if (items > 0) await lane.consumer.consume(batch);
      lane.accepted.add(batch.items);
      if (refused !== undefined) this.#refusal('items', signal, 'item_too_large').add(refused.rejected);
      return refused;
    } catch (thrown) {
      const error = asPipelineError(thrown);
      if (error.code === 'internal') this.#context.logger.error({ err: thrown, signal }, 'a request was refused');
      if (items > 0) this.#refusal('items', signal, error.code).add(items);
      else this.refuse(signal, error);
      throw error;
    } finally {
      // It is the batch itself: whoever keeps that keeps its memory.
      content.handOver(lease);
      lease.letGo();
    }
  }

  /** Counts a request that was refused before its items were known; no signal where its path named none. */
  refuse(signal: TelemetrySignal | undefined, error: PipelineError): void {
    this.#refusal('requests', signal ?? 'unknown', error.code).add(1);
  }

  /** Undefined where no pipeline takes the signal: which do may change while we run. */
  #laneOf(signal: TelemetrySignal): Lane | undefined {
    if (!this.serves(signal)) return undefined;
    let lane = this.#lanes.get(signal);
    if (lane === undefined) {
      const labels = { receiver: this.#context.id, transport: this.#transport, signal };
      const accepted = this.#context.meter.counter('windback_receiver_accepted_items_total', labels);
      lane = { consumer: this.#next.to(signal), accepted };
      this.#lanes.set(signal, lane);
    }
    return lane;
  }

  #open(signal: TelemetrySignal, bytes: Uint8Array, lease: Lease, columnBytesMax: number): TelemetryBatch {
    const readsAttributes = this.#next.readsAttributes?.(signal) ?? true;
    try {
      return TelemetryBatch.open(signal, bytes, lease, readsAttributes, columnBytesMax);
    } catch (error) {
      if (error instanceof TooManyEntries) throw new PipelineError('too_large', error.message, { cause: error });
      if (error instanceof WireError) throw new PipelineError('malformed', error.message, { cause: error });
      throw error;
    }
  }

  #refusal(what: 'items' | 'requests', signal: string, reason: ErrorCode): Count {
    const key = `${what} ${signal} ${reason}`;
    let count = this.#refusals.get(key);
    if (count === undefined) {
      const labels = { receiver: this.#context.id, transport: this.#transport, signal, reason };
      count = this.#context.meter.counter(`windback_receiver_refused_${what}_total`, labels);
      this.#refusals.set(key, count);
    }
    return count;
  }
}
