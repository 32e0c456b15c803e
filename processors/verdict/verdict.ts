import type { Batch, HealthBatch } from '../../pipeline/batch.ts';
import type { Component, Consumer, Context, Outlets } from '../../pipeline/component.ts';
import { serviceKeyOf } from '../../pipeline/tag.ts';
import type { Count } from '../../pipeline/telemetry/meter.ts';
import type { DecisionEvent } from '../../proto/windback/decision.ts';
import type { DeltaSeries } from '../../proto/windback/health.ts';
import { type OverrideChange, registerRoutes } from './api.ts';
import { Board, calleesAtFault } from './board.ts';
import type { VerdictConfig } from './config.ts';
import { digestOf } from './decision.ts';
import { ScoreGauges } from './gauges.ts';
import { DecisionLog } from './decision-log.ts';
import { HandOn } from './hand-on.ts';
import { type Limit, LIMITS, Overflow } from './overflow.ts';
import { Overrides } from './overrides.ts';
import type { Outcome } from './recovery.ts';
import { ServiceJudge, type Surroundings } from './service-judge.ts';
import { StateKeeper } from './state.ts';
import { statusOf } from './status.ts';
import { type InTurn, type Steps, Turns } from './turns.ts';

/** Unknown names of indicators that are warned of. */
const MAX_UNKNOWN = 100;
/** How often blocks that have become complete are looked for. */
const TICK_MS = 1000;

/** Series merged until it is looked at the time. */
const LOOK_EVERY = 256;

/** Merges health deltas, keeps the windows and the evidence of every service, and emits decisions. */
export class VerdictProcessor implements Component, Consumer {
  readonly #config: VerdictConfig;
  readonly #context: Context;
  readonly #services = new Map<string, ServiceJudge>();
  readonly #surroundings: Surroundings;
  readonly #decisions = new DecisionLog();
  readonly #handOn: HandOn;
  readonly #overrides = new Overrides();
  readonly #state: StateKeeper;
  readonly #unknown = new Set<string>();
  /** Services in which a defect has shown: told of once, until they can be judged again. */
  readonly #defective = new WeakSet<ServiceJudge>();
  readonly #late: Count;
  readonly #overflow: Readonly<Record<Limit, Count>>;
  #stopTicking: () => void = () => {};
  #rolesOverflowed = 0;
  #ticking: Promise<void> = Promise.resolve();
  /** Settles when what was begun last, a merge or a look at the clock, is done. */
  #last: Promise<unknown> = Promise.resolve();
  /** One for all that is done here: what follows on one another is one turn to everybody else. */
  readonly #turns = new Turns();

  constructor(config: VerdictConfig, next: Outlets, context: Context) {
    this.#config = config;
    this.#context = context;
    this.#surroundings = {
      config,
      digest: digestOf(config),
      roles: context.roles,
      board: new Board(),
      overrides: this.#overrides,
      counts: { late: 0, overflow: new Overflow() },
      onOutcome: (id, outcome) => this.#recordOutcome(id, outcome),
    };
    this.#handOn = new HandOn(next, context);
    this.#state = new StateKeeper(context, this.#surroundings, this.#services, this.#decisions, this.#handOn);
    const { id, meter } = context;
    this.#late = meter.counter('windback_verdict_late_events_total', { processor: id });
    const overflow = (limit: Limit) => meter.counter('windback_verdict_overflow_total', { processor: id, limit });
    this.#overflow = Object.fromEntries(LIMITS.map((limit) => [limit, overflow(limit)])) as Record<Limit, Count>;
    this.#observe();
    this.#serve();
  }

  async start(): Promise<void> {
    this.#handOn.add(this.#state.load());
    this.#stopTicking = this.#context.clock.every(TICK_MS, () => (this.#ticking = this.#tick()));
    await this.#handOn.settled();
  }

  async stop(deadline?: AbortSignal): Promise<void> {
    this.#stopTicking();
    this.#stopTicking = () => {};
    // What was not read must not be written over.
    if (!this.#state.isLoaded) return;
    // Where it failed the clock has said so, and what it had done is to be saved all the same.
    await this.#ticking.catch(() => {});
    await this.#last;
    const isWaiting = this.#handOn.waiting.length > 0;
    // Before the wait, with all that is still to be handed on: whoever is left behind meanwhile has saved.
    await this.#state.saveChanged(this.#turns, this.#inTurn);
    if (!isWaiting) return;
    await this.#handOn.stop(deadline);
    await this.#state.saveChanged(this.#turns, this.#inTurn);
  }

  async consume(batch: Batch): Promise<void> {
    if (batch.signal !== 'health') return;
    const nowMs = this.#context.clock.now();
    await this.#inTurn(() => this.#merge(batch, nowMs));
    this.#report();
  }

  /**
   * One after the other, as they came: both give others a turn, and what a block has in it when it is judged must not
   * depend on how fast the machine is.
   */
  readonly #inTurn: InTurn = (work) => {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  };

  async #merge({ deltas }: HealthBatch, nowMs: number): Promise<void> {
    let untilLook = LOOK_EVERY;
    for (const { slot, series, events } of deltas) {
      for (const event of events) this.#service(event)?.announce(event);
      // Series of one service mostly come together.
      let last: { readonly of: DeltaSeries; readonly judge: ServiceJudge } | undefined;
      for (const one of series) {
        if (last === undefined || !isSameService(last.of, one)) {
          const judge = this.#service(one);
          last = judge && { of: one, judge };
        }
        if (one.kind === 'custom') this.#warnOfUnknown(one.name);
        last?.judge.merge(one, slot, nowMs);
        if (--untilLook > 0) continue;
        untilLook = LOOK_EVERY;
        if (this.#turns.isOver) await this.#turns.pass();
      }
    }
  }

  /** An indicator of the user's own that nobody listed is not judged, and mostly misspelt: said once per name. */
  #warnOfUnknown(name: string): void {
    const { custom } = this.#config.indicators;
    if (Object.hasOwn(custom, name) || this.#unknown.has(name) || this.#unknown.size >= MAX_UNKNOWN) return;
    this.#unknown.add(name);
    const listed = Object.keys(custom).join(', ') || 'none';
    this.#context.logger.warn(
      { indicator: name },
      `the custom indicator ${name} is counted but not judged: list it under indicators.custom (there: ${listed})`,
    );
  }

  #service(named: ServiceNames): ServiceJudge | undefined {
    const { namespace, service, environment } = named;
    const key = serviceKeyOf(namespace, service, environment);
    let judge = this.#services.get(key);
    if (judge === undefined) {
      if (this.#services.size >= this.#config.max_services) {
        this.#surroundings.counts.overflow.add('services');
        return undefined;
      }
      judge = new ServiceJudge({ key, namespace, service, environment }, this.#surroundings);
      this.#services.set(key, judge);
    }
    this.#state.touch(key);
    return judge;
  }

  async #tick(): Promise<void> {
    const nowMs = this.#context.clock.now();
    await this.#emit(await this.#inTurn(() => this.#decide(nowMs)));
    await this.#state.saveIfDue(nowMs, this.#turns, this.#inTurn);
    this.#report();
  }

  async #decide(nowMs: number): Promise<DecisionEvent[]> {
    // In the order of keys: what services learn of one another must not depend on who was heard of first.
    const services = [...this.#services.values()].sort((a, b) => compare(a.identity.key, b.identity.key));
    await this.#turns.through(this.#reachAll(services, nowMs));
    const decisions = await this.#judge(services);
    for (const service of services) this.#guard(service, () => service.isForgotten(nowMs) && this.#forget(service));
    // Each service's own decisions stay in their order.
    return decisions.sort((a, b) => compare(a.time, b.time) || compare(a.subject, b.subject));
  }

  /** All services side by side: what they know of one another is then of one time, live as well as in a backlog. */
  async #judge(services: readonly ServiceJudge[]): Promise<DecisionEvent[]> {
    const decisions: DecisionEvent[] = [];
    const waiting = new Set<ServiceJudge>();
    const mayGoOn = (service: ServiceJudge) => service.isDue && !waiting.has(service);
    for (let due = services.filter(mayGoOn); due.length > 0; due = due.filter(mayGoOn)) {
      const first = due.reduce(
        (least, { judgedUntil }) => Math.min(least, judgedUntil as number),
        Number.POSITIVE_INFINITY,
      );
      for (const service of due) {
        if (service.judgedUntil !== first) continue;
        if (isAheadOfCallees(service, services)) {
          waiting.add(service);
          continue;
        }
        try {
          decisions.push(...(await this.#turns.through(service.judgeNext())));
          this.#defective.delete(service);
        } catch (thrown) {
          this.#tellDefect(service, thrown);
          // Should it never get over this block, the others still go on.
          waiting.add(service);
        }
        this.#state.touch(service.identity.key);
      }
    }
    return decisions;
  }

  *#reachAll(services: readonly ServiceJudge[], nowMs: number): Steps<void> {
    for (const service of services) {
      this.#guard(service, () => service.reach(nowMs));
      yield;
    }
  }

  /** A defect that shows in one service must not cost the others what was decided about them. */
  #guard(service: ServiceJudge, work: () => unknown): void {
    try {
      work();
    } catch (thrown) {
      this.#tellDefect(service, thrown);
    }
  }

  #tellDefect(service: ServiceJudge, thrown: unknown): void {
    if (this.#defective.has(service)) return;
    this.#defective.add(service);
    const said = { service: service.identity.key, err: thrown };
    this.#context.logger.error(said, 'a service could not be judged, and all others go on; please report it');
  }

  #forget(service: ServiceJudge): void {
    this.#services.delete(service.identity.key);
    this.#state.forget(service.identity.key);
    service.forget();
  }

  async #emit(decisions: readonly DecisionEvent[]): Promise<void> {
    if (decisions.length === 0) return;
    const { id, meter } = this.#context;
    for (const event of decisions) {
      this.#decisions.add(event);
      meter.counter('windback_verdict_decisions_total', { processor: id, decision: event.data.decision }).add(1);
    }
    await this.#state.saveDecided(decisions, this.#turns, this.#inTurn);
    this.#handOn.add(decisions);
    await this.#handOn.settled();
  }

  #recordOutcome(id: string, outcome: Outcome): void {
    this.#decisions.close(id, outcome);
    const { id: processor, meter, logger } = this.#context;
    meter.counter('windback_verdict_recoveries_total', { processor, outcome }).add(1);
    const service = this.#decisions.get(id)?.subject;
    logger[outcome === 'recovered' ? 'info' : 'warn'](
      { service, id },
      `after the rollback: ${outcome.replace('_', ' ')}`,
    );
  }

  #report(): void {
    const { counts } = this.#surroundings;
    this.#late.add(counts.late);
    counts.late = 0;
    const { overflowed } = this.#context.roles;
    counts.overflow.add('roles', overflowed - this.#rolesOverflowed);
    this.#rolesOverflowed = overflowed;
    for (const [limit, count] of counts.overflow.take()) this.#overflow[limit].add(count);
  }

  #observe(): void {
    const { id, meter } = this.#context;
    const services = () => [...this.#services.values()];
    const sum = (size: (service: ServiceJudge) => number) => () =>
      services().reduce((total, service) => total + size(service), 0);
    meter.observe(
      'windback_verdict_cohorts',
      { processor: id },
      sum(({ cohorts }) => cohorts.size),
    );
    meter.observe(
      'windback_verdict_rollouts',
      { processor: id },
      sum(({ rollouts }) => rollouts.underWay.size),
    );
    const gauges = new ScoreGauges(meter);
    meter.beforeText(() => gauges.show(services(), this.#config.indicators));
  }

  #serve(): void {
    const { routes, clock } = this.#context;
    const view = {
      status: () => statusOf([...this.#services.values()], this.#surroundings, clock.now()),
      decision: (id: string) => this.#decisions.get(id),
      outcome: (id: string) => this.#decisions.outcome(id),
      decisions: (limit: number) => this.#decisions.latest(limit),
    };
    const changed = ({ action, override }: OverrideChange) => {
      this.#state.saveOverrides();
      const { kind, service, version, by, reason } = override;
      this.#context.logger.info(
        { action, kind, service, version, by },
        `override ${action}: ${reason || 'no reason given'}`,
      );
    };
    const isReady = () => this.#state.isLoaded;
    registerRoutes(routes, view, this.#overrides, { now: () => clock.now(), changed, isReady });
  }
}

/**
 * Whether a service whose candidate fails since a call fails is further than the one that is called: whose fault it is
 * can only be said when that one has been judged as far. Its telemetry may come later, but not by more than `max_hold`.
 */
function isAheadOfCallees(
  { identity, judgedUntil, rollouts }: ServiceJudge,
  services: readonly ServiceJudge[],
): boolean {
  const callees = calleesAtFault(rollouts.underWay.values());
  if (callees.size === 0 || judgedUntil === undefined) return false;
  return services.some(
    (other) =>
      callees.has(other.identity.service) &&
      other.identity.environment === identity.environment &&
      other.judgedUntil !== undefined &&
      other.judgedUntil < judgedUntil,
  );
}

interface ServiceNames {
  readonly namespace: string;
  readonly service: string;
  readonly environment: string;
}

function isSameService(a: ServiceNames, b: ServiceNames): boolean {
  return a.service === b.service && a.namespace === b.namespace && a.environment === b.environment;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
