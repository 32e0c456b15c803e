import type { CallJoiner } from './calls.ts';
import type { SignatureFolder } from './signatures.ts';

/** What folding needs to know beside the batch. */
export interface FoldPolicy {
  /** Arrival, seconds since the epoch with fraction. */
  readonly nowSeconds: number;
  readonly maxSkewSeconds: number;
  readonly countHttp4xx: boolean;
  readonly calls: CallJoiner;
  readonly signatures: SignatureFolder;
}

/**
 * What became of the items of one batch: folded, or not and why. `skewed` ones are folded as well, and so are those of
 * `signatureLimit`, `negative` and `counterReset` as far as they make sense.
 */
export interface Tally {
  folded: number;
  skewed: number;
  notARequest: number;
  unknownVersion: number;
  absurdTime: number;
  absurdDuration: number;
  malformed: number;
  overLimit: number;
  duplicate: number;
  signatureLimit: number;
  notANumber: number;
  noRecordedValue: number;
  negative: number;
  absurdCount: number;
  badBounds: number;
  boundsChanged: number;
  firstPoint: number;
  counterReset: number;
  outOfOrder: number;
  noInterval: number;
  temporality: number;
  incomplete: number;
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
    duplicate: 0,
    signatureLimit: 0,
    notANumber: 0,
    noRecordedValue: 0,
    negative: 0,
    absurdCount: 0,
    badBounds: 0,
    boundsChanged: 0,
    firstPoint: 0,
    counterReset: 0,
    outOfOrder: 0,
    noInterval: 0,
    temporality: 0,
    incomplete: 0,
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
  duplicate: 'duplicate',
  signatureLimit: 'signature_limit',
  notANumber: 'not_a_number',
  noRecordedValue: 'no_recorded_value',
  negative: 'negative',
  absurdCount: 'absurd_count',
  badBounds: 'bad_bounds',
  boundsChanged: 'bounds_changed',
  firstPoint: 'first_point',
  counterReset: 'counter_reset',
  outOfOrder: 'out_of_order',
  noInterval: 'no_interval',
  temporality: 'temporality',
  incomplete: 'incomplete',
};
