import type { Cohort } from './cohort.ts';
import type { VerdictConfig } from './config.ts';

/** Whether the health came back after a rollback. */
export type Outcome = 'recovered' | 'not_recovered';

interface Watched {
  /** Of the decision. */
  readonly id: string;
  readonly candidate: string;
  readonly baseline: string;
  /** Slot of the decision. */
  readonly since: number;
}

export type RecoveryState = readonly Watched[];

/** The candidate is gone when it has sent nothing for this long, slots. */
const GONE = 60;
/** The service is well when its score over the last minute is at least this: it burns no more than its budget. */
const WELL = 50;

/** Watches what becomes of a service after a rollback, until the candidate is gone and the rest is well, or time is up. */
export class Recoveries {
  #watched: Watched[] = [];

  begin(watched: Watched): void {
    this.#watched.push(watched);
  }

  /** The outcomes that have become known by slot `end`, by the id of the decision and its candidate. */
  look(
    cohorts: ReadonlyMap<string, Cohort>,
    end: number,
    config: VerdictConfig,
  ): (readonly [id: string, outcome: Outcome, candidate: string])[] {
    const known: (readonly [string, Outcome, string])[] = [];
    this.#watched = this.#watched.filter((watched) => {
      const outcome = outcomeOf(watched, cohorts, end, config);
      if (outcome !== undefined) known.push([watched.id, outcome, watched.candidate]);
      return outcome === undefined;
    });
    return known;
  }

  save(): RecoveryState {
    return this.#watched;
  }

  restore(watched: RecoveryState): void {
    this.#watched = [...watched];
  }
}

function outcomeOf(
  { candidate, baseline, since }: Watched,
  cohorts: ReadonlyMap<string, Cohort>,
  end: number,
  { indicators, recovery }: VerdictConfig,
): Outcome | undefined {
  const isGone = end - since >= GONE && (cohorts.get(candidate)?.lastSlot ?? 0) < end - GONE;
  const score = cohorts.get(baseline)?.score('1m', indicators) ?? null;
  if (isGone && score !== null && score >= WELL) return 'recovered';
  return (end - since) * 1000 >= recovery.within ? 'not_recovered' : undefined;
}
