import type { Strata } from './strata.ts';

/** What is left of the weight of a block one block later: half of it goes in half an hour of 5 s blocks. */
const FADING = 0.998;
/** By so many standard errors the candidate must be worse than tolerated. */
const BEYOND = 2;

/** What a `RecentRisk` keeps. */
export type RecentRiskState = readonly [sum: number, squares: number];

/**
 * Whether the candidate has been worse than tolerated on the average of late. The bets look at the share of the bad
 * events block by block: where the versions are equally bad on average but one of them fails in bursts and the other
 * evenly, that share is not the average's. Here every block counts by how many bad events it holds: by the difference
 * of the candidate's and the tolerated number (Mantel-Haenszel weights), against what such differences scatter.
 */
export class RecentRisk {
  readonly #risk: number;
  #sum = 0;
  #squares = 0;

  /** `risk`: the candidate may be this many times as bad. */
  constructor(risk: number) {
    this.#risk = risk;
  }

  play({ candidateAll, candidateBad, baselineAll, baselineBad }: Strata): void {
    let difference = 0;
    for (let i = 0; i < candidateAll.length; i++) {
      const c = candidateAll[i] as number;
      const b = baselineAll[i] as number;
      difference += ((candidateBad[i] as number) * b - this.#risk * (baselineBad[i] as number) * c) / (c + b);
    }
    this.#sum = this.#sum * FADING + difference;
    this.#squares = this.#squares * FADING + difference * difference;
  }

  /** Beyond what chance and bursts explain. */
  get isWorse(): boolean {
    return this.#sum > BEYOND * Math.sqrt(this.#squares);
  }

  save(): RecentRiskState {
    return [this.#sum, this.#squares];
  }

  restore([sum, squares]: RecentRiskState): void {
    this.#sum = sum;
    this.#squares = squares;
  }
}
