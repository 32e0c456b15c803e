import { Patches } from '../wire/patches.ts';
import { BYTES, field, Reader } from '../wire/reader.ts';
import {
  ARRAY,
  BOOL,
  BYTE_STRING,
  DOUBLE,
  INT,
  MAP,
  type Member,
  memberOf,
  STRING,
  stringMember,
  stringValue,
  textOf,
} from './any-value.ts';
import type { Shape } from './attribute-shapes.ts';
import { Entry, FORM, VALUE, valueRange } from './entry.ts';
import { type Redaction, VERDICT } from './redaction.ts';
import { Summary } from './redaction-summary.ts';

/** Lists and maps in each other; what is deeper is masked without being looked into. */
const DEPTH_MAX = 32;
const NOTHING = new Uint8Array();

/**
 * Rewrites everything in a message that a redaction is about: attributes and bodies, whatever is nested in them, names
 * and messages. One walk over the bytes; where nothing is to be done, nothing is copied. All else, fields that nobody
 * knows included, stays as it is, byte for byte.
 */
export class Redactor {
  readonly #rules: Redaction;
  readonly #reader = new Reader(NOTHING);
  readonly #patches = new Patches();
  #bytes: Uint8Array = NOTHING;
  /** Of the message that holds the attributes which are being walked; undefined where nobody wants any. */
  #summary: Summary | undefined;
  #isBody = false;
  /** The keys that lead to the value that is being walked; only kept for summaries. */
  #path = '';
  readonly #current = new Entry();
  /** What the last message lost. */
  removed = 0;
  masked = 0;

  constructor(rules: Redaction) {
    this.#rules = rules;
  }

  /** The message redacted, in what `allocate` gives; undefined where it needs no change. Throws `WireError`. */
  redact(bytes: Uint8Array, shape: Shape, allocate: (bytes: number) => Uint8Array): Uint8Array | undefined {
    this.#bytes = bytes;
    this.removed = 0;
    this.masked = 0;
    this.#path = '';
    this.#isBody = false;
    this.#summary = undefined;
    this.#patches.clear();
    this.#reader.reset(bytes, 0, bytes.length);
    this.#message(shape, 0, bytes.length);
    const redacted = this.#patches.isEmpty ? undefined : this.#patches.apply(bytes, allocate);
    this.#reader.reset(NOTHING, 0, 0);
    this.#current.clear();
    this.#bytes = NOTHING;
    this.#patches.clear();
    return redacted;
  }

  #message(shape: Shape, start: number, end: number): void {
    const reader = this.#reader;
    const outer = this.#summary;
    const hasSummary = shape.attributes !== 0 && this.#rules.summary !== 'silent';
    if (hasSummary) this.#summary = new Summary(this.#rules.summary);
    reader.pos = start;
    reader.end = end;
    while (reader.pos < end) {
      const at = reader.pos;
      const tag = reader.tag();
      const step = (tag & 7) === BYTES && tag >>> 3 < shape.steps.length ? shape.steps[tag >>> 3] : undefined;
      if (step === undefined) {
        reader.skip(tag & 7);
        continue;
      }
      const lengthAt = reader.pos;
      const length = reader.length();
      const from = reader.pos;
      const to = from + length;
      if (step.kind === 'attribute') this.#entry(at, lengthAt, from, to, 0);
      else if (step.kind === 'text') this.#name(lengthAt, from, to);
      else {
        this.#patches.open(lengthAt, from);
        if (step.kind === 'message') this.#message(step.shape, from, to);
        else this.#body(from, to);
        this.#patches.close(to);
      }
      reader.pos = to;
      reader.end = end;
    }
    if (!hasSummary) return;
    this.#summary?.write(this.#patches, shape.attributes, end);
    this.#summary = outer;
  }

  /** A name or a message: it has no key, and no summary tells of it. */
  #name(lengthAt: number, start: number, end: number): void {
    const rules = this.#rules;
    if (!rules.isSuspect(this.#bytes, start, end) || rules.isAllowed(this.#bytes, start, end)) return;
    const redacted = rules.redact(this.#bytes, start, end);
    if (redacted === undefined) return;
    this.masked++;
    this.#replaceText(lengthAt, start, end, redacted);
  }

  #body(start: number, end: number): void {
    this.#isBody = true;
    this.#value(start, end, 0);
    this.#isBody = false;
  }

  /** A KeyValue in `from` to `to`, whose tag is at `at` and whose length at `lengthAt`. */
  #entry(at: number, lengthAt: number, from: number, to: number, depth: number): void {
    const entry = this.#current;
    entry.find(this.#bytes, from, to);
    const verdict = this.#rules.verdictOn(this.#bytes, entry.keyStart, entry.keyEnd);
    if (verdict === VERDICT.look && this.#isPlain(entry, to)) return;
    const outer = this.#path;
    if (this.#summary !== undefined) this.#path = this.#under(entry.keyText(this.#bytes));
    switch (verdict) {
      case VERDICT.ignore:
        this.#summary?.count('ignored', this.#isBody, this.#path);
        break;
      case VERDICT.remove:
        this.removed++;
        this.#summary?.count('redacted', this.#isBody, this.#path);
        this.#patches.replace(at, to, NOTHING);
        break;
      case VERDICT.mask:
        this.#maskEntry(lengthAt, from, to);
        break;
      case VERDICT.summary:
        if (depth === 0 && !this.#isBody && this.#keepSummary(at, from, to)) break;
        this.#lookInto(lengthAt, from, to, depth);
        break;
      default:
        this.#lookInto(lengthAt, from, to, depth);
    }
    this.#path = outer;
  }

  /** Whether an entry is as most are: a short text in which there is nothing to find, or a number that nobody reads. */
  #isPlain(entry: Entry, to: number): boolean {
    const form = entry.form(this.#bytes);
    if (form === FORM.text) return !this.#isCounting && !this.#rules.isSuspect(this.#bytes, entry.textStart, to);
    return form === FORM.number && !this.#rules.readsAllTypes && !this.#isBody;
  }

  /** Whether a summary wants to know of every text that is allowed. */
  get #isCounting(): boolean {
    return this.#summary !== undefined;
  }

  #lookInto(lengthAt: number, from: number, to: number, depth: number): void {
    const reader = this.#reader;
    this.#patches.open(lengthAt, from);
    reader.pos = from;
    reader.end = to;
    while (reader.pos < to) {
      const tag = reader.tag();
      if (tag === VALUE) this.#enter(to, depth);
      else reader.skip(tag & 7);
    }
    this.#patches.close(to);
  }

  /** Walks the AnyValue whose length the reader is at, in a message that ends at `outerEnd`. */
  #enter(outerEnd: number, depth: number): void {
    const reader = this.#reader;
    const lengthAt = reader.pos;
    const length = reader.length();
    const start = reader.pos;
    const end = start + length;
    this.#patches.open(lengthAt, start);
    this.#value(start, end, depth);
    this.#patches.close(end);
    reader.pos = end;
    reader.end = outerEnd;
  }

  /** An AnyValue. Every member that is there is redacted, though only the last one counts: the others are sent on too. */
  #value(start: number, end: number, depth: number): void {
    const reader = this.#reader;
    reader.pos = start;
    reader.end = end;
    while (reader.pos < end) {
      const at = reader.pos;
      const tag = reader.tag();
      const from = reader.pos;
      reader.skip(tag & 7);
      const to = reader.pos;
      if (tag === ARRAY || tag === MAP) this.#nested(tag, at, from, to, depth);
      else if (tag === STRING) this.#text(from, to);
      else if (tag === BOOL || tag === INT || tag === DOUBLE || tag === BYTE_STRING) this.#scalar(tag, at, from, to);
      reader.pos = to;
      reader.end = end;
    }
  }

  #nested(tag: number, at: number, lengthAt: number, end: number, depth: number): void {
    const reader = this.#reader;
    if (depth >= DEPTH_MAX) {
      this.#masked();
      this.#patches.replace(at, end, stringMember(this.#rules.mask(this.#bytes, at, end)));
      return;
    }
    reader.pos = lengthAt;
    reader.length();
    const start = reader.pos;
    this.#patches.open(lengthAt, start);
    if (tag === ARRAY) this.#items(start, end, depth + 1);
    else this.#entries(start, end, depth + 1);
    this.#patches.close(end);
  }

  /** ArrayValue: 1 repeated AnyValue values */
  #items(start: number, end: number, depth: number): void {
    const reader = this.#reader;
    const outer = this.#path;
    reader.pos = start;
    reader.end = end;
    for (let i = 0; reader.pos < end; ) {
      const tag = reader.tag();
      if (tag !== field(1)) {
        reader.skip(tag & 7);
        continue;
      }
      if (this.#summary !== undefined) this.#path = this.#under(`[${i++}]`);
      this.#enter(end, depth);
      this.#path = outer;
    }
  }

  /** KeyValueList: 1 repeated KeyValue values */
  #entries(start: number, end: number, depth: number): void {
    const reader = this.#reader;
    reader.pos = start;
    reader.end = end;
    while (reader.pos < end) {
      const at = reader.pos;
      const tag = reader.tag();
      if (tag !== field(1)) {
        reader.skip(tag & 7);
        continue;
      }
      const lengthAt = reader.pos;
      const length = reader.length();
      const from = reader.pos;
      this.#entry(at, lengthAt, from, from + length, depth);
      reader.pos = from + length;
      reader.end = end;
    }
  }

  #text(lengthAt: number, end: number): void {
    const reader = this.#reader;
    reader.pos = lengthAt;
    const start = end - reader.length();
    const redacted = this.#redacted(this.#bytes, start, end);
    if (redacted !== undefined) this.#replaceText(lengthAt, start, end, redacted);
  }

  #replaceText(lengthAt: number, start: number, end: number, text: Uint8Array): void {
    this.#patches.open(lengthAt, start);
    this.#patches.replace(start, end, text);
    this.#patches.close(end);
  }

  /** A number, a truth or bytes: what of it is redacted becomes text. */
  #scalar(tag: number, at: number, start: number, end: number): void {
    if (!this.#rules.readsAllTypes && !this.#isBody) return;
    const text = textOf(this.#bytes, { tag, start, end }) as Uint8Array;
    const redacted = this.#redacted(text, 0, text.length);
    if (redacted !== undefined) this.#patches.replace(at, end, stringMember(redacted));
  }

  /** The text redacted, and counted; undefined where it stays. */
  #redacted(bytes: Uint8Array, start: number, end: number): Uint8Array | undefined {
    const rules = this.#rules;
    if (!this.#isCounting && !rules.isSuspect(bytes, start, end)) return undefined;
    if (rules.isAllowed(bytes, start, end)) {
      this.#summary?.count('allowed', this.#isBody, this.#named);
      return undefined;
    }
    const redacted = rules.redact(bytes, start, end);
    if (redacted !== undefined) this.#masked();
    return redacted;
  }

  #masked(): void {
    this.masked++;
    this.#summary?.count('masked', this.#isBody, this.#named);
  }

  /** Replaces the value of an entry whose key tells that it is secret: whatever its type, in all of its occurrences. */
  #maskEntry(lengthAt: number, from: number, to: number): void {
    const [start, end] = valueRange(this.#bytes, from, to);
    const member = memberOf(this.#bytes, start, end);
    const text = member === undefined ? NOTHING : (textOf(this.#bytes, member) ?? this.#bytes.subarray(start, end));
    if (this.#isRescued(member, text)) {
      this.#summary?.count('allowed', this.#isBody, this.#path);
      return;
    }
    let mask = stringValue(2, this.#rules.mask(text, 0, text.length));
    this.#masked();
    const reader = this.#reader;
    this.#patches.open(lengthAt, from);
    reader.pos = from;
    reader.end = to;
    while (reader.pos < to) {
      const at = reader.pos;
      const tag = reader.tag();
      reader.skip(tag & 7);
      if (tag !== VALUE) continue;
      this.#patches.replace(at, reader.pos, mask);
      mask = NOTHING;
    }
    if (mask.length > 0) this.#patches.replace(to, to, mask);
    this.#patches.close(to);
  }

  /** Whether the value of a secret key is one that is allowed. */
  #isRescued(member: Member | undefined, text: Uint8Array): boolean {
    const isRead = member?.tag === STRING || ((this.#rules.readsAllTypes || this.#isBody) && isScalar(member?.tag));
    return isRead && this.#rules.isAllowed(text, 0, text.length);
  }

  /** Leaves an attribute of an earlier summary to ours; false where it has to be looked into as any other. */
  #keepSummary(at: number, from: number, to: number): boolean {
    if (this.#summary === undefined) return false;
    const member = memberOf(this.#bytes, ...valueRange(this.#bytes, from, to));
    const text = member === undefined ? undefined : textOf(this.#bytes, member);
    if (text === undefined || this.#rules.isSuspect(text, 0, text.length)) return false;
    const value = Buffer.from(text).toString('utf8');
    this.#summary.found(this.#path, { value, place: this.#patches.mayRemove(at), end: to });
    return true;
  }

  /** The path of what lies under a key of the value that is being walked. */
  #under(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`;
  }

  /** What a summary calls the value that is being walked. */
  get #named(): string {
    return this.#path === '' && this.#isBody ? 'body' : this.#path;
  }
}

function isScalar(tag: number | undefined): boolean {
  return tag === BOOL || tag === INT || tag === DOUBLE || tag === BYTE_STRING;
}
