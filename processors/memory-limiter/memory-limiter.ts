import type { Batch, Signal } from '../../pipeline/batch.ts';
import type { Component, Consumer, Context, Outlets } from '../../pipeline/component.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import type { Count, Level } from '../../pipeline/telemetry/meter.ts';
import type { MemoryLimiterConfig } from './config.ts';
import { type Limits, limitsOf } from './limits.ts';
import type { Memory } from './memory.ts';

/** A collection stops the thread for some 30 ms; when it did not help it will not help a moment later either. */
const COLLECT_EVERY_MS = 2000;
/** The shortest pause that a refused caller is asked for. */
const RETRY_AFTER_MIN_MS = 1000;
const MIB = 1024 * 1024;

/**
 * Refuses telemetry while the process uses too much memory; callers keep it and send it again. What is left when all that
 * can be given back has been is not held against them, or they would be refused for good: then half of the way from
 * there to the hard limit is theirs.
 */
export class MemoryLimiter implements Component, Consumer {
  readonly #next: Outlets;
  readonly #context: Context;
  readonly #memory: Memory;
  readonly #limits: Limits;
  readonly #checkIntervalMs: number;
  readonly #level: Level;
  readonly #refused = new Map<Signal, Count>();
  /** Above it telemetry is refused: the soft limit, or more where memory does not come down to it. */
  #limit: number;
  #used = 0;
  #collectedMs = Number.NEGATIVE_INFINITY;
  /** Whether the next measurement shows what collecting leaves. */
  #hasCollected = false;
  #stopChecking: () => void = () => {};

  constructor(config: MemoryLimiterConfig, next: Outlets, context: Context, memory: Memory) {
    this.#next = next;
    this.#context = context;
    this.#memory = memory;
    this.#limits = limitsOf(config, memory.total());
    this.#limit = this.#limits.soft;
    this.#checkIntervalMs = config.check_interval;
    this.#level = context.meter.gauge('windback_memory_limiter_bytes', { processor: context.id });
  }

  async start(): Promise<void> {
    const { soft, hard } = this.#limits;
    this.#context.logger.info({ soft_mib: inMib(soft), hard_mib: inMib(hard) }, 'memory is limited');
    this.#check();
    this.#stopChecking = this.#context.clock.every(this.#checkIntervalMs, () => this.#check());
  }

  async stop(): Promise<void> {
    this.#stopChecking();
    this.#stopChecking = () => {};
  }

  async consume(batch: Batch): Promise<void> {
    if (this.#isOver) {
      this.#count(batch.signal).add(batch.items);
      const detail = `${inMib(this.#used)} MiB are used, telemetry is taken up to ${inMib(this.#limit)} MiB`;
      throw new PipelineError('memory_limit', detail, {
        retryAfterMs: Math.max(RETRY_AFTER_MIN_MS, this.#checkIntervalMs),
      });
    }
    await this.#next.to(batch.signal).consume(batch);
  }

  get #isOver(): boolean {
    return this.#used > this.#limit;
  }

  #check(): void {
    const wasOver = this.#isOver;
    this.#used = this.#memory.used();
    this.#limit = this.#limitNow();
    if (this.#isOver) this.#release();
    this.#level.set(this.#used);
    if (this.#isOver === wasOver) return;
    const { logger } = this.#context;
    const mib = { used_mib: inMib(this.#used), limit_mib: inMib(this.#limit) };
    if (this.#isOver) logger.warn(mib, 'memory is over the limit: telemetry is refused');
    else logger.info(mib, 'memory is under the limit again: telemetry is taken');
  }

  #limitNow(): number {
    const { soft, hard } = this.#limits;
    if (this.#used <= soft) return soft;
    if (!this.#hasCollected) return this.#limit;
    this.#hasCollected = false;
    return Math.min(hard, Math.max(soft, this.#used + (hard - this.#used) / 2));
  }

  /** Nothing else would: while telemetry is refused, too little is allocated for a collection, and memory stays as it is. */
  #release(): void {
    const now = this.#context.clock.now();
    this.#memory.trim();
    if (now - this.#collectedMs >= COLLECT_EVERY_MS) {
      this.#collectedMs = now;
      this.#memory.collect();
      this.#hasCollected = true;
    }
    this.#used = this.#memory.used();
  }

  #count(signal: Signal): Count {
    let count = this.#refused.get(signal);
    if (count === undefined) {
      const labels = { processor: this.#context.id, signal, reason: 'memory_limit' };
      count = this.#context.meter.counter('windback_processor_refused_items_total', labels);
      this.#refused.set(signal, count);
    }
    return count;
  }
}

function inMib(bytes: number): number {
  return Math.round(bytes / MIB);
}
