import type { Consumer, Context, Outlets } from '../../pipeline/component.ts';
import { TelemetryBatch, type TelemetrySignal } from '../../pipeline/batch.ts';
import { bodies } from '../../pipeline/buffer-pool.ts';
import { type Encoding, inflate, type Rooms } from '../../pipeline/compression.ts';
import { asPipelineError, type ErrorCode, PipelineError } from '../../pipeline/errors.ts';
import { Lease } from '../../pipeline/lease.ts';
import type { Count } from '../../pipeline/telemetry/meter.ts';
import { WireError } from '../../proto/wire/reader.ts';
import type { Body } from './body.ts';
import type { Budget } from './budget.ts';

export const SIGNALS = ['traces', 'metrics', 'logs'] as const satisfies readonly TelemetrySignal[];

/** Makes the protobuf form of an inflated body. Throws a `PipelineError` where it is malformed. */
export type Decode = (signal: TelemetrySignal, bytes: Uint8Array) => Uint8Array;

interface Lane {
  readonly consumer: Consumer;
  readonly readsAttributes: boolean;
  readonly accepted: Count;
}

/** What gRPC and HTTP do alike with a request that has arrived: inflate, open, hand on, count. */
export class Intake {
  readonly #transport: 'grpc' | 'http';
  readonly #context: Context;
  readonly #lanes = new Map<TelemetrySignal, Lane>();
  readonly #refusals = new Map<string, Count>();

  constructor(transport: 'grpc' | 'http', next: Outlets, context: Context) {
    this.#transport = transport;
    this.#context = context;
    for (const signal of SIGNALS) {
      if (!next.has(signal)) continue;
      const labels = { receiver: context.id, transport, signal };
      const accepted = context.meter.counter('windback_receiver_accepted_items_total', labels);
      const readsAttributes = next.readsAttributes?.(signal) ?? true;
      this.#lanes.set(signal, { consumer: next.to(signal), readsAttributes, accepted });
    }
  }

  /** Whether a pipeline takes this signal. Requests of others are refused: to take and forget them would be a loss. */
  serves(signal: TelemetrySignal): boolean {
    return this.#lanes.has(signal);
  }

  /**
   * Resolves when the pipelines have taken responsibility for the request, or when it was empty. Rejects with a
   * `PipelineError`. Releases the body, and counts, in any case.
   */
  async accept(
    signal: TelemetrySignal,
    body: Body,
    encoding: Encoding,
    limitBytes: number,
    decode?: Decode,
  ): Promise<void> {
    const lane = this.#lanes.get(signal);
    const lease = new Lease();
    const { budget } = body;
    let inflatedBytes = 0;
    let items = 0;
    try {
      if (lane === undefined) throw new PipelineError('unknown_path', `no pipeline takes ${signal} from this receiver`);
      let bytes = body.bytes();
      if (encoding !== 'identity') {
        bytes = inflated(bytes, encoding, limitBytes, lease, budget);
        budget.take(bytes.length);
        inflatedBytes = bytes.length;
        body.release();
      }
      if (decode !== undefined) bytes = decode(signal, bytes);
      const batch = this.#open(signal, bytes, lease, lane.readsAttributes);
      items = batch.items;
      if (items > 0) await lane.consumer.consume(batch);
      lane.accepted.add(items);
    } catch (thrown) {
      const error = asPipelineError(thrown);
      if (error.code === 'internal') this.#context.logger.error({ err: thrown, signal }, 'a request was refused');
      if (items > 0) this.#refusal('items', signal, error.code).add(items);
      else this.refuse(signal, error);
      throw error;
    } finally {
      // What came compressed has been let go of; what was not is the batch itself, and whoever keeps that keeps this.
      const own = body.handOver();
      if (own !== undefined) lease.onEnd(() => bodies.give(own));
      lease.letGo();
      budget.give(inflatedBytes);
    }
  }

  /** Counts a request that was refused before its items were known; no signal where its path named none. */
  refuse(signal: TelemetrySignal | undefined, error: PipelineError): void {
    this.#refusal('requests', signal ?? 'unknown', error.code).add(1);
  }

  #open(signal: TelemetrySignal, bytes: Uint8Array, lease: Lease, readsAttributes: boolean): TelemetryBatch {
    try {
      return TelemetryBatch.open(signal, bytes, lease, readsAttributes);
    } catch (error) {
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

/** What does not fit into the budget is not inflated either, only as far as it takes to see that. */
function inflated(body: Uint8Array, encoding: Encoding, limitBytes: number, lease: Lease, budget: Budget): Uint8Array {
  const free = budget.freeBytes;
  let room: Buffer | undefined;
  const rooms: Rooms = {
    take: (bytes) => (room = bodies.take(bytes)),
    give: (unused) => {
      room = undefined;
      bodies.give(unused);
    },
  };
  try {
    const content = inflate(encoding, body, Math.min(limitBytes, free), rooms);
    const own = room;
    if (own !== undefined) lease.onEnd(() => bodies.give(own));
    return content;
  } catch (error) {
    if (free < limitBytes && error instanceof PipelineError && error.code === 'too_large') budget.check(free + 1);
    throw error;
  }
}
