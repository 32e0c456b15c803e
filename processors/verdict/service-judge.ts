import type { Roles } from '../../pipeline/roles.ts';
import { UNKNOWN_VERSION } from '../../pipeline/tag.ts';
import type { DecisionEvent } from '../../proto/windback/decision.ts';
import type { DeltaSeries, DeploymentEvent, SeriesKind } from '../../proto/windback/health.ts';
import { Block, type BlockLimits, type BlockState, MAX_CELLS, type VersionBlock } from './block.ts';
import type { Board } from './board.ts';
import { Cohort, type CohortState } from './cohort.ts';
import type { VerdictConfig } from './config.ts';
import type { ServiceIdentity } from './identity.ts';
import { InParts } from './in-parts.ts';
import { Knowledge, type KnowledgeState } from './knowledge.ts';
import type { Limit, Overflow } from './overflow.ts';
import type { Overrides } from './overrides.ts';
import { Past, type PastState } from './past.ts';
import type { Outcome } from './recovery.ts';
import { Referee, type RefereeState } from './referee.ts';
import type { Play, Rollout } from './rollout.ts';
import { Rollouts, type RolloutsState } from './rollouts.ts';
import { Views } from './views.ts';
import { MINUTE } from './terms.ts';
import { atOnce, type Steps } from './turns.ts';
import { WaitingEvents } from './waiting-events.ts';
import { Watermark, type WatermarkState } from './watermark.ts';

/** What one service's judge counts for all: late events, and what hit a limit. */
export interface JudgeCounts {
  late: number;
  readonly overflow: Overflow;
}

/** What the judges of all services share. */
export interface Surroundings {
  readonly config: VerdictConfig;
  readonly digest: string;
  readonly roles: Roles;
  readonly board: Board;
  readonly overrides: Overrides;
  readonly counts: JudgeCounts;
  /** Whether the health came back after a rollback, by the id of the decision. */
  readonly onOutcome: (decisionId: string, outcome: Outcome) => void;
}

/** What a `ServiceJudge` keeps. */
export interface JudgeState {
  readonly identity: ServiceIdentity;
  readonly cohorts: readonly CohortState[];
  readonly rollouts: RolloutsState;
  readonly knowledge: KnowledgeState;
  readonly referee: RefereeState;
  readonly past: PastState;
  readonly blocks: readonly (readonly [number, BlockState])[];
  readonly minute: BlockState;
  readonly events: readonly DeploymentEvent[];
  readonly slots: readonly [first: number | null, next: number | null];
  readonly watermark: WatermarkState;
}

/** What is judged minute by minute. */
const MINUTE_KINDS: readonly SeriesKind[] = ['metric', 'resource'];
const FORGET_SECONDS = 6 * 3600;
/** Slots that an event may be ahead of the clock: as far as folding lets it be, and more. */
const MAX_AHEAD = 600;
/** Sources of an instance: the kinds that it sends. */
const SOURCES_PER_INSTANCE = 8;
/** After so many slots without anything at all, the next ones are passed over. */
const LONG_SILENCE = 86_400;

/**
 * Judges one service key. Deltas are merged as they come; blocks are judged in the order of event time, each once,
 * when the watermark has passed its end. Everything that decides is a function of the blocks, not of arrival.
 */
export class ServiceJudge {
  readonly identity: ServiceIdentity;
  readonly cohorts = new Map<string, Cohort>();
  readonly rollouts: Rollouts;
  readonly #surroundings: Surroundings;
  readonly #blockSlots: number;
  readonly #watermark: Watermark;
  readonly #referee: Referee;
  readonly #past: Past;
  readonly #blocks = new Map<number, Block>();
  /** What the present minute brought of the kinds that are judged minute by minute. */
  #minute: Block;
  readonly #limits: BlockLimits;
  /** What the watermark was told last. */
  #reported = { instance: '', kind: '', slot: -1, nowMs: -1 };
  #knowledge: Knowledge;
  readonly #events = new WaitingEvents();
  /** First slot ever seen; the next block to judge begins with `#nextSlot`. */
  #firstSlot: number | undefined;
  #nextSlot = Number.POSITIVE_INFINITY;
  /** The watermark as of the last look at the clock. */
  #reached = Number.NEGATIVE_INFINITY;

  constructor(identity: ServiceIdentity, surroundings: Surroundings) {
    const { config } = surroundings;
    this.identity = identity;
    this.#surroundings = surroundings;
    this.#blockSlots = Math.max(1, Math.round(config.block / 1000));
    this.#watermark = new Watermark(config.lateness, config.max_hold, SOURCES_PER_INSTANCE * config.max_instances);
    this.#referee = new Referee(identity, surroundings);
    this.#past = new Past(identity, surroundings);
    const onOverflow = (limit: Limit) => surroundings.counts.overflow.add(limit);
    this.rollouts = new Rollouts(identity, config, this.cohorts, onOverflow);
    this.#limits = { instances: config.max_instances, cells: MAX_CELLS, onOverflow };
    this.#minute = new Block(this.#limits);
    this.#knowledge = new Knowledge('', onOverflow);
  }

  /** First slot that is not judged yet; undefined before the first telemetry. */
  get judgedUntil(): number | undefined {
    return this.#firstSlot === undefined ? undefined : this.#nextSlot;
  }

  /** Adds one series of one slot. */
  merge(series: DeltaSeries, slot: number, nowMs: number): void {
    if (slot > nowMs / 1000 + MAX_AHEAD) {
      this.#surroundings.counts.overflow.add('future', series.all);
      return;
    }
    if (series.version === UNKNOWN_VERSION) {
      this.#mergeUnknown(series, slot);
      return;
    }
    const cohort = this.#cohort(series.version, slot);
    if (cohort === undefined) {
      this.#surroundings.counts.overflow.add('versions', series.all);
      return;
    }
    this.#open(slot);
    this.#report(series, slot, nowMs);
    if (slot < this.#nextSlot) this.#mergeLate(cohort, series, slot);
    else this.#block(slot).version(series.version).add(series, slot);
  }

  /** Operations of one source come together, and say the same of it. */
  #report({ instance, kind }: DeltaSeries, slot: number, nowMs: number): void {
    const last = this.#reported;
    if (last.instance === instance && last.kind === kind && last.slot === slot && last.nowMs === nowMs) return;
    this.#reported = { instance, kind, slot, nowMs };
    const isKnown = this.#watermark.report(`${instance}\n${kind}`, slot, nowMs);
    if (!isKnown) this.#surroundings.counts.overflow.add('sources');
  }

  /** Adds a deployment event; it takes effect when the block of its time is judged. */
  announce(event: DeploymentEvent): void {
    this.#open(event.atSeconds);
    if (!this.#events.add(event)) this.#surroundings.counts.overflow.add('events');
  }

  /** Judges every block that the watermark has passed, without a pause. */
  advance(nowMs: number): DecisionEvent[] {
    const decisions: DecisionEvent[] = [];
    this.reach(nowMs);
    while (this.isDue) decisions.push(...atOnce(this.judgeNext()));
    return decisions;
  }

  /** Moves the watermark on. */
  reach(nowMs: number): void {
    if (this.#firstSlot !== undefined) this.#reached = this.#watermark.advance(nowMs);
  }

  /** Whether the watermark has passed the next block. */
  get isDue(): boolean {
    return this.#nextSlot + this.#blockSlots <= this.#reached;
  }

  /** Judges the next block, which must be due. Until it is through, nothing may be merged, and nothing saved. */
  *judgeNext(): Steps<DecisionEvent[]> {
    if (this.#reached - this.#nextSlot > LONG_SILENCE) this.#leap();
    return yield* this.#judge(this.#nextSlot);
  }

  /** Takes back what others were told: nobody will, once this judge is gone. */
  forget(): void {
    this.#surroundings.roles.end(this.identity.key);
    this.#surroundings.board.post(this.identity, []);
  }

  /** Whether nothing has been heard for so long that all of it may be forgotten. */
  isForgotten(nowMs: number): boolean {
    if (this.#blocks.size > 0) return false;
    const last = Math.max(this.#firstSlot ?? 0, ...[...this.cohorts.values()].map(({ lastSlot }) => lastSlot));
    return last < nowMs / 1000 - FORGET_SECONDS;
  }

  /** What a person may see of each rollout under way. */
  get referee(): Referee {
    return this.#referee;
  }

  save(): JudgeState {
    return this.parts().whole();
  }

  /** What `save` gives, as it is written; until it is, nothing may be merged, and nothing judged. */
  parts(): InParts<JudgeState> {
    return InParts.record<JudgeState>({
      identity: this.identity,
      cohorts: [...this.cohorts.values()].map((cohort) => cohort.save()),
      rollouts: this.rollouts.save(),
      knowledge: this.#knowledge.save(),
      referee: this.#referee.save(),
      past: this.#past.save(),
      blocks: InParts.list(this.#blocks, ([start, block]) => InParts.pair(start, block.parts())),
      minute: this.#minute.parts(),
      events: this.#events.save(),
      slots: [this.#firstSlot ?? null, this.#firstSlot === undefined ? null : this.#nextSlot],
      watermark: this.#watermark.save(),
    });
  }

  static restore(state: JudgeState, surroundings: Surroundings): ServiceJudge {
    const judge = new ServiceJudge(state.identity, surroundings);
    for (const saved of state.cohorts) {
      judge.cohorts.set(saved.version, Cohort.restore(saved, surroundings.config.max_instances));
    }
    judge.rollouts.restore(state.rollouts);
    judge.#knowledge = Knowledge.restore(state.knowledge, judge.#limits.onOverflow);
    judge.#referee.restore(state.referee);
    judge.#past.restore(state.past);
    for (const [start, saved] of state.blocks) judge.#blocks.set(start, new Block(judge.#limits).restore(saved));
    judge.#minute.restore(state.minute);
    judge.#events.restore(state.events);
    judge.#firstSlot = state.slots[0] ?? undefined;
    judge.#nextSlot = state.slots[1] ?? Number.POSITIVE_INFINITY;
    judge.#watermark.restore(state.watermark);
    judge.#tell();
    return judge;
  }

  /** Requests of nobody knows which version: they can explain a silence, and nothing else. */
  #mergeUnknown({ kind, all }: DeltaSeries, slot: number): void {
    if (this.#firstSlot === undefined || kind !== 'span' || slot < this.#nextSlot) return;
    this.#block(slot).unknown += all;
  }

  /** The block of this slot was judged: it can only enter the windows. */
  #mergeLate(cohort: Cohort, { kind, instance, all, bad }: DeltaSeries, slot: number): void {
    this.#surroundings.counts.late += all;
    this.#referee.sawLate(cohort.version, all);
    cohort.see(instance, slot, slot);
    cohort.advance(this.#nextSlot - 1);
    if (kind === 'log') cohort.count('log_errors', slot, all, bad);
    else if (kind === cohort.requestKind) cohort.count('errors', slot, all, bad);
  }

  #cohort(version: string, slot: number): Cohort | undefined {
    const known = this.cohorts.get(version);
    if (known !== undefined) {
      known.firstSlot = Math.min(known.firstSlot, slot);
      return known;
    }
    const { max_versions, max_instances } = this.#surroundings.config;
    if (this.cohorts.size >= max_versions && !this.#makeRoom(slot)) return undefined;
    const cohort = new Cohort(version, slot, max_instances);
    this.cohorts.set(version, cohort);
    return cohort;
  }

  /** Forgets the version that has been silent longest, if it has been for long enough. */
  #makeRoom(slot: number): boolean {
    let oldest: Cohort | undefined;
    for (const cohort of this.cohorts.values()) {
      const isInUse = cohort.version === this.rollouts.baseline || this.rollouts.underWay.has(cohort.version);
      if (!isInUse && (oldest === undefined || cohort.lastSlot < oldest.lastSlot)) oldest = cohort;
    }
    if (oldest === undefined || oldest.lastSlot > slot - this.#surroundings.config.end_after / 1000) return false;
    return this.cohorts.delete(oldest.version);
  }

  /** The first thing ever seen of a service sets where its blocks begin. */
  #open(slot: number): void {
    const start = slot - (slot % this.#blockSlots);
    if (this.#firstSlot === undefined) {
      this.#firstSlot = slot;
      this.#nextSlot = start;
    } else if (slot < this.#firstSlot && this.#nextSlot <= this.#firstSlot) {
      // Nothing has been judged yet: earlier data only moves the beginning.
      this.#firstSlot = slot;
      this.#nextSlot = start;
    }
  }

  #block(slot: number): Block {
    const start = slot - (slot % this.#blockSlots);
    let block = this.#blocks.get(start);
    if (block === undefined) {
      block = new Block(this.#limits);
      this.#blocks.set(start, block);
    }
    return block;
  }

  /** What was silent for days, or said something of 1970, is not gone through block by block. */
  #leap(): void {
    const known = [...this.#blocks.keys(), ...this.#events.slots];
    const next = known.reduce((least, slot) => Math.min(least, slot), this.#reached - LONG_SILENCE);
    this.#nextSlot = Math.max(this.#nextSlot, next - (next % this.#blockSlots));
  }

  *#judge(start: number): Steps<DecisionEvent[]> {
    const block = this.#blocks.get(start) ?? new Block(this.#limits);
    this.#blocks.delete(start);
    const end = start + this.#blockSlots;
    this.#nextSlot = end;
    for (const cohort of this.cohorts.values()) cohort.advance(end - 1);
    for (const [version, one] of block.versions) this.#absorb(version, one, end);
    yield* this.#minute.merge(block, MINUTE_KINDS);
    for (const event of this.#events.take(end)) this.rollouts.apply(event);
    this.rollouts.chooseBaseline(end, this.#firstSlot as number);
    this.rollouts.detect(block, start);
    this.#turnTo(this.rollouts.baseline);
    const views = yield* this.#views(block, start);
    this.#past.add(views, this.cohorts);
    const isMinuteOver = Math.floor(end / MINUTE) > Math.floor(start / MINUTE);
    const minute = isMinuteOver ? yield* this.#views(this.#minute, end - MINUTE) : undefined;
    for (const rollout of this.rollouts.underWay.values()) {
      rollout.play(this.#play(rollout, views, end));
      if (minute !== undefined) rollout.playMinute(this.#play(rollout, minute, end));
      yield;
    }
    if (isMinuteOver) this.#past.closeMinute(this.rollouts, end);
    const decisions = this.#referee.decide(this.rollouts, this.cohorts, end);
    this.#learn(views, minute);
    this.#end(end);
    this.#tell();
    return decisions;
  }

  #absorb(version: string, block: VersionBlock, end: number): void {
    const homeless = this.cohorts.get(version)?.absorb(block, end - 1) ?? 0;
    if (homeless > 0) this.#surroundings.counts.overflow.add('instances', homeless);
  }

  /** What the old baseline was like says nothing of a new one. */
  #turnTo(baseline: string | undefined): void {
    if (baseline !== undefined && baseline !== this.#knowledge.version) {
      this.#knowledge = new Knowledge(baseline, this.#limits.onOverflow);
    }
  }

  #views(block: Block, start: number): Steps<Views> {
    return Views.of(block, start, this.cohorts, this.#surroundings.config.warm_up / 1000);
  }

  #play({ identity }: Rollout, views: Views, end: number): Play {
    const { max_instances } = this.#surroundings.config;
    const { block, start } = views;
    const cohort = (version: string) => this.cohorts.get(version) ?? new Cohort(version, start, max_instances);
    return {
      block,
      views,
      start,
      end,
      cohorts: { candidate: cohort(identity.candidate), baseline: cohort(identity.baseline) },
      knowledge: this.#knowledge,
      isForemost: this.rollouts.foremost?.identity.candidate === identity.candidate,
    };
  }

  #learn(views: Views, minute: Views | undefined): void {
    const { baseline, underWay } = this.rollouts;
    const cohort = baseline === undefined ? undefined : this.cohorts.get(baseline);
    if (cohort !== undefined) {
      this.#knowledge.learn(views, cohort, (version) => underWay.has(version));
      if (minute !== undefined) this.#knowledge.learnMinute(minute, cohort, this.cohorts);
    }
    if (minute !== undefined) this.#minute = new Block(this.#limits);
  }

  #end(end: number): void {
    const { end_after } = this.#surroundings.config;
    this.rollouts.endSilent(end);
    if (end % MINUTE !== 0) return;
    for (const cohort of this.cohorts.values()) cohort.forgetInstances(end - (2 * end_after) / 1000);
  }

  /** Tells the tagger which part each version plays. */
  #tell(): void {
    const { baseline, underWay } = this.rollouts;
    this.#surroundings.roles.set(this.identity.key, baseline ?? '', [...underWay.keys()]);
  }
}
