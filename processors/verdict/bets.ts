/**
 * Evidence by betting. In a block, bad events happened; if the candidate is at most `risk` times as bad as the
 * baseline, its expected share of them is at most p0, whatever the common level. A gambler bets on that share with
 * stakes fixed beforehand; the capital is a non-negative supermartingale under the hypothesis, so by Ville's
 * inequality it ever exceeds 1/a with probability at most a.
 * Sources: Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting" (JRSS B 2024);
 * Lindon & Malek, "Anytime-valid inference for multinomial count data" (NeurIPS 2022) for conditioning on the total.
 */

/** One operation's events in one block: candidate's and baseline's, all and bad. */
export interface Stratum {
  readonly candidateAll: number;
  readonly candidateBad: number;
  readonly baselineAll: number;
  readonly baselineBad: number;
}

/** How much worse than the hypothesis the gambler thinks the candidate is; the capital is the mean over these. */
const WORSE = [1.25, 1.5, 2, 3, 4, 6, 10, 20];
const BETTER = WORSE.map((factor) => 1 / factor);

/** Strata that can say something: both cohorts were there and something went wrong. */
export function speaking(strata: readonly Stratum[]): Stratum[] {
  return strata.filter((s) => s.candidateAll > 0 && s.baselineAll > 0 && s.candidateBad + s.baselineBad > 0);
}

/** The candidate's expected share of the bad events if it is `risk` times as bad, each operation by its own counts. */
export function shareAt(strata: readonly Stratum[], risk: number): number {
  let expected = 0;
  let bad = 0;
  for (const { candidateAll, candidateBad, baselineAll, baselineBad } of strata) {
    const weighted = candidateAll * risk;
    expected += (candidateBad + baselineBad) * (weighted / (weighted + baselineAll));
    bad += candidateBad + baselineBad;
  }
  return expected / bad;
}

/** The candidate's share of the bad events as it was. */
function shareSeen(strata: readonly Stratum[]): number {
  let candidate = 0;
  let bad = 0;
  for (const stratum of strata) {
    candidate += stratum.candidateBad;
    bad += stratum.candidateBad + stratum.baselineBad;
  }
  return candidate / bad;
}

/** An e-process against one hypothesis about the relative risk. */
export class Bets {
  readonly #risk: number;
  readonly #factors: readonly number[];
  /** Logarithm of the capital of each gambler. */
  readonly #logCapitals: Float64Array;
  /** Blocks that had something to say. */
  blocks = 0;

  private constructor(risk: number, factors: readonly number[]) {
    this.#risk = risk;
    this.#factors = factors;
    this.#logCapitals = new Float64Array(factors.length);
  }

  /** Evidence against "the candidate is at most `risk` times as bad". */
  static thatWorseThan(risk: number): Bets {
    return new Bets(risk, WORSE);
  }

  /** Evidence against "the candidate is at least `risk` times as bad". */
  static thatBetterThan(risk: number): Bets {
    return new Bets(risk, BETTER);
  }

  /** Plays one block. `strata` must be `speaking`; none of them is no bet. */
  play(strata: readonly Stratum[]): void {
    if (strata.length === 0) return;
    const expected = shareAt(strata, this.#risk);
    const seen = shareSeen(strata);
    this.blocks++;
    for (let i = 0; i < this.#factors.length; i++) {
      const believed = shareAt(strata, this.#risk * (this.#factors[i] as number));
      const stake = (believed - expected) / (expected * (1 - expected));
      this.#logCapitals[i] = (this.#logCapitals[i] as number) + Math.log1p(stake * (seen - expected));
    }
  }

  /** Natural logarithm of the e-value. */
  get logE(): number {
    return logMeanExp(this.#logCapitals);
  }
}

/** log of the mean of exp(values), without overflow. */
export function logMeanExp(values: Float64Array): number {
  const top = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  let sum = 0;
  for (const value of values) sum += Math.exp(value - top);
  return top + Math.log(sum / values.length);
}

/** Risks at which the interval is looked for, and the error it allows on both sides together. */
const GRID = Array.from({ length: 41 }, (_, i) => 2 ** ((i - 12) / 4));
const INTERVAL_ERROR = 0.05;

/** An always-valid interval for the relative risk: all risks that the same test, run against each, does not reject. */
export class RiskInterval {
  readonly #above = GRID.map((risk) => Bets.thatWorseThan(risk));
  readonly #below = GRID.map((risk) => Bets.thatBetterThan(risk));

  play(strata: readonly Stratum[]): void {
    for (const bets of this.#above) bets.play(strata);
    for (const bets of this.#below) bets.play(strata);
  }

  /**
   * Lower and upper bound; null above the grid. They hold at every moment at once with probability 95 %. Each side is
   * followed from its end of the grid to the first risk that is not rejected: to be wrong is then to reject one certain
   * risk, the true one's neighbour on the grid, and not any of several.
   */
  get bounds(): readonly [number, number | null] {
    const bar = Math.log(2 / INTERVAL_ERROR);
    const firstKept = this.#above.findIndex(({ logE }) => logE < bar);
    const lastKept = this.#below.findLastIndex(({ logE }) => logE < bar);
    return [GRID[(firstKept < 0 ? GRID.length : firstKept) - 1] ?? 0, GRID[lastKept + 1] ?? null];
  }
}
