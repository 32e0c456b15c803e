import type { Roles } from '../../pipeline/roles.ts';
import { UNKNOWN_VERSION } from '../../pipeline/tag.ts';
import type { DecisionEvent } from '../../proto/windback/decision.ts';
import type { DeltaSeries, DeploymentEvent } from '../../proto/windback/health.ts';
import { Block } from './block.ts';
import { Cohort } from './cohort.ts';
import type { IndicatorName, VerdictConfig } from './config.ts';
import { decisionEvent } from './decision.ts';
import type { ServiceIdentity } from './identity.ts';
import { evidenceOf, nextStep, take } from './lifecycle.ts';
import { LatencyReference } from './reference.ts';
import { Rollout, type SlowCounts } from './rollout.ts';
import { Watermark } from './watermark.ts';

/** What one service's judge counts for all: late events, and what hit a limit. */
export interface JudgeCounts {
  late: number;
  overflow: number;
}

/**
 * Judges one service key. Deltas are merged as they come; blocks are judged in the order of event time, each once,
 * when the watermark has passed its end. Everything that decides is a function of the blocks, not of arrival.
 */
export class ServiceJudge {
  readonly identity: ServiceIdentity;
  readonly cohorts = new Map<string, Cohort>();
  rollout: Rollout | undefined;
  baseline: string | undefined;
  readonly #config: VerdictConfig;
  readonly #digest: string;
  readonly #roles: Roles;
  readonly #counts: JudgeCounts;
  readonly #blockSlots: number;
  readonly #watermark: Watermark;
  readonly #blocks = new Map<number, Block>();
  #events: DeploymentEvent[] = [];
  readonly #references = new Map<string, LatencyReference>();
  /** First slot ever seen; the next block to judge begins with `#nextSlot`. */
  #firstSlot: number | undefined;
  #nextSlot = Number.POSITIVE_INFINITY;

  constructor(identity: ServiceIdentity, config: VerdictConfig, digest: string, roles: Roles, counts: JudgeCounts) {
    this.identity = identity;
    this.#config = config;
    this.#digest = digest;
    this.#roles = roles;
    this.#counts = counts;
    this.#blockSlots = Math.max(1, Math.round(config.block / 1000));
    this.#watermark = new Watermark(config.lateness, config.max_hold);
  }

  /** Adds one series of one slot. */
  merge(series: DeltaSeries, slot: number, nowMs: number): void {
    const cohort = this.#cohort(series.version, slot);
    if (cohort === undefined) {
      this.#counts.overflow += series.all;
      return;
    }
    this.#open(slot);
    this.#watermark.report(`${series.instance}\n${series.kind}`, slot, nowMs);
    if (slot < this.#nextSlot) this.#mergeLate(cohort, series, slot);
    else this.#block(slot).version(series.version).add(series, slot);
  }

  /** The block of this slot was judged: it can only enter the windows. */
  #mergeLate(cohort: Cohort, { kind, instance, all, bad }: DeltaSeries, slot: number): void {
    this.#counts.late += all;
    cohort.see(slot, instance, this.#config.max_instances);
    cohort.advance(this.#nextSlot - 1);
    if (kind === 'metric' && cohort.sendsSpans) return;
    cohort.count(kind === 'log' ? 'log_errors' : 'errors', slot, all, bad);
  }

  /** Adds a deployment event; it takes effect when the block of its time is judged. */
  announce(event: DeploymentEvent): void {
    this.#open(event.atSeconds);
    this.#events.push(event);
  }

  /** Judges every block that the watermark has passed. */
  advance(nowMs: number): DecisionEvent[] {
    if (this.#firstSlot === undefined) return [];
    const watermark = this.#watermark.advance(nowMs);
    const decisions: DecisionEvent[] = [];
    while (this.#nextSlot + this.#blockSlots <= watermark) {
      const decision = this.#judge(this.#nextSlot);
      if (decision !== undefined) decisions.push(decision);
    }
    return decisions;
  }

  /** Takes back what others were told: nobody will, once this judge is gone. */
  forget(): void {
    this.#roles.end(this.identity.key);
  }

  /** Whether nothing has been heard for so long that all of it may be forgotten. */
  isForgotten(nowMs: number): boolean {
    if (this.#blocks.size > 0) return false;
    const last = Math.max(this.#firstSlot ?? 0, ...[...this.cohorts.values()].map(({ lastSlot }) => lastSlot));
    return last < nowMs / 1000 - FORGET_SECONDS;
  }

  #cohort(version: string, slot: number): Cohort | undefined {
    const known = this.cohorts.get(version);
    if (known !== undefined) {
      known.firstSlot = Math.min(known.firstSlot, slot);
      return known;
    }
    if (version === UNKNOWN_VERSION) return undefined;
    if (this.cohorts.size >= this.#config.max_versions && !this.#makeRoom(slot)) return undefined;
    const cohort = new Cohort(version, slot);
    this.cohorts.set(version, cohort);
    return cohort;
  }

  /** Forgets the version that has been silent longest, if it has been for long enough. */
  #makeRoom(slot: number): boolean {
    let oldest: Cohort | undefined;
    for (const cohort of this.cohorts.values()) {
      const isInUse = cohort.version === this.baseline || cohort.version === this.rollout?.candidate;
      if (!isInUse && (oldest === undefined || cohort.lastSlot < oldest.lastSlot)) oldest = cohort;
    }
    if (oldest === undefined || oldest.lastSlot > slot - this.#config.end_after / 1000) return false;
    return this.cohorts.delete(oldest.version);
  }

  /** The first thing ever seen of a service sets where its blocks begin. */
  #open(slot: number): void {
    const start = slot - (slot % this.#blockSlots);
    if (this.#firstSlot === undefined) {
      this.#firstSlot = slot;
      this.#nextSlot = start;
    } else if (start < this.#nextSlot && this.#nextSlot <= this.#firstSlot) {
      // Nothing has been judged yet: earlier data only moves the beginning.
      this.#firstSlot = slot;
      this.#nextSlot = start;
    }
  }

  #block(slot: number): Block {
    const start = slot - (slot % this.#blockSlots);
    let block = this.#blocks.get(start);
    if (block === undefined) {
      block = new Block();
      this.#blocks.set(start, block);
    }
    return block;
  }

  #judge(start: number): DecisionEvent | undefined {
    const block = this.#blocks.get(start) ?? new Block();
    this.#blocks.delete(start);
    const end = start + this.#blockSlots;
    this.#nextSlot = end;
    for (const cohort of this.cohorts.values()) cohort.advance(end - 1);
    for (const [version, one] of block.versions) {
      this.cohorts.get(version)?.absorb(one, end - 1, this.#config.max_instances);
    }
    this.#applyEvents(end);
    this.#chooseBaseline(end);
    this.#detectRollout(block, start);
    const decision = this.#play(block, start, end);
    this.#learn(block);
    this.#endRollout(end);
    return decision;
  }

  #applyEvents(end: number): void {
    const due = this.#events.filter(({ atSeconds }) => atSeconds < end);
    if (due.length === 0) return;
    this.#events = this.#events.filter(({ atSeconds }) => atSeconds >= end);
    for (const event of due.sort(inOrder)) this.#applyEvent(event);
  }

  #applyEvent({ version, previousVersion, weight, status, atSeconds }: DeploymentEvent): void {
    if (status === 'failed') return;
    if (weight === 0) {
      if (this.rollout?.candidate === version) this.#end();
      return;
    }
    const baseline = previousVersion || this.baseline;
    if (baseline !== undefined && baseline !== version && this.rollout?.candidate !== version) {
      this.baseline = baseline;
      this.#begin(version, atSeconds, 'deployment_event');
    }
    if (weight !== null && this.rollout?.candidate === version) this.rollout.setWeight(weight, atSeconds);
  }

  /** Without an event: after `settle`, the version with most requests; of equals, the one that sorts first. */
  #chooseBaseline(end: number): void {
    if (this.baseline !== undefined || end - (this.#firstSlot as number) < this.#config.settle / 1000) return;
    const candidates = [...this.cohorts.values()].filter(({ firstSlot }) => firstSlot < end);
    candidates.sort((a, b) => b.requests - a.requests || (a.version < b.version ? -1 : 1));
    this.baseline = candidates[0]?.version;
  }

  /**
   * A version that is new, or back after it was gone, is a candidate; of several, the one seen first last. A rollout
   * under way gives way only to a version newer than its candidate, or two that appeared together would take turns.
   */
  #detectRollout(block: Block, start: number): void {
    if (this.baseline === undefined) return;
    let newest: Cohort | undefined;
    for (const version of block.versions.keys()) {
      const cohort = this.cohorts.get(version);
      if (cohort === undefined || version === this.baseline || version === this.rollout?.candidate) continue;
      if (this.#passed.has(version) || !this.#isNewerThanCandidate(cohort)) continue;
      if (newest === undefined || isNewer(cohort, newest)) newest = cohort;
    }
    if (newest === undefined) return;
    this.#begin(newest.version, Math.max(newest.firstSlot, start), 'telemetry');
  }

  #isNewerThanCandidate(cohort: Cohort): boolean {
    if (this.rollout === undefined) return true;
    const candidate = this.cohorts.get(this.rollout.candidate);
    return candidate === undefined ? cohort.firstSlot > this.rollout.startedAt : isNewer(cohort, candidate);
  }

  /** Candidates whose rollout is over, with the slot it ended; stragglers of theirs begin no new one. */
  readonly #passed = new Map<string, number>();

  #begin(candidate: string, slot: number, knownBy: 'telemetry' | 'deployment_event'): void {
    this.#end();
    this.#passed.delete(candidate);
    const baseline = this.baseline as string;
    this.rollout = new Rollout({ candidate, baseline }, slot, knownBy, this.#config);
    this.#roles.begin(this.identity.key, baseline, candidate);
  }

  #end(): void {
    if (this.rollout === undefined) return;
    this.#passed.set(this.rollout.candidate, this.#nextSlot);
    this.rollout = undefined;
    this.#roles.end(this.identity.key);
  }

  /** Takes the block into the evidence and sees what it asks for. */
  #play(block: Block, start: number, end: number): DecisionEvent | undefined {
    const { rollout } = this;
    if (rollout === undefined) return undefined;
    const absent = (version: string) => new Cohort(version, start);
    const candidate = this.cohorts.get(rollout.candidate) ?? absent(rollout.candidate);
    const baseline = this.cohorts.get(rollout.baseline) ?? absent(rollout.baseline);
    const slow = rollout.play(block, start, { candidate, baseline }, this.#references);
    countSlow(slow, candidate, baseline, end - 1);
    const evidence = evidenceOf(rollout, this.#config);
    const step = nextStep(rollout, evidence, end, this.#config);
    if (step === undefined) return undefined;
    take(rollout, step);
    return decisionEvent({
      step,
      evidence,
      rollout,
      candidate,
      baseline,
      identity: this.identity,
      atSlot: end,
      config: this.#config,
      digest: this.#digest,
    });
  }

  /** The block enters the baseline's latencies after it was judged by them. */
  #learn(block: Block): void {
    if (this.baseline === undefined) return;
    const cells = block.versions.get(this.baseline)?.byOperation() ?? new Map();
    for (const [operation, cell] of cells) {
      let reference = this.#references.get(operation);
      if (reference === undefined) {
        if (this.#references.size >= MAX_REFERENCES) continue;
        reference = new LatencyReference();
        this.#references.set(operation, reference);
      }
      reference.add(cell.bins);
    }
  }

  /** A rollout is over when one side has fallen silent: the candidate was withdrawn, or has taken the baseline's place. */
  #endRollout(end: number): void {
    const silentSince = end - this.#config.end_after / 1000;
    for (const [version, slot] of this.#passed) {
      const lastSeen = this.cohorts.get(version)?.lastSlot ?? slot;
      if (Math.max(lastSeen, slot) < silentSince) this.#passed.delete(version);
    }
    const { rollout } = this;
    if (rollout === undefined || rollout.startedAt > silentSince) return;
    const candidate = this.cohorts.get(rollout.candidate);
    const baseline = this.cohorts.get(rollout.baseline);
    const isGone = (cohort: Cohort | undefined) => (cohort?.lastSlot ?? 0) < silentSince;
    if (isGone(candidate) && isGone(baseline)) return;
    if (isGone(candidate)) this.#end();
    else if (isGone(baseline)) {
      this.#end();
      this.#passed.delete(rollout.candidate);
      this.baseline = rollout.candidate;
      this.#references.clear();
    }
  }
}

/** Operations whose latencies are remembered; folding limits them first, so this only bounds what a stranger sends. */
const MAX_REFERENCES = 1000;
const FORGET_SECONDS = 6 * 3600;

/** By time; what was said in the same second in an order of its own, so that it does not matter what came first. */
function inOrder(a: DeploymentEvent, b: DeploymentEvent): number {
  const rank = ({ status }: DeploymentEvent) => (status === 'started' ? 0 : 1);
  const text = (event: DeploymentEvent) => JSON.stringify([event.version, event.previousVersion, event.weight]);
  return a.atSeconds - b.atSeconds || rank(a) - rank(b) || (text(a) < text(b) ? -1 : 1);
}

function isNewer(a: Cohort, b: Cohort): boolean {
  return a.firstSlot > b.firstSlot || (a.firstSlot === b.firstSlot && a.version > b.version);
}

/** The windows get the slow requests of a block at its last slot: only now is it known what slow means. */
function countSlow(slow: SlowCounts, candidate: Cohort, baseline: Cohort, slot: number): void {
  for (const [name, strata] of slow) {
    for (const stratum of strata.values()) {
      candidate.count(name as IndicatorName, slot, stratum.candidateAll, stratum.candidateBad);
      baseline.count(name as IndicatorName, slot, stratum.baselineAll, stratum.baselineBad);
    }
  }
}
