import { logMeanExp } from './bets.ts';

/** Stakes, as shares of the largest one that cannot ruin. */
const STAKES = [0.25, 0.5, 0.9];

/**
 * Evidence that the candidate does not get the requests it should. A bet is made whenever its fair part has grown to
 * one request or more: x = min(1, its requests / its fair part), against E[x] >= share. An e-process as in `bets.ts`.
 */
export class SilenceBets {
  readonly #share: number;
  readonly #logCapitals = new Float64Array(STAKES.length);
  #fair = 0;
  #got = 0;
  blocks = 0;
  /** Requests expected and missing so far, as the indicator's pair. */
  expected = 0;
  missing = 0;

  constructor(share: number) {
    this.#share = share;
  }

  /** Plays one block: `weight` is the candidate's fair part of the `total` requests, of which it got `candidate`. */
  play(weight: number, candidate: number, total: number): void {
    this.#fair += weight * total;
    this.#got += candidate;
    if (this.#fair < 1) return;
    const got = Math.min(1, this.#got / this.#fair);
    this.expected += this.#fair;
    this.missing += this.#fair * (1 - got);
    this.#fair = 0;
    this.#got = 0;
    this.blocks++;
    const largest = 1 / (1 - this.#share);
    STAKES.forEach((stake, i) => {
      const factor = 1 + stake * largest * (this.#share - got);
      this.#logCapitals[i] = (this.#logCapitals[i] as number) + Math.log(factor);
    });
  }

  get logE(): number {
    return logMeanExp(this.#logCapitals);
  }
}
