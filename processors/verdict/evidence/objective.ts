import { logSumExp } from './bets.ts';

/** The candidate's true rate as the gamblers think it is, as parts of the budget. */
const BELIEFS = [0.02, 0.2, 0.5];
/** The largest budget that is told from one of everything. */
const MOST = 0.999;

/**
 * Evidence that the candidate's own rate of bad events is within the objective, for promotions where nothing, or hardly
 * anything, went wrong and a comparison has nothing to go by. The likelihood ratio of a rate below the budget to the
 * budget itself is a supermartingale for every rate at or above the budget, so it may be watched for ever. It counts
 * events one by one: bursts could make it too sure of a version that fails, never of one that does not.
 */
export class ObjectiveBets {
  /** By belief: what one bad event, and one good one, add to the logarithm of the capital. */
  readonly #gains: readonly (readonly [bad: number, good: number])[];
  readonly #logs = new Float64Array(BELIEFS.length).fill(-Math.log(BELIEFS.length));

  /** `budget`: the rate of bad events that the objective allows. */
  constructor(budget: number) {
    // Where everything may go wrong the ratio has no bound: a number all the same, since it is kept as JSON.
    const most = Math.min(budget, MOST);
    this.#gains = BELIEFS.map((part) => [Math.log(part), Math.log((1 - part * most) / (1 - most))] as const);
  }

  play(bad: number, all: number): void {
    this.#gains.forEach(([gainBad, gainGood], i) => {
      this.#logs[i] = (this.#logs[i] as number) + bad * gainBad + (all - bad) * gainGood;
    });
  }

  get logE(): number {
    return logSumExp(this.#logs);
  }

  save(): readonly number[] {
    return [...this.#logs];
  }

  restore(logs: readonly number[]): void {
    this.#logs.set(logs);
  }
}
