/** What folding needs to know beside the batch. */
export interface FoldPolicy {
  /** Arrival, seconds since the epoch with fraction. */
  readonly nowSeconds: number;
  readonly maxSkewSeconds: number;
  readonly countHttp4xx: boolean;
}

/** What became of the items of one batch: folded, or not and why. `skewed` ones are folded as well. */
export interface Tally {
  folded: number;
  skewed: number;
  notARequest: number;
  unknownVersion: number;
  absurdTime: number;
  absurdDuration: number;
  malformed: number;
  overLimit: number;
}

export function emptyTally(): Tally {
  return {
    folded: 0,
    skewed: 0,
    notARequest: 0,
    unknownVersion: 0,
    absurdTime: 0,
    absurdDuration: 0,
    malformed: 0,
    overLimit: 0,
  };
}

/** The label `reason` of each count. */
export const REASONS: Readonly<Record<keyof Omit<Tally, 'folded'>, string>> = {
  skewed: 'clock_skew',
  notARequest: 'not_a_request',
  unknownVersion: 'unknown_version',
  absurdTime: 'absurd_time',
  absurdDuration: 'absurd_duration',
  malformed: 'malformed',
  overLimit: 'over_limit',
};
