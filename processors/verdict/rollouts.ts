import type { BaselineKind } from '../../proto/windback/decision.ts';
import type { DeploymentEvent } from '../../proto/windback/health.ts';
import type { Block } from './block.ts';
import type { Cohort } from './cohort.ts';
import type { VerdictConfig } from './config.ts';
import type { ServiceIdentity } from './identity.ts';
import type { OnOverflow } from './overflow.ts';
import { Presence, type PresenceState } from './presence.ts';
import { Rollout, type RolloutState } from './rollout.ts';

/** What `Rollouts` keeps. */
export interface RolloutsState {
  readonly baseline: string | null;
  readonly underWay: readonly RolloutState[];
  readonly passed: readonly (readonly [string, number])[];
  readonly rolledBack: readonly (readonly [string, number])[];
  readonly presence: PresenceState;
}

/** So many times as long as usual until a candidate that is held against the past takes the baseline's place. */
const PATIENCE = 3;
/** A baseline that has been silent for so many slots is not waited for where a candidate has nobody else to be held against. */
const STRANDED = 60;
/** Versions whose end is remembered. */
const MAX_PASSED = 100;

/**
 * Which version of a service is the baseline, and which candidates are rolling out beside it or in its place. Rollouts
 * begin by a deployment event or by a new version's telemetry, and end when one side has fallen silent.
 */
export class Rollouts {
  /** By candidate, the newest last. */
  readonly underWay = new Map<string, Rollout>();
  baseline: string | undefined;
  readonly #identity: ServiceIdentity;
  readonly #config: VerdictConfig;
  readonly #onOverflow: OnOverflow;
  readonly #cohorts: ReadonlyMap<string, Cohort>;
  /** Candidates whose rollout is over, with the slot it ended; stragglers of theirs begin no new one. */
  readonly #passed = new Map<string, number>();
  /** Candidates that were rolled back, with the slot. */
  readonly rolledBack = new Map<string, number>();
  readonly #presence: Presence;

  constructor(
    identity: ServiceIdentity,
    config: VerdictConfig,
    cohorts: ReadonlyMap<string, Cohort>,
    onOverflow: OnOverflow,
  ) {
    this.#onOverflow = onOverflow;
    this.#identity = identity;
    this.#config = config;
    this.#cohorts = cohorts;
    this.#presence = new Presence(Math.max(1, Math.round(config.block / 1000)), config.max_versions);
  }

  /** The rollout that began last: what a deployment event's share is about. */
  get foremost(): Rollout | undefined {
    return [...this.underWay.values()].at(-1);
  }

  apply({ version, previousVersion, weight, status, atSeconds }: DeploymentEvent): void {
    if (status === 'failed') return;
    if (weight === 0) {
      this.#end(version, atSeconds);
      return;
    }
    const baseline = this.#chosen() ?? this.#previous(previousVersion, atSeconds);
    if (baseline !== undefined && baseline !== version && !this.underWay.has(version)) {
      this.#turnTo(baseline, atSeconds);
      this.#begin(version, atSeconds, 'deployment_event');
    }
    if (weight !== null) this.underWay.get(version)?.setWeight(weight, atSeconds);
  }

  /** Without an event: the configured one, else after `settle` that with most requests; of equals, the first by name. */
  chooseBaseline(end: number, firstSlot: number): void {
    const chosen = this.#chosen();
    if (chosen !== undefined && chosen !== this.baseline) {
      this.baseline = chosen;
      this.underWay.delete(chosen);
      return;
    }
    if (this.baseline !== undefined || end - firstSlot < this.#config.settle / 1000) return;
    const candidates = [...this.#cohorts.values()].filter((cohort) => cohort.firstSlot < end);
    candidates.sort((a, b) => b.requests - a.requests || (a.version < b.version ? -1 : 1));
    this.baseline = candidates[0]?.version;
  }

  /** A version that is new, or back after it was gone, is a candidate. */
  detect(block: Block, start: number): void {
    this.#presence.see(block.versions.keys(), (version) => this.#cohorts.has(version));
    if (this.baseline === undefined) return;
    const fresh: Cohort[] = [];
    for (const version of block.versions.keys()) {
      const cohort = this.#cohorts.get(version);
      if (cohort === undefined || version === this.baseline) continue;
      if (this.underWay.has(version) || this.#passed.has(version)) continue;
      fresh.push(cohort);
    }
    fresh.sort((a, b) => a.firstSlot - b.firstSlot || (a.version < b.version ? -1 : 1));
    const { max_candidates } = this.#config;
    // Of more than fit at once the newest are judged; the others are not to come in their place a block later.
    for (const { version } of fresh.slice(0, -max_candidates)) {
      this.#onOverflow('candidates');
      this.#pass(version, start);
    }
    for (const { version, firstSlot } of fresh.slice(-max_candidates)) {
      this.#begin(version, Math.max(firstSlot, start), 'telemetry');
    }
  }

  /** A rollout is over when one side has fallen silent: the candidate was withdrawn, or has taken the baseline's place. */
  endSilent(end: number): void {
    const silentSince = end - this.#config.end_after / 1000;
    // What still sends when its stragglers should be gone is back.
    for (const [version, slot] of this.#passed) if (slot < silentSince) this.#passed.delete(version);
    const coolSince = end - this.#config.recovery.cool_down / 1000;
    for (const [version, slot] of this.rolledBack) if (slot < coolSince) this.rolledBack.delete(version);
    const isGone = (version: string) => this.#isSilent(version, silentSince);
    for (const [version, { identity }] of this.underWay) {
      if (identity.startedAt <= silentSince && isGone(version) && !isGone(identity.baseline)) this.#end(version, end);
    }
    this.#takePlace(end, silentSince, isGone);
  }

  /** A candidate was rolled back, and is gone: should it come back, that is another rollout. */
  withdraw(candidate: string, slot: number): void {
    if (this.underWay.get(candidate)?.isRolledBack) this.#end(candidate, slot);
  }

  save(): RolloutsState {
    return {
      baseline: this.baseline ?? null,
      underWay: [...this.underWay.values()].map((rollout) => rollout.save()),
      passed: [...this.#passed],
      rolledBack: [...this.rolledBack],
      presence: this.#presence.save(),
    };
  }

  restore({ baseline, underWay, passed, rolledBack, presence }: RolloutsState): void {
    this.baseline = baseline ?? undefined;
    for (const saved of underWay) this.underWay.set(saved.identity.candidate, Rollout.restore(saved, this.#config));
    for (const [version, slot] of passed) this.#passed.set(version, slot);
    for (const [version, slot] of rolledBack) this.rolledBack.set(version, slot);
    this.#presence.restore(presence);
  }

  /** Silent since before a slot, and others were heard for long enough to say so. */
  #isSilent(version: string, slot: number): boolean {
    return (this.#cohorts.get(version)?.lastSlot ?? 0) < slot && this.#presence.isMissed(version);
  }

  /** The version that an event calls the previous one, unless nobody hears it and another one is known: names differ. */
  #previous(version: string, slot: number): string | undefined {
    const isHeard = this.#cohorts.has(version) && !this.#isSilent(version, slot - this.#config.end_after / 1000);
    return isHeard ? version : (this.baseline ?? (version || undefined));
  }

  /** The old baseline may still be at work for a while: it is no candidate. */
  #turnTo(baseline: string, slot: number): void {
    if (this.baseline !== undefined && this.baseline !== baseline) this.#pass(this.baseline, slot);
    this.underWay.delete(baseline);
    this.#passed.delete(baseline);
    this.baseline = baseline;
  }

  /** The baseline has fallen silent for good: the candidate with most requests takes its place. */
  #takePlace(end: number, silentSince: number, isGone: (version: string) => boolean): void {
    if (this.baseline === undefined) return;
    if (!isGone(this.baseline)) {
      this.#relieve(end);
      return;
    }
    // Candidates that are being held against the past are given time: minutes say little each.
    const isBeingJudged = [...this.underWay.values()].some(({ historical }) => historical.size > 0);
    const patience = (PATIENCE * this.#config.end_after) / 1000;
    if (isBeingJudged && (this.#cohorts.get(this.baseline)?.lastSlot ?? 0) > end - patience) return;
    const heir = this.#mostUsed(({ startedAt, candidate }) => startedAt <= silentSince && !isGone(candidate));
    if (heir !== undefined) this.#succeed(heir, end, isGone);
  }

  /**
   * A candidate that began when the baseline had gone already, but an earlier candidate was at work in its place, is
   * held against that one, as soon as it is clear: by the time the baseline is given up it may be too late.
   */
  #relieve(end: number): void {
    const isQuiet = (version: string) => this.#isSilent(version, end - STRANDED);
    if (this.underWay.size < 2 || !isQuiet(this.baseline as string)) return;
    const rollouts = [...this.underWay.values()];
    const stranded = rollouts.find(
      ({ comparedAt, identity }) =>
        comparedAt === 0 && identity.startedAt <= end - STRANDED && !isQuiet(identity.candidate),
    );
    if (stranded === undefined) return;
    const earlier = (candidate: string) => !this.underWay.get(candidate)?.isRolledBack && !isQuiet(candidate);
    const heir = this.#mostUsed(
      ({ startedAt, candidate }) => startedAt < stranded.identity.startedAt && earlier(candidate),
    );
    if (heir !== undefined) this.#succeed(heir, end, isQuiet);
  }

  /** A candidate becomes the baseline. Later ones begin anew against it; earlier ones have nobody left. */
  #succeed(heir: string, end: number, isGone: (version: string) => boolean): void {
    const since = this.underWay.get(heir)?.identity.startedAt ?? end;
    this.#turnTo(heir, end);
    for (const [version, { identity, isRolledBack, weight }] of this.underWay) {
      if (isRolledBack && !isGone(version)) continue;
      if (identity.startedAt <= since || isGone(version)) this.#end(version, end);
      else {
        this.#begin(version, end, identity.knownBy);
        if (weight !== undefined) this.underWay.get(version)?.setWeight(weight, end);
      }
    }
  }

  #mostUsed(isEligible: (identity: Rollout['identity']) => boolean): string | undefined {
    const requests = (version: string) => this.#cohorts.get(version)?.requests ?? 0;
    return [...this.underWay.values()]
      .map(({ identity }) => identity)
      .filter(isEligible)
      .map(({ candidate }) => candidate)
      .sort((a, b) => requests(b) - requests(a) || (a < b ? -1 : 1))[0];
  }

  #begin(candidate: string, slot: number, knownBy: 'telemetry' | 'deployment_event'): void {
    this.#passed.delete(candidate);
    if (!this.underWay.has(candidate) && this.underWay.size >= this.#config.max_candidates) {
      this.#onOverflow('candidates');
      this.#end(this.#leastUsed(), slot);
    }
    const baseline = this.baseline as string;
    const baselineKind: BaselineKind = this.#chosen() === baseline ? 'chosen' : 'concurrent';
    const identity = { candidate, baseline, baselineKind, startedAt: slot, knownBy };
    this.underWay.set(candidate, new Rollout(identity, this.#config));
  }

  /** Of the candidates under way, that with the fewest requests: a flood of versions must not end a real rollout. */
  #leastUsed(): string {
    const requests = (version: string) => this.#cohorts.get(version)?.requests ?? 0;
    const [least] = [...this.underWay.keys()].sort((a, b) => requests(a) - requests(b) || (a < b ? -1 : 1));
    return least as string;
  }

  #end(candidate: string, slot: number): void {
    if (this.underWay.delete(candidate)) this.#pass(candidate, slot);
  }

  #pass(candidate: string, slot: number): void {
    if (this.#passed.size >= MAX_PASSED) this.#passed.delete([...this.#passed.keys()][0] as string);
    this.#passed.set(candidate, slot);
  }

  /** The configured baseline, if it was ever seen: a version that sends nothing cannot be compared with. */
  #chosen(): string | undefined {
    const { version, services } = this.#config.baseline;
    const chosen = services[this.#identity.key] ?? services[this.#identity.service] ?? version;
    return chosen !== undefined && this.#cohorts.has(chosen) ? chosen : undefined;
  }
}
