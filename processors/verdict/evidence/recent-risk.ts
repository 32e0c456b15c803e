import type { Strata } from './strata.ts';

/** What is left of the weight of a block one block later: half of it goes in half an hour of 5 s blocks. */
const FADING = 0.998;

/**
 * The relative risk of late (Mantel-Haenszel over blocks and operations, what came lately counting most). The bets look
 * at the share of the bad events block by block: where the versions are equally bad on average but one of them fails in
 * bursts and the other evenly, that share is not the average's. Then this is.
 */
export class RecentRisk {
  #candidate = 0;
  #baseline = 0;

  play({ candidateAll, candidateBad, baselineAll, baselineBad }: Strata): void {
    this.#candidate *= FADING;
    this.#baseline *= FADING;
    for (let i = 0; i < candidateAll.length; i++) {
      const c = candidateAll[i] as number;
      const b = baselineAll[i] as number;
      this.#candidate += ((candidateBad[i] as number) * b) / (c + b);
      this.#baseline += ((baselineBad[i] as number) * c) / (c + b);
    }
  }

  /** Whether the candidate is more than `risk` times as bad. */
  exceeds(risk: number): boolean {
    return this.#candidate > risk * this.#baseline;
  }

  save(): readonly [candidate: number, baseline: number] {
    return [this.#candidate, this.#baseline];
  }

  restore([candidate, baseline]: readonly [number, number]): void {
    this.#candidate = candidate;
    this.#baseline = baseline;
  }
}
