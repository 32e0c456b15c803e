import { type Batch, isTelemetry, TelemetryBatch, type TelemetrySignal } from '../../pipeline/batch.ts';
import type { Component, Consumer, Context, Outlets } from '../../pipeline/component.ts';
import { asPipelineError } from '../../pipeline/errors.ts';
import { WireError } from '../../proto/wire/reader.ts';
import type { Count } from '../../pipeline/telemetry/meter.ts';
import type { WorkerSiblings } from '../../pipeline/workers/siblings.ts';
import { Accumulator } from './accumulator.ts';
import { CallJoiner, type DroppedCalls } from './calls.ts';
import type { HealthConfig } from './config.ts';
import { CustomFolder } from './custom.ts';
import { RecentRequests } from './duplicates.ts';
import { foldLogs } from './fold-logs.ts';
import { MetricsFolder } from './fold-metrics.ts';
import { foldSpans } from './fold-spans.ts';
import { FlagFolder } from './feature-flags.ts';
import { emptyTally, type FoldPolicy, REASONS, type Tally } from './policy.ts';
import { SignatureFolder } from './signatures.ts';
import { Unsent } from './unsent.ts';

/**
 * Folds tagged telemetry into health deltas and passes it through untouched. A pipeline that lists it as a receiver
 * gets the deltas, every `flush_interval`.
 */
export class HealthFolder implements Component, Consumer {
  readonly #config: HealthConfig;
  readonly #next: Outlets;
  readonly #context: Context;
  readonly #accumulator: Accumulator;
  readonly #metrics: MetricsFolder;
  readonly #signatures: SignatureFolder;
  readonly #custom: CustomFolder;
  readonly #flags: FlagFolder;
  readonly #calls: CallJoiner;
  readonly #recent: RecentRequests;
  readonly #unsent: Unsent;
  readonly #counts = new Map<string, Count>();
  readonly #deltas: Count;
  #stopTicking: () => void = () => {};
  #flushing: Promise<void> = Promise.resolve();

  constructor(config: HealthConfig, next: Outlets, context: Context) {
    this.#config = config;
    this.#next = next;
    this.#context = context;
    const source = `${context.id}#${Math.floor(context.random() * 0xffff_ffff).toString(16)}`;
    this.#accumulator = new Accumulator(source, config.max_operations, config.max_series);
    this.#custom = new CustomFolder(config.custom, context.meter, context.id);
    this.#flags = new FlagFolder(config.feature_flags);
    this.#metrics = new MetricsFolder(config.resource_metrics);
    this.#signatures = new SignatureFolder(config.signatures.min_severity, config.signatures.max_per_flush);
    this.#calls = new CallJoiner(config.max_pending_calls, Math.floor(context.random() * 0xffff_ffff));
    this.#unsent = new Unsent(context);
    const { siblings } = context;
    this.#recent = new RecentRequests(siblings?.place === 'worker' ? siblings.seen : undefined);
    if (siblings?.place === 'main') siblings.serve((batch) => this.#fold(batch));
    this.#deltas = context.meter.counter('windback_health_deltas_total', { processor: context.id });
    context.meter.observe('windback_health_series', { processor: context.id }, () => this.#accumulator.seriesCount);
    context.meter.observe('windback_health_pending_calls', { processor: context.id }, () => this.#calls.pending);
  }

  async start(): Promise<void> {
    this.#stopTicking = this.#context.clock.every(this.#config.flush_interval, () => (this.#flushing = this.#flush()));
  }

  async stop(): Promise<void> {
    this.#stopTicking();
    this.#stopTicking = () => {};
    await this.#flushing;
    await this.#flush();
  }

  /** Folds only what the pipeline behind has taken: what is refused will be sent again, and must not count twice. */
  async consume(batch: Batch): Promise<void> {
    // What stands behind may tag anew; what is folded is the batch as it was here.
    const own = isTelemetry(batch) && batch.tags !== undefined ? batch.fork() : undefined;
    await this.#next.to(batch.signal).consume(batch);
    if (own === undefined) return;
    if (this.#isForMain(own)) await this.#leaveToMain(own);
    else this.#fold(own);
  }

  /**
   * Cumulative metrics are differences of one point and the next, and the next may come to another thread: where there
   * are several, the main one folds all that are of use.
   */
  #isForMain(batch: TelemetryBatch): boolean {
    if (batch.signal !== 'metrics' || this.#context.siblings?.place !== 'worker') return false;
    return this.#metrics.concerns(batch) || this.#config.custom.some(({ signal }) => signal === 'metrics');
  }

  /** What cannot be left there has been passed on all the same, and is not refused: it is not judged, and counted. */
  async #leaveToMain(batch: TelemetryBatch): Promise<void> {
    try {
      await (this.#context.siblings as WorkerSiblings).main.consume(batch);
    } catch (thrown) {
      const { message } = asPipelineError(thrown);
      this.#report(batch.signal, { ...emptyTally(), malformed: batch.items });
      this.#context.logger.warn({ signal: batch.signal }, `a request cannot be judged: ${message}`);
    }
  }

  #fold(given: TelemetryBatch): void {
    const tally = emptyTally();
    const policy: FoldPolicy = {
      nowSeconds: this.#context.clock.now() / 1000,
      maxSkewSeconds: this.#config.max_skew / 1000,
      countHttp4xx: this.#config.count_http_4xx,
      calls: this.#calls,
      signatures: this.#signatures,
    };
    if (this.#config.drop_duplicates && this.#recent.isRepeated(given, policy.nowSeconds)) {
      tally.duplicate = given.items;
      this.#report(given.signal, tally);
      return;
    }
    try {
      const batch = withAttributes(given);
      if (batch.signal === 'traces') foldSpans(batch, this.#accumulator, policy, tally);
      else if (batch.signal === 'logs') foldLogs(batch, this.#accumulator, policy, tally);
      else this.#metrics.fold(batch, this.#accumulator, policy, tally);
      this.#custom.fold(batch, this.#accumulator, policy, tally);
      this.#flags.fold(batch, this.#accumulator, policy, tally);
    } catch (thrown) {
      // The request is sound down to its items; what lies deeper is only read here. It has been passed on already.
      if (!(thrown instanceof WireError)) throw thrown;
      tally.malformed++;
      this.#context.logger.warn({ signal: given.signal }, `part of a request cannot be judged: ${thrown.message}`);
    }
    this.#report(given.signal, tally);
    this.#reportCalls(this.#calls.dropped);
  }

  async #flush(): Promise<void> {
    const flushed = this.#accumulator.flush();
    const sent = this.#unsent.take();
    this.#signatures.flushed();
    const deltas = await flushed;
    if (deltas.length === 0 || !this.#next.has('health')) return sent();
    this.#deltas.add(deltas.length);
    try {
      await this.#next.to('health').consume({ signal: 'health', items: deltas.length, deltas });
    } catch (thrown) {
      const { code, message, row } = asPipelineError(thrown);
      const labels = { processor: this.#context.id, signal: 'health', reason: code };
      this.#context.meter.counter('windback_processor_dropped_items_total', labels).add(deltas.length);
      this.#context.logger.error({ code, items: deltas.length, todo: row.todo }, `deltas were dropped: ${message}`);
    }
    sent();
  }

  #report(signal: TelemetrySignal, tally: Tally): void {
    this.#count('windback_health_folded_items_total', signal).add(tally.folded);
    this.#unsent.add(signal, tally.folded);
    for (const [field, reason] of REASON_ENTRIES) {
      const amount = tally[field as keyof Tally];
      if (amount > 0) this.#count('windback_health_ignored_items_total', signal, reason).add(amount);
    }
  }

  #reportCalls(dropped: DroppedCalls): void {
    for (const reason of Object.keys(dropped) as (keyof DroppedCalls)[]) {
      if (dropped[reason] === 0) continue;
      const labels = { processor: this.#context.id, reason };
      this.#context.meter.counter('windback_health_dropped_calls_total', labels).add(dropped[reason]);
      dropped[reason] = 0;
    }
  }

  #count(name: string, signal: TelemetrySignal, reason?: string): Count {
    const key = `${name} ${signal} ${reason ?? ''}`;
    let count = this.#counts.get(key);
    if (count === undefined) {
      const labels = { processor: this.#context.id, signal, ...(reason === undefined ? {} : { reason }) };
      count = this.#context.meter.counter(name, labels);
      this.#counts.set(key, count);
    }
    return count;
  }
}

/**
 * The batch with what attributes say. One that came while nobody asked for that, and waited while the configuration was
 * loaded anew with this processor in it, was scanned without.
 */
function withAttributes(batch: TelemetryBatch): TelemetryBatch {
  if (batch.hasAttributes) return batch;
  const scanned = TelemetryBatch.open(batch.signal, batch.bytes);
  if (batch.tags !== undefined) scanned.tag(batch.tags, batch.target, batch.deployments);
  return scanned;
}

const REASON_ENTRIES = Object.entries(REASONS);
