import type { SummaryDetail } from './redaction-summary.ts';

/** What is to become of an attribute, or of an entry of a map, by its key. */
export const VERDICT = {
  /** Its value is looked into. */
  look: 0,
  /** It stays as it is, whatever it holds. */
  ignore: 1,
  remove: 2,
  /** It keeps its key and loses its value. */
  mask: 3,
  /** It belongs to a summary. */
  summary: 4,
} as const;
export type Verdict = (typeof VERDICT)[keyof typeof VERDICT];

/** What is to be redacted. Texts and keys are ranges of bytes. */
export interface Redaction {
  verdictOn(bytes: Uint8Array, start: number, end: number): Verdict;
  /** Whether a text stays as it is, whatever else is said of it. */
  isAllowed(bytes: Uint8Array, start: number, end: number): boolean;
  /** Whether something in a text may be to redact; cheap. */
  isSuspect(bytes: Uint8Array, start: number, end: number): boolean;
  /** The text without what is to redact; undefined where nothing is. */
  redact(bytes: Uint8Array, start: number, end: number): Uint8Array | undefined;
  /** What stands in place of all of it. */
  mask(bytes: Uint8Array, start: number, end: number): Uint8Array;
  /** Whether attributes that are no text are read as text; in bodies they always are. */
  readonly readsAllTypes: boolean;
  readonly summary: SummaryDetail;
}
