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
/** The risks under test, and those that gamblers believe in beyond either end. */
const ALL_RISKS = Float64Array.from({ length: RISKS + 2 * REACH }, (_, i) => riskAt(i - REACH));
/** The shares of one block at `ALL_RISKS`; used anew for each. */
const shares = new Float64Array(ALL_RISKS.length);

/** Gamblers on each side. */
const GAMBLERS = RISKS * STEPS.length;
/** Capitals are multiplied, which is quicker than to add logarithms; one that leaves this range is scaled back into it. */
const RANGE = 2 ** 500;
const LOG_RANGE = Math.log(RANGE);

/** What a `RiskInterval` keeps: the bytes of capitals and scales, above and below, as base64; null before any bet. */
export type IntervalState = readonly [above: SavedCapitals, below: SavedCapitals] | null;
type SavedCapitals = readonly [values: string, scales: string];

/**
 * An always-valid interval for the relative risk: all risks that the share bets, run against each, do not reject. All
 * tests share one grid, so that a block is looked at once per point of it.
 */
export class RiskInterval {
  /** Against "at most this risk", and against "at least"; nobody has any before the first bad event. */
  #above: Capitals | undefined;
  #below: Capitals | undefined;

  play(strata: Strata): void {
    const candidateBad = total(strata.candidateBad);
    const bad = candidateBad + total(strata.baselineBad);
    if (bad === 0) return;
    const seen = candidateBad / bad;
    for (let i = 0; i < shares.length; i++) shares[i] = shareAt(strata, ALL_RISKS[i] as number);
    this.#above ??= new Capitals();
    this.#below ??= new Capitals();
    for (let risk = 0; risk < RISKS; risk++) {
      const expected = shares[risk + REACH] as number;
      // The stake of who believes in another share is (its share - expected) / variance.
      const perShare = (seen - expected) / (expected * (1 - expected));
      for (let i = 0; i < STEPS.length; i++) {
        const step = STEPS[i] as number;
        const at = risk * STEPS.length + i;
        this.#above.multiply(at, 1 + ((shares[risk + REACH + step] as number) - expected) * perShare);
        this.#below.multiply(at, 1 + ((shares[risk + REACH - step] as number) - expected) * perShare);
      }
    }
  }

  /**
   * Lower and upper bound; null above the grid. They hold at every moment at once with probability 95 %. Each side is
   * followed from its end of the grid to the first risk that is not rejected: to be wrong is then to reject one certain
   * risk, the true one's neighbour on the grid, and not any of several.
   */
  get bounds(): readonly [number, number | null] {
    const bar = Math.log((2 * STEPS.length) / ERROR);
    const isKept = (side: Capitals | undefined, risk: number) => side === undefined || side.logSum(risk) < bar;
    let first = 0;
    while (first < RISKS && !isKept(this.#above, first)) first++;
    let last = RISKS - 1;
    while (last >= 0 && !isKept(this.#below, last)) last--;
    return [first === 0 ? 0 : riskAt(first - 1), last === RISKS - 1 ? null : riskAt(last + 1)];
  }

  save(): IntervalState {
    return this.#above === undefined || this.#below === undefined ? null : [this.#above.save(), this.#below.save()];
  }

  restore(state: IntervalState): void {
    this.#above = state === null ? undefined : Capitals.restore(state[0]);
    this.#below = state === null ? undefined : Capitals.restore(state[1]);
  }
}

/** Capitals of one side, `STEPS.length` per risk: a value, times `RANGE` to the power of a scale. */
class Capitals {
  readonly #values = new Float64Array(GAMBLERS).fill(1);
  readonly #scales = new Int16Array(GAMBLERS);

  multiply(at: number, factor: number): void {
    const value = (this.#values[at] as number) * factor;
    if (value > RANGE) this.#scale(at, value / RANGE, 1);
    else if (value < 1 / RANGE && value > 0) this.#scale(at, value * RANGE, -1);
    else this.#values[at] = value;
  }

  /** Logarithm of the sum of the capitals at one risk. */
  logSum(risk: number): number {
    const logs = STEPS.map((_, i) => {
      const at = risk * STEPS.length + i;
      return Math.log(this.#values[at] as number) + (this.#scales[at] as number) * LOG_RANGE;
    });
    return logSumExp(Float64Array.from(logs));
  }

  save(): SavedCapitals {
    return [encode(this.#values), encode(this.#scales)];
  }

  static restore([values, scales]: SavedCapitals): Capitals {
    const restored = new Capitals();
    restored.#values.set(new Float64Array(decode(values)));
    restored.#scales.set(new Int16Array(decode(scales)));
    return restored;
  }

  #scale(at: number, value: number, by: number): void {
    this.#values[at] = value;
    this.#scales[at] = (this.#scales[at] as number) + by;
  }
}

function encode({ buffer, byteOffset, byteLength }: Float64Array | Int16Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}

function decode(text: string): ArrayBuffer {
  return Uint8Array.from(Buffer.from(text, 'base64')).buffer;
}
