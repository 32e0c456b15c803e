import type { Batch, HealthBatch } from '../../pipeline/batch.ts';
import type { Component, Consumer, Context, Outlets } from '../../pipeline/component.ts';
import { asPipelineError } from '../../pipeline/errors.ts';
import { serviceKeyOf } from '../../pipeline/tag.ts';
import type { Count, Level } from '../../pipeline/telemetry/meter.ts';
import type { DecisionEvent } from '../../proto/windback/decision.ts';
import type { VerdictConfig } from './config.ts';
import { digestOf } from './decision.ts';
import { type JudgeCounts, ServiceJudge } from './service-judge.ts';
import { WINDOW_NAMES } from './windows.ts';

/** How often blocks that have become complete are looked for. */
const TICK_MS = 1000;

/** Merges health deltas, keeps the windows and the evidence of every service, and emits decisions. */
export class VerdictProcessor implements Component, Consumer {
  readonly #config: VerdictConfig;
  readonly #digest: string;
  readonly #next: Outlets;
  readonly #context: Context;
  readonly #services = new Map<string, ServiceJudge>();
  readonly #tally: JudgeCounts = { late: 0, overflow: 0 };
  readonly #scores = new Map<string, Level>();
  readonly #late: Count;
  readonly #overflow: Count;
  #stopTicking: () => void = () => {};

  constructor(config: VerdictConfig, next: Outlets, context: Context) {
    this.#config = config;
    this.#digest = digestOf(config);
    this.#next = next;
    this.#context = context;
    const { id, meter } = context;
    this.#late = meter.counter('windback_verdict_late_events_total', { processor: id });
    this.#overflow = meter.counter('windback_verdict_overflow_total', { processor: id });
    const services = () => [...this.#services.values()];
    meter.observe('windback_verdict_cohorts', { processor: id }, () =>
      services().reduce((sum, { cohorts }) => sum + cohorts.size, 0),
    );
    meter.observe(
      'windback_verdict_rollouts',
      { processor: id },
      () => services().filter(({ rollout }) => rollout !== undefined).length,
    );
    meter.beforeText(() => this.#showScores());
  }

  async start(): Promise<void> {
    this.#stopTicking = this.#context.clock.every(TICK_MS, () => this.#tick());
  }

  async stop(): Promise<void> {
    this.#stopTicking();
    this.#stopTicking = () => {};
  }

  async consume(batch: Batch): Promise<void> {
    if (batch.signal !== 'health') return;
    this.#merge(batch);
    this.#report();
  }

  #merge({ deltas }: HealthBatch): void {
    const nowMs = this.#context.clock.now();
    for (const { slot, series, events } of deltas) {
      for (const event of events) this.#service(event)?.announce(event);
      for (const one of series) this.#service(one)?.merge(one, slot, nowMs);
    }
  }

  #service(named: { namespace: string; service: string; environment: string }): ServiceJudge | undefined {
    const { namespace, service, environment } = named;
    const key = serviceKeyOf(namespace, service, environment);
    let judge = this.#services.get(key);
    if (judge === undefined) {
      if (this.#services.size >= this.#config.max_services) {
        this.#tally.overflow++;
        return undefined;
      }
      const identity = { key, namespace, service, environment };
      judge = new ServiceJudge(identity, this.#config, this.#digest, this.#context.roles, this.#tally);
      this.#services.set(key, judge);
    }
    return judge;
  }

  async #tick(): Promise<void> {
    const nowMs = this.#context.clock.now();
    const decisions: DecisionEvent[] = [];
    for (const [key, service] of this.#services) {
      decisions.push(...service.advance(nowMs));
      if (!service.isForgotten(nowMs)) continue;
      service.forget();
      this.#services.delete(key);
    }
    // Which service was heard of first must not matter; each one's own decisions stay in their order.
    decisions.sort((a, b) => compare(a.time, b.time) || compare(a.subject, b.subject));
    await this.#emit(decisions);
    this.#report();
  }

  async #emit(decisions: readonly DecisionEvent[]): Promise<void> {
    if (decisions.length === 0) return;
    const { id, meter, logger } = this.#context;
    for (const { data, subject, id: decisionId } of decisions) {
      meter.counter('windback_verdict_decisions_total', { processor: id, decision: data.decision }).add(1);
      logger.info({ decision: data.decision, service: subject, id: decisionId }, data.reason);
    }
    try {
      await this.#next.to('decisions').consume({ signal: 'decisions', items: decisions.length, decisions });
    } catch (thrown) {
      // Queued exporters always let decisions in; this is a local one, such as a file that cannot be written.
      const error = asPipelineError(thrown);
      logger.error({ code: error.code, todo: error.row.todo }, `a decision was not delivered: ${error.message}`);
    }
  }

  #report(): void {
    this.#late.add(this.#tally.late);
    this.#overflow.add(this.#tally.overflow);
    this.#tally.late = 0;
    this.#tally.overflow = 0;
  }

  /** Scores and evidence as gauges, made when somebody looks. */
  #showScores(): void {
    const seen = new Set<string>();
    for (const { identity, cohorts } of this.#services.values()) {
      for (const cohort of cohorts.values()) {
        const scores = cohort.scores(this.#config.indicators);
        for (const window of WINDOW_NAMES) {
          const value = scores[window];
          if (value === null) continue;
          seen.add(this.#show(identity.key, cohort.version, window, value));
        }
      }
    }
    for (const [key, level] of this.#scores) {
      if (seen.has(key)) continue;
      level.remove();
      this.#scores.delete(key);
    }
  }

  #show(service: string, version: string, window: string, value: number): string {
    const key = JSON.stringify([service, version, window]);
    let level = this.#scores.get(key);
    if (level === undefined) {
      level = this.#context.meter.gauge('windback_health_score', { service, version, window });
      this.#scores.set(key, level);
    }
    level.set(value);
    return key;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
