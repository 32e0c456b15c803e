import type { Pair } from '../../../proto/windback/decision.ts';
import { Bets, type BetsState } from './bets.ts';
import { Endurance, type EnduranceState } from './endurance.ts';
import { RecentRisk, type RecentRiskState } from './recent-risk.ts';
import { type IntervalState, RiskInterval } from './interval.ts';
import { ObjectiveBets, type ObjectiveState } from './objective.ts';
import { type QuietState, QuietStretch } from './quiet.ts';
import { against, type Counts, type Readings, type Strata, sumOf, total, without } from './strata.ts';

/** How one indicator is compared. */
export interface ComparisonTerms {
  /** The candidate may be this many times as bad. */
  readonly risk: number;
  /** For a promotion it must be shown to be less than this many times as bad. */
  readonly promotionRisk: number;
  /** The rate of bad events that the objective allows. */
  readonly budget: number;
  /** Latency: the part of requests beyond the quantile. */
  readonly tail: number | undefined;
  /** Slots that an incident may last without being taken for the version's, and slots of a block. */
  readonly incident: number;
  readonly block: number;
}

/** What is left of the evidence after a block in which the candidate was at work and nothing of it went wrong. */
const CALM_FADE = 0.0005;
/** Strata remembered by name; further ones are compared all the same, but not told apart in a decision. */
const MAX_STRATA = 1000;

interface MutablePair {
  bad: number;
  all: number;
}

/** What a `Comparison` keeps. */
export interface ComparisonState {
  readonly worse: BetsState;
  readonly better: BetsState;
  readonly interval: IntervalState;
  readonly objective: ObjectiveState;
  readonly endurance: EnduranceState;
  readonly quiet: QuietState;
  readonly recent: RecentRiskState;
  readonly breadth: readonly (readonly [number, BetsState])[];
  readonly placebos: readonly (readonly [number, BetsState, number])[];
  readonly pairs: readonly [number, number, number, number];
  readonly operations: readonly (readonly [string, number, number, number, number])[];
}

/** One indicator of one rollout: its evidence both ways, its guards, its counts, and how large the difference is. */
export class Comparison {
  readonly #terms: ComparisonTerms;
  readonly worse: Bets;
  readonly better: Bets;
  readonly interval = new RiskInterval();
  readonly objective: ObjectiveBets;
  readonly endurance: Endurance;
  readonly #quiet: QuietStretch;
  readonly #recent: RecentRisk;
  readonly candidate = { bad: 0, all: 0 };
  readonly baseline = { bad: 0, all: 0 };
  readonly #operations = new Map<string, { candidate: MutablePair; baseline: MutablePair }>();
  /** The same evidence without one group of the candidate's instances, by group. */
  readonly #breadth = new Map<number, Bets>();
  /** The same evidence for one group of the baseline's instances against the rest, and the highest it ever reached. */
  readonly #placebos = new Map<number, { readonly bets: Bets; highest: number }>();

  constructor(terms: ComparisonTerms) {
    this.#terms = terms;
    this.worse = new Bets(terms.risk, terms.tail);
    this.better = new Bets(1 / terms.promotionRisk);
    this.objective = new ObjectiveBets(terms.budget);
    this.endurance = new Endurance(terms.incident, terms.block);
    this.#recent = new RecentRisk(terms.risk);
    this.#quiet = new QuietStretch(Math.ceil(terms.incident / terms.block));
  }

  /** Takes in the block that ended before slot `end`; with little traffic, quiet ones are put together. */
  take(readings: Readings, end: number): void {
    const joined = this.#terms.tail === undefined ? this.#quiet.join(readings) : readings;
    if (joined !== undefined) this.play(joined, end);
  }

  /** Plays one block. */
  play({ strata: names, candidate, baseline, suspects }: Readings, end: number): void {
    const size = names.length;
    const all = sumOf(candidate, size);
    const rest = sumOf(baseline, size);
    this.#count(names, all, rest);
    this.objective.play(total(all.bad), total(all.all));
    if (isSilent(all, rest)) {
      this.#passQuietly(all, end);
      return;
    }
    const strata = against(all, rest);
    this.#playBreadth(candidate, all, rest);
    this.#playMain(strata, end);
    this.#playPlacebos(baseline, rest, suspects);
  }

  /**
   * What is left of the evidence without the group of instances that weighs most; undefined with a single one, for
   * then nothing tells the version from its host.
   */
  get logWithoutWorst(): number | undefined {
    if (this.#breadth.size < 2) return undefined;
    return Math.min(...[...this.#breadth.values()].map(({ logE }) => logE));
  }

  /** The highest evidence that any group of the baseline's own instances ever had against the rest. */
  get logPlacebo(): number {
    return Math.max(0, ...[...this.#placebos.values()].map(({ highest }) => highest));
  }

  /** By operation, since the rollout began. */
  get operations(): ReadonlyMap<string, { readonly candidate: Pair; readonly baseline: Pair }> {
    return this.#operations;
  }

  get placebos(): number {
    return this.#placebos.size;
  }

  /**
   * The candidate's rate over the baseline's, stratified by operation (Mantel-Haenszel); null where the baseline had no
   * bad event to compare with. Blocks are pooled first: in a stratum as small as a block a lone event weighs by chance.
   */
  get relativeRisk(): number | null {
    const { candidate, baseline } = this.#weighted();
    return baseline === 0 ? null : candidate / baseline;
  }

  /** Whether the candidate is worse than tolerated on the average of late too, and not only in most blocks. */
  get isWorseOnAverage(): boolean {
    return this.#recent.isWorse;
  }

  /** How much higher the candidate's rate is than the baseline's, each operation weighing as the candidate served it. */
  get excess(): number {
    let excess = 0;
    let requests = 0;
    for (const { candidate, baseline } of this.operations.values()) {
      if (candidate.all === 0 || baseline.all === 0) continue;
      requests += candidate.all;
      excess += candidate.bad - (baseline.bad / baseline.all) * candidate.all;
    }
    return requests === 0 ? 0 : excess / requests;
  }

  save(): ComparisonState {
    return {
      worse: this.worse.save(),
      better: this.better.save(),
      interval: this.interval.save(),
      objective: this.objective.save(),
      endurance: this.endurance.save(),
      quiet: this.#quiet.save(),
      recent: this.#recent.save(),
      breadth: [...this.#breadth].map(([group, bets]) => [group, bets.save()] as const),
      placebos: [...this.#placebos].map(([group, { bets, highest }]) => [group, bets.save(), highest] as const),
      pairs: [this.candidate.bad, this.candidate.all, this.baseline.bad, this.baseline.all],
      operations: [...this.operations].map(
        ([name, { candidate: c, baseline: b }]) => [name, c.bad, c.all, b.bad, b.all] as const,
      ),
    };
  }

  restore(state: ComparisonState): void {
    this.worse.restore(state.worse);
    this.better.restore(state.better);
    this.interval.restore(state.interval);
    this.objective.restore(state.objective);
    this.endurance.restore(state.endurance);
    this.#quiet.restore(state.quiet);
    this.#recent.restore(state.recent);
    for (const [group, saved] of state.breadth) this.#breadth.set(group, this.#restored(saved));
    for (const [group, saved, highest] of state.placebos) {
      this.#placebos.set(group, { bets: this.#restored(saved), highest });
    }
    [this.candidate.bad, this.candidate.all, this.baseline.bad, this.baseline.all] = state.pairs;
    for (const [name, cBad, cAll, bBad, bAll] of state.operations) {
      this.#operations.set(name, { candidate: { bad: cBad, all: cAll }, baseline: { bad: bBad, all: bAll } });
    }
  }

  #fresh(): Bets {
    return new Bets(this.#terms.risk, this.#terms.tail);
  }

  #restored(saved: BetsState): Bets {
    const bets = this.#fresh();
    bets.restore(saved);
    return bets;
  }

  #playMain(strata: Strata, end: number): void {
    this.worse.play(strata);
    this.#recent.play(strata);
    // The mirror image: the baseline as the candidate, against "at least 1 / promotionRisk times as bad".
    this.better.play(mirrored(strata));
    this.interval.play(strata);
    if (isCalm(strata)) this.worse.fade(CALM_FADE);
    this.endurance.see(this.worse.logE, end);
  }

  /** Before the main bets, whose state a group that is new to the rollout starts from: it weighed nothing so far. */
  #playBreadth(candidate: Readings['candidate'], all: Counts, rest: Counts): void {
    candidate.forEach((one, group) => {
      if (one === undefined || this.#breadth.has(group)) return;
      this.#breadth.set(group, this.#breadth.size === 0 ? this.#fresh() : this.worse.clone());
    });
    // Without a lone group nothing is left to play with.
    if (this.#breadth.size < 2) return;
    for (const [group, bets] of this.#breadth) {
      const strata = against(without(all, candidate[group]), rest);
      bets.play(strata);
      if (isCalm(strata)) bets.fade(CALM_FADE);
    }
  }

  #playPlacebos(baseline: Readings['baseline'], rest: Counts, suspects: Readings['suspects']): void {
    if (countOf(baseline) < 2) return;
    suspects.forEach((one, group) => {
      if (one === undefined) return;
      let placebo = this.#placebos.get(group);
      if (placebo === undefined) {
        placebo = { bets: this.#fresh(), highest: 0 };
        this.#placebos.set(group, placebo);
      }
      const strata = against(one, without(rest, baseline[group]));
      placebo.bets.play(strata);
      if (isCalm(strata)) placebo.bets.fade(CALM_FADE);
      placebo.highest = Math.max(placebo.highest, placebo.bets.logE);
    });
  }

  /** Nothing went wrong anywhere: nobody bets, and what the candidate was suspected of fades. */
  #passQuietly(all: Counts, end: number): void {
    if (total(all.all) === 0) return;
    for (const bets of [this.worse, ...this.#breadth.values()]) bets.fade(CALM_FADE);
    for (const { bets } of this.#placebos.values()) bets.fade(CALM_FADE);
    this.endurance.see(this.worse.logE, end);
  }

  #weighted(): { candidate: number; baseline: number } {
    const sum = { candidate: 0, baseline: 0 };
    for (const { candidate, baseline } of this.operations.values()) {
      const all = candidate.all + baseline.all;
      if (all === 0) continue;
      sum.candidate += (candidate.bad * baseline.all) / all;
      sum.baseline += (baseline.bad * candidate.all) / all;
    }
    return sum;
  }

  #count(names: readonly string[], candidate: Counts, baseline: Counts): void {
    for (let i = 0; i < names.length; i++) {
      addAt(this.candidate, candidate, i);
      addAt(this.baseline, baseline, i);
      const known = this.#operation(names[i] as string);
      if (known === undefined) continue;
      addAt(known.candidate, candidate, i);
      addAt(known.baseline, baseline, i);
    }
  }

  #operation(name: string): { candidate: MutablePair; baseline: MutablePair } | undefined {
    const known = this.#operations.get(name);
    if (known !== undefined || this.#operations.size >= MAX_STRATA) return known;
    const fresh = { candidate: { bad: 0, all: 0 }, baseline: { bad: 0, all: 0 } };
    this.#operations.set(name, fresh);
    return fresh;
  }
}

/** The candidate was at work, and nothing of it went wrong. */
function isCalm({ candidateAll, candidateBad }: Strata): boolean {
  return candidateAll.length > 0 && total(candidateBad) === 0;
}

/** No bad event in either version, and no order to bet on. */
function isSilent(candidate: Counts, baseline: Counts): boolean {
  return candidate.over.length === 0 && total(candidate.bad) === 0 && total(baseline.bad) === 0;
}

function countOf(groups: Readings['baseline']): number {
  let count = 0;
  for (const one of groups) if (one !== undefined) count++;
  return count;
}

function mirrored({ candidateAll, candidateBad, baselineAll, baselineBad }: Strata): Strata {
  return {
    candidateAll: baselineAll,
    candidateBad: baselineBad,
    baselineAll: candidateAll,
    baselineBad: candidateBad,
    candidateOver: [],
  };
}

function addAt(sum: MutablePair, { bad, all }: Counts, i: number): void {
  sum.bad += bad[i] as number;
  sum.all += all[i] as number;
}
