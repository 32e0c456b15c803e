import { PatternSet } from '../../pipeline/pattern/pattern.ts';
import { SUMMARY_KEYS } from '../../proto/otlp/redaction-summary.ts';
import { VERDICT, type Verdict } from '../../proto/otlp/redaction.ts';
import { isAt } from '../../proto/wire/ascii.ts';
import type { RedactionConfig } from './config.ts';

/** Keys that are remembered; where two have the same place, the later one has it. */
const PLACES = 4096;
/** Longer keys are judged anew each time: senders choose them, and memory is bounded. */
const REMEMBERED_BYTES_MAX = 128;
const HASHED_BYTES = 8;

interface Known {
  readonly key: Uint8Array;
  readonly verdict: Verdict;
}

/** Judges keys where they lie. */
export class KeyVerdicts {
  readonly #allowed: ReadonlySet<string> | undefined;
  readonly #ignored: ReadonlySet<string>;
  readonly #ignoredPatterns: PatternSet;
  readonly #blockedPatterns: PatternSet;
  readonly #summaryKeys: ReadonlySet<string>;
  readonly #known: (Known | undefined)[] = Array.from({ length: PLACES }, () => undefined);
  /** Whether every key is looked into, and none needs to be judged. */
  readonly #isIdle: boolean;

  constructor(config: RedactionConfig) {
    this.#allowed = config.allow_all_keys ? undefined : new Set(config.allowed_keys);
    this.#ignored = new Set(config.ignored_keys);
    this.#ignoredPatterns = new PatternSet(config.ignored_key_patterns);
    this.#blockedPatterns = new PatternSet(config.blocked_key_patterns);
    // A summary of an earlier redaction is kept, whatever is allowed, and added to where there is one.
    this.#summaryKeys = new Set(SUMMARY_KEYS);
    this.#isIdle =
      config.allow_all_keys &&
      config.summary === 'silent' &&
      this.#ignored.size === 0 &&
      this.#ignoredPatterns.isEmpty &&
      this.#blockedPatterns.isEmpty;
  }

  of(bytes: Uint8Array, start: number, end: number): Verdict {
    if (this.#isIdle) return VERDICT.look;
    const length = end - start;
    if (length > REMEMBERED_BYTES_MAX) return this.#judge(bytes.subarray(start, end));
    const place = placeOf(bytes, start, end);
    const known = this.#known[place];
    if (known !== undefined && known.key.length === length && isAt(bytes, start, known.key)) return known.verdict;
    // A copy: `slice` of a Buffer is none, and what it lies in is used again.
    const key = new Uint8Array(bytes.subarray(start, end));
    const verdict = this.#judge(key);
    this.#known[place] = { key, verdict };
    return verdict;
  }

  /** Ignored before removed, removed before masked; a value that is allowed is saved from a mask, not from removal. */
  #judge(key: Uint8Array): Verdict {
    const text = Buffer.from(key).toString('utf8');
    if (this.#summaryKeys.has(text)) return VERDICT.summary;
    if (this.#ignored.has(text) || this.#ignoredPatterns.isFoundIn(key)) return VERDICT.ignore;
    if (this.#allowed?.has(text) === false) return VERDICT.remove;
    return this.#blockedPatterns.isFoundIn(key) ? VERDICT.mask : VERDICT.look;
  }
}

/** FNV-1a over the length of a key and its end: keys of one sender rarely have both in common. */
function placeOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c_9dc5 ^ (end - start);
  for (let at = Math.max(start, end - HASHED_BYTES); at < end; at++) {
    hash = Math.imul(hash ^ (bytes[at] as number), 0x0100_0193);
  }
  return (hash ^ (hash >>> 15)) & (PLACES - 1);
}
