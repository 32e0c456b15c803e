import type { BaselineKind, Pair, Verdict } from '../../proto/windback/decision.ts';
import { EXEMPLARS } from '../../proto/windback/health.ts';
import { type Block, cellNames, type VersionBlock } from './block.ts';
import type { Cohort } from './cohort.ts';
import type { VerdictConfig } from './config.ts';
import { indicatorNames, termsOf } from './config-indicators.ts';
import type { Comparison, ComparisonState } from './evidence/comparison.ts';
import { SilenceBets, type SilenceState } from './evidence/silence.ts';
import { type Readings, sumOf, total } from './evidence/strata.ts';
import { HistoricalBets } from './history-bets.ts';
import type { HistoryIndicator } from './history-minute.ts';
import { CrashWatch, type CrashWatchState } from './crash-watch.ts';
import { exposureOf, readCustom, readErrors, readLogErrors } from './indicators/counted.ts';
import type { View } from './indicators/reader.ts';
import type { Knowledge } from './knowledge.ts';
import { comparisonOf, floorMsOf, LATENCY, QUANTILES } from './terms.ts';
import type { Views } from './views.ts';

/** New signatures and callees that are remembered for a decision to name. */
const MAX_NAMED = 50;

/** What one version did since the rollout began. */
export interface Totals {
  requests: number;
  errors: number;
  logRecords: number;
  logErrors: number;
}

/** The two cohorts of a rollout. */
export interface Cohorts {
  readonly candidate: Cohort;
  readonly baseline: Cohort;
}

/** A block to be judged. */
export interface Play {
  readonly block: Block;
  readonly views: Views;
  /** Its first slot, and the first one after it. */
  readonly start: number;
  readonly end: number;
  readonly cohorts: Cohorts;
  readonly knowledge: Knowledge;
  /** Whether the windows of the baseline are this rollout's to feed. */
  readonly isForemost: boolean;
}

export interface RolloutIdentity {
  readonly candidate: string;
  readonly baseline: string;
  readonly baselineKind: BaselineKind;
  /** Slot of the deployment event or of the candidate's first telemetry. */
  readonly startedAt: number;
  readonly knownBy: 'telemetry' | 'deployment_event';
}

/** A candidate version beside, or in place of, a baseline version. Holds the evidence; `lifecycle.ts` decides on it. */
export class Rollout {
  readonly identity: RolloutIdentity;
  readonly comparisons = new Map<string, Comparison>();
  readonly silence: SilenceBets;
  /** Against the past, for minutes in which the baseline was gone. */
  readonly historical = new Map<HistoryIndicator, HistoricalBets>();
  readonly crashes: CrashWatch;
  readonly usualFates = new CrashWatch(0);
  readonly totals = { candidate: emptyTotals(), baseline: emptyTotals() };
  verdict: Verdict = 'observing';
  inconclusive: string | null = null;
  isRolledBack = false;
  isPromoted = false;
  isHeld = false;
  /** Holds and resumes so far: part of their ids, since both may happen again. */
  holds = 0;
  /** The share of requests that the candidate should get; undefined while nobody told. */
  weight: number | undefined;
  /** Silence counts from this slot on: a new share needs time to take hold. */
  silenceFrom = Number.MAX_SAFE_INTEGER;
  /** The last slot in which both versions were compared. */
  comparedAt = 0;
  /** What was held for an urgent reason stays so until this slot. */
  unsettledUntil = 0;
  /** Since when the evidence is enough to hold. */
  suspectSince: number | undefined;
  /** Requests of unknown version since the rollout began: they may be the candidate's. */
  unknown = 0;
  /** New signatures of the candidate, by count; whose answers failed its failed requests, and the baseline's. */
  readonly signatures = new Map<string, number>();
  /** All signatures, new or known, of requests or records, while both versions were at work. */
  readonly signed = { candidate: { bad: 0, all: 0 }, baseline: { bad: 0, all: 0 } };
  readonly origins = { candidate: new Map<string, number>(), baseline: new Map<string, number>() };
  #exemplars: string[] = [];
  readonly #config: VerdictConfig;

  constructor(identity: RolloutIdentity, config: VerdictConfig) {
    this.identity = identity;
    this.#config = config;
    this.silence = new SilenceBets(config.indicators.silence.share);
    this.crashes = new CrashWatch(identity.startedAt);
    for (const name of indicatorNames(config.indicators)) {
      if (name === 'silence' || !termsOf(config.indicators, name).enabled) continue;
      this.comparisons.set(name, comparisonOf(name, config));
    }
  }

  /** Trace ids of requests of the candidate that went wrong, ascending. */
  get exemplars(): readonly string[] {
    return this.#exemplars;
  }

  /** A deployment event told the candidate's share, as of `slot`. */
  setWeight(weight: number, slot: number): void {
    if (weight === this.weight) return;
    // Silence waits once, from the first share on: a rollout that goes on in steps must not put it off for ever.
    if (this.weight === undefined || this.weight === 0) this.silenceFrom = slot + this.#config.warm_up / 1000;
    this.weight = weight;
  }

  /** Takes one block into the evidence. */
  play(play: Play): void {
    const { block, start, cohorts } = play;
    const candidate = block.versions.get(this.identity.candidate);
    const baseline = block.versions.get(this.identity.baseline);
    this.#total(candidate, baseline, cohorts);
    this.#playSilence(play, candidate);
    if (candidate === undefined || baseline === undefined) {
      this.#playAlone(candidate ?? baseline, play);
      return;
    }
    this.comparedAt = start;
    this.#remember(candidate, baseline, play.knowledge);
    const view = this.#viewOf(play, 'span');
    if (cohorts.candidate.sendsSpans && cohorts.baseline.sendsSpans) this.#playRequests(view, play);
    // What instances complain of while they start says nothing beside those that started long ago.
    const warm = this.#warmView(play, 'span');
    const settled = warm.baseline.some(Boolean) ? warm : view;
    this.#compare('log_errors', () => readLogErrors(settled), play);
    countSigned(settled, this.signed);
    this.#compare('new_signatures', () => play.knowledge.signatures.read(settled), play);
    this.#compare('calls', () => play.knowledge.calls.read(view, this.#marginOf('calls')), play);
    for (const name of Object.keys(this.#config.indicators.custom)) {
      this.#compare(`custom.${name}`, () => readCustom(view, name), play);
    }
  }

  /** One version alone says nothing, but with little traffic its requests count until the other has some again. */
  #playAlone(version: VersionBlock | undefined, play: Play): void {
    const { candidate, baseline } = play.cohorts;
    const isBySpans = candidate.sendsSpans && baseline.sendsSpans;
    if (version === undefined || !isBySpans || this.comparedAt === 0) return;
    const isCandidate = play.block.versions.get(this.identity.candidate) === version;
    const groups = play.views.groups(isCandidate ? this.identity.candidate : this.identity.baseline);
    const view: View = { candidate: isCandidate ? groups : [], baseline: isCandidate ? [] : groups, requests: 'span' };
    this.#compare('errors', () => readErrors(view), play);
  }

  /** Takes a block of a minute: what is sampled, or exported, too rarely to share the short blocks, or not by spans alone. */
  playMinute(play: Play): void {
    const { block, cohorts, knowledge } = play;
    const candidate = block.versions.get(this.identity.candidate);
    const baseline = block.versions.get(this.identity.baseline);
    if (candidate === undefined || baseline === undefined) return;
    const view = this.#viewOf(play, 'metric');
    const isBySpans = cohorts.candidate.sendsSpans && cohorts.baseline.sendsSpans;
    if (!isBySpans && candidate.has('metric') && baseline.has('metric')) {
      this.comparedAt = play.start;
      this.#playRequests(view, play);
    }
    this.#compare('resource', () => knowledge.resources.read(view, this.identity, this.#marginOf('resource')), play);
  }

  save(): RolloutState {
    return {
      identity: this.identity,
      comparisons: [...this.comparisons].map(([name, one]) => [name, one.save()] as const),
      silence: this.silence.save(),
      historical: [...this.historical].map(([name, bets]) => [name, bets.save()] as const),
      crashes: [this.crashes.save(), this.usualFates.save()],
      totals: this.totals,
      verdict: this.verdict,
      inconclusive: this.inconclusive,
      flags: [this.isRolledBack, this.isPromoted, this.isHeld],
      holds: this.holds,
      unsettledUntil: this.unsettledUntil,
      weight: this.weight ?? null,
      slots: [this.silenceFrom, this.comparedAt, this.unknown, this.suspectSince ?? null],
      signatures: [...this.signatures],
      signed: this.signed,
      origins: [[...this.origins.candidate], [...this.origins.baseline]],
      exemplars: this.#exemplars,
    };
  }

  static restore(state: RolloutState, config: VerdictConfig): Rollout {
    const rollout = new Rollout(state.identity, config);
    for (const [name, saved] of state.comparisons) rollout.comparisons.get(name)?.restore(saved);
    rollout.silence.restore(state.silence);
    for (const [name, saved] of state.historical) {
      rollout.historical.set(name, HistoricalBets.restore(saved, config.history, floorMsOf(name, config)));
    }
    rollout.crashes.restore(state.crashes[0]);
    rollout.usualFates.restore(state.crashes[1]);
    Object.assign(rollout.totals.candidate, state.totals.candidate);
    Object.assign(rollout.totals.baseline, state.totals.baseline);
    rollout.verdict = state.verdict;
    rollout.inconclusive = state.inconclusive;
    [rollout.isRolledBack, rollout.isPromoted, rollout.isHeld] = state.flags;
    rollout.holds = state.holds;
    rollout.unsettledUntil = state.unsettledUntil;
    rollout.weight = state.weight ?? undefined;
    const [silenceFrom, comparedAt, unknown, suspectSince] = state.slots;
    Object.assign(rollout, { silenceFrom, comparedAt, unknown, suspectSince: suspectSince ?? undefined });
    for (const [name, count] of state.signatures) rollout.signatures.set(name, count);
    Object.assign(rollout.signed.candidate, state.signed.candidate);
    Object.assign(rollout.signed.baseline, state.signed.baseline);
    for (const [name, count] of state.origins[0]) rollout.origins.candidate.set(name, count);
    for (const [name, count] of state.origins[1]) rollout.origins.baseline.set(name, count);
    rollout.#exemplars = [...state.exemplars];
    return rollout;
  }

  #playRequests(view: View, play: Play): void {
    this.#compare('errors', () => readErrors(view), play);
    const baselineSum = play.views.warmSum(this.identity.baseline);
    const warmView: View = { ...this.#warmView(play, view.requests), baselineSum };
    const names = LATENCY.filter((name) => this.comparisons.has(name));
    const looks = names.map((name) => {
      const { margin, floor } = this.#config.indicators[name];
      return { quantile: QUANTILES[name], margin, floorNs: floor * 1e6 };
    });
    play.knowledge.latency.read(warmView, looks).forEach((readings, i) => {
      this.#compare(names[i] as string, () => readings, play);
    });
  }

  #warmView({ views }: Play, requests: View['requests']): View {
    const { candidate, baseline } = this.identity;
    return { candidate: views.warmGroups(candidate), baseline: views.warmGroups(baseline), requests };
  }

  #viewOf({ views }: Play, requests: View['requests']): View {
    const { candidate, baseline } = this.identity;
    return { candidate: views.groups(candidate), baseline: views.groups(baseline), requests };
  }

  /** `errors` and `log_errors` enter the windows second by second as they come; the rest only when it is judged. */
  #compare(name: string, read: () => Readings, { cohorts, end, isForemost }: Play): void {
    const comparison = this.comparisons.get(name);
    if (comparison === undefined) return;
    const readings = read();
    if (readings.strata.length === 0) return;
    comparison.take(readings, end);
    if (name === 'errors' || name === 'log_errors') return;
    const size = readings.strata.length;
    const candidate = sumOf(readings.candidate, size);
    cohorts.candidate.count(name, end - 1, total(candidate.all), total(candidate.bad));
    if (!isForemost) return;
    const baseline = sumOf(readings.baseline, size);
    cohorts.baseline.count(name, end - 1, total(baseline.all), total(baseline.bad));
  }

  #marginOf(name: 'calls' | 'resource'): number {
    return this.#config.indicators[name].margin ?? this.#config.tolerance;
  }

  #total(candidate: VersionBlock | undefined, baseline: VersionBlock | undefined, cohorts: Cohorts): void {
    addTotals(this.totals.candidate, candidate, cohorts.candidate);
    addTotals(this.totals.baseline, baseline, cohorts.baseline);
    if (candidate === undefined || candidate.exemplars.length === 0) return;
    this.#exemplars = [...new Set([...this.#exemplars, ...candidate.exemplars])].sort().slice(0, EXEMPLARS);
  }

  #playSilence({ block, start, end, cohorts, isForemost }: Play, candidate: VersionBlock | undefined): void {
    this.unknown += block.unknown;
    if (!this.#config.indicators.silence.enabled || !isForemost) return;
    // Where instances are short-lived by nature (functions, jobs), those of the baseline are too.
    this.usualFates.look(cohorts.baseline, end);
    const usual = this.usualFates.deathRate;
    for (const hasDied of this.crashes.look(cohorts.candidate, end)) this.silence.playBirth(hasDied, usual);
    if (this.weight === undefined || start < this.silenceFrom) return;
    let all = block.unknown;
    for (const [version, one] of block.versions) {
      const isKnown = version === this.identity.candidate ? cohorts.candidate : cohorts.baseline;
      all += requestsOf(one, version === isKnown.version ? isKnown : undefined);
    }
    const own = candidate === undefined ? 0 : requestsOf(candidate, cohorts.candidate);
    // Requests that name no version may well be the candidate's: silence is only what they cannot explain.
    this.silence.play(this.weight, own + block.unknown, all);
  }

  #remember(candidate: VersionBlock, baseline: VersionBlock, knowledge: Knowledge): void {
    const fresh = [...candidate.instances.values()].flatMap((instance) => [...knowledge.signatures.fresh(instance)]);
    addAll(this.signatures, fresh);
    countOrigins(candidate, this.origins.candidate);
    countOrigins(baseline, this.origins.baseline);
  }
}

/** What a `Rollout` keeps. */
export interface RolloutState {
  readonly identity: RolloutIdentity;
  readonly comparisons: readonly (readonly [string, ComparisonState])[];
  readonly silence: SilenceState;
  readonly historical: readonly (readonly [HistoryIndicator, unknown])[];
  readonly crashes: readonly [own: CrashWatchState, usual: CrashWatchState];
  readonly totals: { readonly candidate: Totals; readonly baseline: Totals };
  readonly verdict: Verdict;
  readonly inconclusive: string | null;
  readonly flags: readonly [rolledBack: boolean, promoted: boolean, held: boolean];
  readonly holds: number;
  readonly unsettledUntil: number;
  readonly weight: number | null;
  readonly slots: readonly [silenceFrom: number, comparedAt: number, unknown: number, suspectSince: number | null];
  readonly signatures: readonly (readonly [string, number])[];
  readonly signed: { readonly candidate: Pair; readonly baseline: Pair };
  readonly origins: readonly [readonly (readonly [string, number])[], readonly (readonly [string, number])[]];
  readonly exemplars: readonly string[];
}

function requestsOf(block: VersionBlock, cohort: Cohort | undefined): number {
  return block.total(cohort?.requestKind ?? (block.has('span') ? 'span' : 'metric')).all;
}

function countSigned(view: View, into: Rollout['signed']): void {
  const exposure = exposureOf(view);
  for (const side of ['candidate', 'baseline'] as const) {
    for (const group of view[side]) {
      if (group === undefined) continue;
      into[side].all += exposure(group);
      into[side].bad += group.total('signature').all;
    }
  }
}

function countOrigins(version: VersionBlock, into: Map<string, number>): void {
  const cells = [...version.instances.values()].flatMap((instance) => [...instance.cells('origin')]);
  addAll(
    into,
    cells.map(([key, { bad }]) => [cellNames(key)[1], bad] as const),
  );
}

/** In the order of names: which ones still fit must not depend on which came first. */
function addAll(counts: Map<string, number>, added: readonly (readonly [name: string, count: number])[]): void {
  for (const [name, count] of added.toSorted(([a], [b]) => (a < b ? -1 : Number(a > b)))) {
    const known = counts.get(name);
    if (known !== undefined || counts.size < MAX_NAMED) counts.set(name, (known ?? 0) + count);
  }
}

function emptyTotals(): Totals {
  return { requests: 0, errors: 0, logRecords: 0, logErrors: 0 };
}

function addTotals(totals: Totals, block: VersionBlock | undefined, cohort: Cohort): void {
  if (block === undefined) return;
  const requests = block.total(cohort.requestKind);
  const logs = block.total('log');
  totals.requests += requests.all;
  totals.errors += requests.bad;
  totals.logRecords += logs.all;
  totals.logErrors += logs.bad;
}
