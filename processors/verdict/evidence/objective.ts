import { logSumExp } from './bets.ts';

/** The candidate's true rate as the gamblers think it is, as parts of the budget. */
const BELIEFS = [0.02, 0.2, 0.5];
/** The largest budget that is told from one of everything. */
const MOST = 0.999;

/** What `ObjectiveBets` keeps. */
export interface ObjectiveState {
  readonly logs: readonly number[];
  readonly sums: readonly [bad: number, squares: number, blocks: number];
}

/**
 * Evidence that the candidate's own rate of bad events is within the objective, for promotions where nothing, or hardly
 * anything, went wrong and a comparison has nothing to go by. The likelihood ratio of a rate below the budget to the
 * budget itself is a supermartingale for every rate at or above the budget, so it may be watched for ever. It counts
 * events one by one, and is tempered where they come in bursts.
 */
export class ObjectiveBets {
  /** By belief: what one bad event, and one good one, add to the logarithm of the capital. */
  readonly #gains: readonly (readonly [bad: number, good: number])[];
  readonly #logs = new Float64Array(BELIEFS.length).fill(-Math.log(BELIEFS.length));

  /** Bad events of all blocks, their squares by block, and blocks with events. */
  #bad = 0;
  #squares = 0;
  #blocks = 0;

  /** `budget`: the rate of bad events that the objective allows. */
  constructor(budget: number) {
    // Where everything may go wrong the ratio has no bound: a number all the same, since it is kept as JSON.
    const most = Math.min(budget, MOST);
    this.#gains = BELIEFS.map((part) => [Math.log(part), Math.log((1 - part * most) / (1 - most))] as const);
  }

  play(bad: number, all: number): void {
    if (all === 0) return;
    this.#bad += bad;
    this.#squares += bad * bad;
    this.#blocks++;
    this.#gains.forEach(([gainBad, gainGood], i) => {
      this.#logs[i] = (this.#logs[i] as number) + bad * gainBad + (all - bad) * gainGood;
    });
  }

  /** Tempered by the size of bursts: twenty failures of one cause are one event, and as much less is known. */
  get logE(): number {
    const bursts = this.#bad === 0 ? 1 : this.#squares / this.#bad - this.#bad / this.#blocks;
    return logSumExp(this.#logs) / Math.max(1, bursts);
  }

  save(): ObjectiveState {
    return { logs: [...this.#logs], sums: [this.#bad, this.#squares, this.#blocks] };
  }

  restore({ logs, sums }: ObjectiveState): void {
    this.#logs.set(logs);
    [this.#bad, this.#squares, this.#blocks] = sums;
  }
}
