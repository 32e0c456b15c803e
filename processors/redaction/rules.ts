import { createHash, createHmac } from 'node:crypto';
import { Pattern, PatternSet } from '../../pipeline/pattern/pattern.ts';
import type { Redaction, Verdict } from '../../proto/otlp/redaction.ts';
import type { SummaryDetail } from '../../proto/otlp/redaction-summary.ts';
import type { RedactionConfig } from './config.ts';
import { KeyVerdicts } from './key-verdicts.ts';

type Mask = (text: Uint8Array) => Uint8Array;

const STARS = Buffer.from('****');

/** What a configuration says of keys and values. */
export class Rules implements Redaction {
  readonly readsAllTypes: boolean;
  readonly summary: SummaryDetail;
  readonly #keys: KeyVerdicts;
  /** All of the blocked values as one, for the many texts in which none is found. */
  readonly #suspicions: PatternSet;
  readonly #blocked: readonly Pattern[];
  readonly #allowed: PatternSet;
  readonly #mask: Mask;

  constructor(config: RedactionConfig) {
    this.readsAllTypes = config.redact_all_types;
    this.summary = config.summary;
    this.#keys = new KeyVerdicts(config);
    this.#suspicions = new PatternSet(config.blocked_values);
    this.#blocked = config.blocked_values.map((source) => new Pattern(source));
    this.#allowed = new PatternSet(config.allowed_values);
    this.#mask = maskOf(config);
  }

  verdictOn(bytes: Uint8Array, start: number, end: number): Verdict {
    return this.#keys.of(bytes, start, end);
  }

  isAllowed(bytes: Uint8Array, start: number, end: number): boolean {
    return this.#allowed.isFoundIn(bytes, start, end);
  }

  isSuspect(bytes: Uint8Array, start: number, end: number): boolean {
    return this.#suspicions.isFoundIn(bytes, start, end);
  }

  /** One pattern after the other, each on what the one before has left, as the Collector does. */
  redact(bytes: Uint8Array, start: number, end: number): Uint8Array | undefined {
    if (!this.isSuspect(bytes, start, end)) return undefined;
    const original = bytes.subarray(start, end);
    let text: Uint8Array = original;
    for (const pattern of this.#blocked) text = pattern.replace(text, 0, text.length, this.#mask) ?? text;
    return Buffer.compare(text, original) === 0 ? undefined : text;
  }

  mask(bytes: Uint8Array, start: number, end: number): Uint8Array {
    return this.#mask(bytes.subarray(start, end));
  }
}

function maskOf({ hash_function: name, hmac_key: key = '' }: RedactionConfig): Mask {
  switch (name) {
    case undefined:
      return () => STARS;
    case 'hmac-sha256':
    case 'hmac-sha512': {
      const algorithm = name.slice('hmac-'.length);
      return (text) => Buffer.from(createHmac(algorithm, key).update(text).digest('hex'));
    }
    default: {
      const algorithm = name === 'sha3' ? 'sha3-256' : name;
      return (text) => Buffer.from(createHash(algorithm).update(text).digest('hex'));
    }
  }
}
