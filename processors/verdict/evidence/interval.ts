import { logSumExp, shareAt } from './bets.ts';
import { type Strata, total } from './strata.ts';

/** Risks that are tested, quarter doublings from 1/8 to 128. */
const RISKS = 41;
const LOWEST = -12;
/** How much worse, or better, than the risk under test each gambler thinks the candidate is, in quarter doublings. */
const STEPS = [1, 3, 6, 10, 15];
const REACH = STEPS.at(-1) as number;
/** The error that the interval allows on both sides together. */
const ERROR = 0.05;

const riskAt = (index: number): number => 2 ** ((index + LOWEST) / 4);

/**
 * An always-valid interval for the relative risk: all risks that the share bets, run against each, do not reject. All
 * tests share one grid, so that a block is looked at once per point of it.
 */
export class RiskInterval {
  /** Logarithms of capitals, `STEPS.length` per risk: against "at most this risk", and against "at least". */
  readonly #above = new Float64Array(RISKS * STEPS.length);
  readonly #below = new Float64Array(RISKS * STEPS.length);

  play(strata: Strata): void {
    const candidateBad = total(strata.candidateBad);
    const bad = candidateBad + total(strata.baselineBad);
    if (bad === 0) return;
    const seen = candidateBad / bad;
    const shares = Float64Array.from({ length: RISKS + 2 * REACH }, (_, i) => shareAt(strata, riskAt(i - REACH)));
    for (let risk = 0; risk < RISKS; risk++) {
      const expected = shares[risk + REACH] as number;
      const surprise = seen - expected;
      const variance = expected * (1 - expected);
      STEPS.forEach((step, i) => {
        const at = risk * STEPS.length + i;
        const worse = ((shares[risk + REACH + step] as number) - expected) / variance;
        const better = ((shares[risk + REACH - step] as number) - expected) / variance;
        this.#above[at] = (this.#above[at] as number) + Math.log1p(worse * surprise);
        this.#below[at] = (this.#below[at] as number) + Math.log1p(better * surprise);
      });
    }
  }

  /**
   * Lower and upper bound; null above the grid. They hold at every moment at once with probability 95 %. Each side is
   * followed from its end of the grid to the first risk that is not rejected: to be wrong is then to reject one certain
   * risk, the true one's neighbour on the grid, and not any of several.
   */
  get bounds(): readonly [number, number | null] {
    const bar = Math.log((2 * STEPS.length) / ERROR);
    const isKept = (logs: Float64Array, risk: number) =>
      logSumExp(logs.subarray(risk * STEPS.length, (risk + 1) * STEPS.length)) < bar;
    let first = 0;
    while (first < RISKS && !isKept(this.#above, first)) first++;
    let last = RISKS - 1;
    while (last >= 0 && !isKept(this.#below, last)) last--;
    return [first === 0 ? 0 : riskAt(first - 1), last === RISKS - 1 ? null : riskAt(last + 1)];
  }

  save(): readonly (readonly number[])[] {
    return [[...this.#above], [...this.#below]];
  }

  restore([above, below]: readonly (readonly number[])[]): void {
    this.#above.set(above as readonly number[]);
    this.#below.set(below as readonly number[]);
  }
}
