/**
 * Evidence by betting. In a block, bad events happened; the hypothesis is that the candidate is at most `risk` times as
 * bad as the baseline. Gamblers bet against it with stakes fixed before the block; the mean of their capitals is a
 * non-negative supermartingale under the hypothesis, so by Ville's inequality it ever exceeds 1/a with probability at
 * most a, however often one looks. Bursts inside a block, incidents that hit both versions and levels that swing all
 * cancel, as long as the bad events of both versions come in bursts of one size: share gamblers take a version whose
 * events come one by one for worse than one whose events, as many, come all at once.
 *
 * Three kinds of gamblers, since each is quick where the others are slow:
 * - share: on the candidate's share of the bad events, given how many there were. Quick for a small canary.
 * - rate: on the difference of the two rates. Quick where the candidate has most of the traffic.
 * - order (latency only): on whose quantile is higher. Quick where many requests are a little slower.
 *
 * Sources: Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting" (JRSS B 2024);
 * Lindon & Malek, "Anytime-valid inference for multinomial count data" (NeurIPS 2022) for conditioning on the total.
 */
import { type Strata, total } from './strata.ts';

/** How much worse than the hypothesis a share gambler thinks the candidate is. */
export const WORSE = [1.4, 2, 3, 6, 15, 60];
/** What each of them gets of what share gamblers get: the bold a little more, since a grave fault is urgent. */
const SHARES = [1, 1, 1.2, 1.5, 1.6, 1.7];
/** Stakes of rate gamblers, as parts of the largest one that cannot ruin. */
const RATE_STAKES = [0.2, 0.5, 0.9];
/** Stakes of order gamblers, likewise. */
const ORDER_STAKES = [0.3, 0.6, 0.9];

/**
 * The part of the first capital that is bet from the start. The rest is kept and put in little by little, so that
 * gamblers who have lost much in a long quiet time are not all there is when a fault begins late.
 */
const FIRST = 0.9;
/** The part of what is kept that is put in with every block that speaks: half of it in the first 40 min of 5 s blocks. */
const PUT_IN = 1 / 720;
/** How the first capital is dealt out over the kinds, with order gamblers and without. */
const DEAL = { share: 0.9, rate: 0.1, order: 0 };
const DEAL_ORDERED = { share: 0.4, rate: 0.2, order: 0.4 };

/** The candidate's expected share of the bad events if it is `risk` times as bad, each stratum by its own counts. */
export function shareAt(strata: Strata, risk: number): number {
  const { candidateAll, candidateBad, baselineAll, baselineBad } = strata;
  let expected = 0;
  let bad = 0;
  for (let i = 0; i < candidateAll.length; i++) {
    const weighted = (candidateAll[i] as number) * risk;
    const both = (candidateBad[i] as number) + (baselineBad[i] as number);
    expected += both * (weighted / (weighted + (baselineAll[i] as number)));
    bad += both;
  }
  return expected / bad;
}

/**
 * How much more than its expected share the candidate has on average, at most, where bad events are not rare: no more
 * can go wrong than there is, which evens out the counts, and the share of few events leans to the side that is worse.
 * With independent events that is at most this times p (1 - p) (risk - 1) / (c + b - 1), and half of what is left to 1:
 * enumerated for all levels, up to 11 times as bad; the tests do it again.
 */
const LEANING = 1.15;

/** The share of the bad events that the hypothesis allows the candidate on average. */
export function allowedShare(strata: Strata, risk: number): number {
  const { candidateAll, candidateBad, baselineAll, baselineBad } = strata;
  let allowed = 0;
  let bad = 0;
  for (let i = 0; i < candidateAll.length; i++) {
    const c = candidateAll[i] as number;
    const b = baselineAll[i] as number;
    const both = (candidateBad[i] as number) + (baselineBad[i] as number);
    const share = (c * risk) / (c * risk + b);
    const leaning = (LEANING * share * (1 - share) * Math.max(0, risk - 1)) / (c + b - 1);
    allowed += both * (share + Math.min((1 - share) / 2, leaning));
    bad += both;
  }
  return allowed / bad;
}

/** What `Bets` keeps. */
export interface BetsState {
  readonly logs: readonly number[];
  readonly kept: number;
  readonly logE: number;
  readonly blocks: number;
}

/** An e-process against "the candidate is at most `risk` times as bad". */
export class Bets {
  readonly #risk: number;
  /** Latency: the part of requests that lies beyond the quantile; undefined without order gamblers. */
  readonly #tail: number | undefined;
  /** Logarithm of each gambler's capital: share, rate, order. */
  readonly #logs: Float64Array;
  /** Blocks that had something to say. */
  blocks = 0;
  #logE = 0;
  /** Logarithms of what each gambler gets of any capital that is dealt out. */
  readonly #deal: readonly number[];
  /** Capital that is not bet yet. */
  #kept = 1 - FIRST;

  constructor(risk: number, tail?: number) {
    this.#risk = risk;
    this.#tail = tail;
    const deal = tail === undefined ? DEAL : DEAL_ORDERED;
    const each = (part: number, among: number) => Array.from({ length: among }, () => Math.log(part / among));
    this.#deal = [
      ...SHARES.map((part) => Math.log((deal.share * part) / total(SHARES))),
      ...each(deal.rate, RATE_STAKES.length),
      ...(tail === undefined ? [] : each(deal.order, ORDER_STAKES.length)),
    ];
    this.#logs = Float64Array.from(this.#deal, (log) => log + Math.log(FIRST));
  }

  /** Plays one block; whether it said anything. */
  play(strata: Strata): boolean {
    if (strata.candidateAll.length === 0) return false;
    const bad = total(strata.candidateBad) + total(strata.baselineBad);
    this.#putIn();
    const hasOrder = this.#tail !== undefined && this.#playOrder(strata, this.#tail);
    if (bad > 0) {
      this.#playShare(strata, bad);
      this.#playRate(strata);
    }
    const hasSpoken = bad > 0 || hasOrder;
    if (!hasSpoken) return false;
    this.blocks++;
    this.#logE = this.#total();
    return true;
  }

  /** Natural logarithm of the e-value. */
  get logE(): number {
    return this.#logE;
  }

  /** Throws away a part of the gains: evidence that is not renewed fades. Losing money on purpose is always allowed. */
  fade(part: number): void {
    const loss = part * this.#logE;
    if (loss <= 0) return;
    for (let i = 0; i < this.#logs.length; i++) this.#logs[i] = (this.#logs[i] as number) - loss;
    this.#kept *= Math.exp(-loss);
    this.#logE -= loss;
  }

  clone(): Bets {
    const copy = new Bets(this.#risk, this.#tail);
    copy.restore(this.save());
    return copy;
  }

  save(): BetsState {
    return { logs: [...this.#logs], kept: this.#kept, logE: this.#logE, blocks: this.blocks };
  }

  restore({ logs, kept, logE, blocks }: BetsState): void {
    this.#logs.set(logs);
    this.#kept = kept;
    this.#logE = logE;
    this.blocks = blocks;
  }

  /** Deals out a part of what was kept, before the block is known. */
  #putIn(): void {
    const amount = Math.log(this.#kept * PUT_IN);
    this.#kept *= 1 - PUT_IN;
    for (let i = 0; i < this.#logs.length; i++) {
      this.#logs[i] = logAdd(this.#logs[i] as number, amount + (this.#deal[i] as number));
    }
  }

  #total(): number {
    return logAdd(logSumExp(this.#logs), Math.log(this.#kept));
  }

  #playShare(strata: Strata, bad: number): void {
    const expected = allowedShare(strata, this.#risk);
    const surprise = total(strata.candidateBad) / bad - expected;
    const variance = expected * (1 - expected);
    for (let i = 0; i < WORSE.length; i++) {
      const believed = shareAt(strata, this.#risk * (WORSE[i] as number));
      const stake = Math.max(0, believed - expected) / variance;
      this.#logs[i] = (this.#logs[i] as number) + Math.log1p(stake * surprise);
    }
  }

  /** E[k/c - risk * l/b] <= 0 stratum by stratum, and so for any mean of them by weights that outcomes do not change. */
  #playRate(strata: Strata): void {
    const { candidateAll, candidateBad, baselineAll, baselineBad } = strata;
    let weights = 0;
    let sum = 0;
    for (let i = 0; i < candidateAll.length; i++) {
      const c = candidateAll[i] as number;
      const b = baselineAll[i] as number;
      const weight = (c * b) / (c + b);
      weights += weight;
      sum += weight * ((candidateBad[i] as number) / c - (this.#risk * (baselineBad[i] as number)) / b);
    }
    const difference = sum / weights;
    RATE_STAKES.forEach((part, i) => {
      const at = WORSE.length + i;
      this.#logs[at] = (this.#logs[at] as number) + Math.log1p((part / this.#risk) * difference);
    });
  }

  /**
   * Under the hypothesis the candidate's quantile exceeds the bound at most every other time. A stratum takes part
   * with enough requests to have such a quantile.
   */
  #playOrder({ candidateAll, baselineAll, candidateOver }: Strata, tail: number): boolean {
    let weights = 0;
    let over = 0;
    for (let i = 0; i < candidateOver.length; i++) {
      const c = candidateAll[i] as number;
      const b = baselineAll[i] as number;
      if (Math.min(c, b) * tail < MIN_TAIL) continue;
      const weight = (c * b) / (c + b);
      weights += weight;
      if ((candidateOver[i] as number) > tail * c + HALF) over += weight;
    }
    if (weights === 0) return false;
    const surprise = over / weights - EVERY_OTHER;
    ORDER_STAKES.forEach((part, i) => {
      const at = WORSE.length + RATE_STAKES.length + i;
      this.#logs[at] = (this.#logs[at] as number) + Math.log1p((part / EVERY_OTHER) * surprise);
    });
    return true;
  }
}

/** Requests beyond the quantile that a block must be expected to hold on either side, for the order to mean something. */
const MIN_TAIL = 4;
const HALF = 0.5;
const EVERY_OTHER = 0.5;

/** log(exp(a) + exp(b)), without overflow. */
function logAdd(a: number, b: number): number {
  const top = Math.max(a, b);
  return top + Math.log1p(Math.exp(Math.min(a, b) - top));
}

/** log of the sum of exp(values), without overflow. */
export function logSumExp(values: Float64Array): number {
  let top = Number.NEGATIVE_INFINITY;
  for (const value of values) top = Math.max(top, value);
  if (top === Number.NEGATIVE_INFINITY) return top;
  let sum = 0;
  for (const value of values) sum += Math.exp(value - top);
  return top + Math.log(sum);
}
