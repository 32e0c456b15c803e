import { logSumExp } from './bets.ts';

/** Stakes, as parts of the largest one that cannot ruin. */
const STAKES = [0.25, 0.5, 0.9];
/** The part of new instances that may die young in a sound version: pods are moved and scaled away. */
const YOUNG_DEATHS = 0.2;

/** What is left of the weight of a block in what is known of clusters, one block later. */
const FADING = 0.99;
/** Clusters that a bet must be expected to hold, where requests come in clusters. */
const CLUSTERS = 2;
/** No bet waits for more than this, however large the clusters seem. */
const MOST_NEEDED = 20;

/** What `SilenceBets` keeps. */
export interface SilenceState {
  readonly logs: readonly number[];
  readonly crashLogs: readonly number[];
  readonly sums: readonly [fair: number, got: number, blocks: number, expected: number, missing: number];
  readonly crashes: readonly [births: number, deaths: number];
  readonly arrivals: readonly [sum: number, squares: number, last: number];
}

/**
 * Evidence that the candidate is not there: it does not get the requests it should, or its instances start over and
 * over. For the first a bet is made whenever its fair part has grown to one request or more, or to some clusters where requests come in clusters: x = min(1, its requests /
 * its fair part), against E[x] >= share. For the second, one for every new instance: that it died young, against at
 * most `YOUNG_DEATHS` of them. E-processes as in `bets.ts`, their mean counts.
 */
export class SilenceBets {
  readonly #share: number;
  readonly #logs = new Float64Array(STAKES.length).fill(-Math.log(STAKES.length));
  readonly #crashLogs = new Float64Array(STAKES.length).fill(-Math.log(STAKES.length));
  #fair = 0;
  #got = 0;
  blocks = 0;
  /** Requests expected and missing so far, as the indicator's pair. */
  expected = 0;
  missing = 0;
  /** Requests of the others by block, fading: sum, sum of squared differences of neighbours; and of the last block. */
  #sum = 0;
  #squares = 0;
  #last = -1;
  /** New instances whose first minutes are over, and those among them that died young. */
  births = 0;
  deaths = 0;

  constructor(share: number) {
    this.#share = share;
  }

  /** Plays one block: `weight` is the candidate's fair part of the `total` requests, of which it got `candidate`. */
  play(weight: number, candidate: number, total: number): void {
    this.#fair += weight * total;
    this.#got += candidate;
    const needed = this.#needed;
    this.#learn(total - candidate);
    if (this.#fair < needed) return;
    const got = Math.min(1, this.#got / this.#fair);
    this.expected += this.#fair;
    this.missing += this.#fair * (1 - got);
    this.#fair = 0;
    this.#got = 0;
    this.blocks++;
    const largest = 1 / (1 - this.#share);
    stake(this.#logs, largest * (this.#share - got));
  }

  /**
   * The fair part that makes a bet. Half the squared difference of neighbouring blocks over their mean is about the size
   * of the clusters that the others' requests come in, 1 where they come singly: a cluster that misses the candidate is
   * no silence. Differences, so that traffic which grows is not taken for clusters.
   */
  get #needed(): number {
    const clusters = this.#sum === 0 ? 1 : this.#squares / 2 / this.#sum;
    return Math.min(MOST_NEEDED, Math.max(1, CLUSTERS * (clusters - 1)));
  }

  #learn(others: number): void {
    const difference = this.#last < 0 ? 0 : others - this.#last;
    this.#sum = this.#sum * FADING + others;
    this.#squares = this.#squares * FADING + difference * difference;
    this.#last = others;
  }

  /** One new instance of the candidate has lived through its first minutes, or has died in them, as `usual` do. */
  playBirth(hasDied: boolean, usual = 0): void {
    this.births++;
    if (hasDied) this.deaths++;
    const allowed = Math.max(YOUNG_DEATHS, usual);
    stake(this.#crashLogs, (Number(hasDied) - allowed) / allowed);
  }

  get logE(): number {
    return logSumExp(Float64Array.of(this.#logMissing, this.#logCrashes)) - Math.LN2;
  }

  /** Whether it is crashes rather than missing requests that tell. */
  get isCrashLoop(): boolean {
    return this.#logCrashes > this.#logMissing;
  }

  get #logMissing(): number {
    return logSumExp(this.#logs);
  }

  get #logCrashes(): number {
    return logSumExp(this.#crashLogs);
  }

  save(): SilenceState {
    return {
      logs: [...this.#logs],
      crashLogs: [...this.#crashLogs],
      sums: [this.#fair, this.#got, this.blocks, this.expected, this.missing],
      crashes: [this.births, this.deaths],
      arrivals: [this.#sum, this.#squares, this.#last],
    };
  }

  restore({ logs, crashLogs, sums, crashes, arrivals }: SilenceState): void {
    [this.#sum, this.#squares, this.#last] = arrivals;
    this.#logs.set(logs);
    this.#crashLogs.set(crashLogs);
    [this.#fair, this.#got, this.blocks, this.expected, this.missing] = sums;
    [this.births, this.deaths] = crashes;
  }
}

/** Plays an outcome that is -1 at worst and at most 0 on average. */
function stake(logs: Float64Array, outcome: number): void {
  STAKES.forEach((part, i) => {
    logs[i] = (logs[i] as number) + Math.log1p(part * outcome);
  });
}
