import type { Verdict } from '../../proto/windback/decision.ts';
import { EXEMPLARS } from '../../proto/windback/health.ts';
import { type Block, Cell, type VersionBlock } from './block.ts';
import type { Stratum } from './bets.ts';
import type { Cohort } from './cohort.ts';
import { Comparison } from './comparison.ts';
import { INDICATORS, type IndicatorName, type VerdictConfig } from './config.ts';
import type { LatencyReference } from './reference.ts';
import { SilenceBets } from './silence.ts';

export type ComparedIndicator = Exclude<IndicatorName, 'silence'>;

/** The latency indicators and the quantile of the baseline each one looks beyond. */
const QUANTILES: ReadonlyMap<ComparedIndicator, number> = new Map([
  ['slow_p50', 0.5],
  ['slow_p90', 0.9],
  ['slow_p99', 0.99],
]);

/** What one version did since the rollout began. */
export interface Totals {
  requests: number;
  errors: number;
  logRecords: number;
  logErrors: number;
}

/** A candidate version beside, or in place of, a baseline version. Holds the evidence; `lifecycle.ts` decides on it. */
export class Rollout {
  readonly candidate: string;
  readonly baseline: string;
  /** Slot of the deployment event or of the candidate's first telemetry. */
  readonly startedAt: number;
  readonly knownBy: 'telemetry' | 'deployment_event';
  readonly comparisons = new Map<ComparedIndicator, Comparison>();
  readonly silence: SilenceBets;
  readonly totals = { candidate: emptyTotals(), baseline: emptyTotals() };
  verdict: Verdict = 'observing';
  isRolledBack = false;
  isPromoted = false;
  isHeld = false;
  /** Holds and resumes so far: part of their ids, since both may happen again. */
  holds = 0;
  /** The share of requests that the candidate should get; undefined while nobody told. */
  weight: number | undefined;
  /** Silence counts from this slot on: a new share needs time to take hold. */
  silenceFrom = Number.POSITIVE_INFINITY;
  #exemplars: string[] = [];
  readonly #config: VerdictConfig;

  constructor(
    versions: { readonly candidate: string; readonly baseline: string },
    startedAt: number,
    knownBy: 'telemetry' | 'deployment_event',
    config: VerdictConfig,
  ) {
    this.candidate = versions.candidate;
    this.baseline = versions.baseline;
    this.startedAt = startedAt;
    this.knownBy = knownBy;
    this.#config = config;
    this.silence = new SilenceBets(config.silence.share);
    for (const name of INDICATORS) {
      if (name === 'silence' || !config.indicators[name].enabled) continue;
      this.comparisons.set(name, new Comparison(config.tolerance, config.promotion.margin));
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

  /** Takes one block into the evidence. `slot` is its first slot. */
  play(block: Block, slot: number, cohorts: Cohorts, references: ReadonlyMap<string, LatencyReference>): SlowCounts {
    const candidate = block.versions.get(this.candidate);
    const baseline = block.versions.get(this.baseline);
    this.#total(candidate, baseline);
    this.#playSilence(slot, candidate, block);
    if (candidate === undefined || baseline === undefined) return new Map();
    const requests = align(candidate.byOperation(), baseline.byOperation());
    const strata = new Map(
      [...requests].map(([operation, both]) => [operation, stratum(both.candidate, both.baseline)]),
    );
    this.comparisons.get('errors')?.play(strata);
    this.comparisons.get('log_errors')?.play(new Map([['', stratum(candidate.logs, baseline.logs)]]));
    return this.#playLatency(candidate, baseline, slot, cohorts, references);
  }

  #total(candidate: VersionBlock | undefined, baseline: VersionBlock | undefined): void {
    addTotals(this.totals.candidate, candidate);
    addTotals(this.totals.baseline, baseline);
    if (candidate === undefined || candidate.exemplars.size === 0) return;
    this.#exemplars = [...new Set([...this.#exemplars, ...candidate.exemplars])].sort().slice(0, EXEMPLARS);
  }

  #playSilence(slot: number, candidate: VersionBlock | undefined, block: Block): void {
    if (!this.#config.indicators.silence.enabled || this.weight === undefined || slot < this.silenceFrom) return;
    const total = [...block.versions.values()].reduce((sum, { requestCount }) => sum + requestCount, 0);
    this.silence.play(this.weight, candidate?.requestCount ?? 0, total);
  }

  #playLatency(
    candidate: VersionBlock,
    baseline: VersionBlock,
    slot: number,
    cohorts: Cohorts,
    references: ReadonlyMap<string, LatencyReference>,
  ): SlowCounts {
    const warmUpSlots = this.#config.warm_up / 1000;
    const warm = (cohort: Cohort) => (instance: string) => cohort.isWarm(instance, slot, warmUpSlots);
    const aligned = align(candidate.byOperation(warm(cohorts.candidate)), baseline.byOperation(warm(cohorts.baseline)));
    const counts: SlowCounts = new Map();
    for (const [name, quantile] of QUANTILES) {
      const comparison = this.comparisons.get(name);
      if (comparison === undefined) continue;
      const { margin, floor } = this.#config.latency;
      const strata = new Map<string, Stratum>();
      for (const [operation, { candidate: c, baseline: b }] of aligned) {
        const above = references.get(operation)?.slowAbove(quantile, margin, floor * 1e6);
        if (above === undefined) continue;
        strata.set(operation, {
          candidateAll: c.all,
          candidateBad: countAbove(c, above),
          baselineAll: b.all,
          baselineBad: countAbove(b, above),
        });
      }
      comparison.play(strata);
      counts.set(name, strata);
    }
    return counts;
  }
}

/** The two cohorts of a rollout. */
export interface Cohorts {
  readonly candidate: Cohort;
  readonly baseline: Cohort;
}

/** What a block said of each latency indicator, for the windows. */
export type SlowCounts = Map<ComparedIndicator, ReadonlyMap<string, Stratum>>;

function emptyTotals(): Totals {
  return { requests: 0, errors: 0, logRecords: 0, logErrors: 0 };
}

function addTotals(totals: Totals, block: VersionBlock | undefined): void {
  if (block === undefined) return;
  totals.requests += block.requestCount;
  totals.errors += block.errorCount;
  totals.logRecords += block.logs.all;
  totals.logErrors += block.logs.bad;
}

/** Both cohorts by operation, in the order of names; one that did not serve an operation counts as zeros. */
function align(
  candidate: ReadonlyMap<string, Cell>,
  baseline: ReadonlyMap<string, Cell>,
): Map<string, { candidate: Cell; baseline: Cell }> {
  const names = [...new Set([...candidate.keys(), ...baseline.keys()])].sort();
  return new Map(
    names.map((name) => [name, { candidate: candidate.get(name) ?? NOTHING, baseline: baseline.get(name) ?? NOTHING }]),
  );
}

const NOTHING = new Cell();

function stratum(candidate: Pick<Cell, 'all' | 'bad'>, baseline: Pick<Cell, 'all' | 'bad'>): Stratum {
  return {
    candidateAll: candidate.all,
    candidateBad: candidate.bad,
    baselineAll: baseline.all,
    baselineBad: baseline.bad,
  };
}

function countAbove(cell: Cell, bin: number): number {
  let count = 0;
  for (const [index, amount] of cell.bins) if (index > bin) count += amount;
  return count;
}
