import { LRUCache } from 'lru-cache';
import type { TelemetryBatch } from '../../pipeline/batch.ts';
import type { LogColumns, SpanColumns } from '../../proto/otlp/columns.ts';
import { type Body, bodyRange, readBody } from '../../proto/otlp/body.ts';
import { type Exception, exceptionIn, exceptionsOf } from '../../proto/otlp/exception.ts';
import { traceIdOf } from '../../proto/otlp/ids.ts';
import { readAttributes } from '../../proto/otlp/resource.ts';
import { NO_OPERATION, type ResourceSeries } from './accumulator.ts';
import { NO_SLOT, slotOf } from './event-time.ts';
import { LOOKED_AT, mask, TEMPLATE_LENGTH } from './mask.ts';
import type { NameTable } from './names.ts';
import { OTHER } from './operations.ts';
import type { FoldPolicy, Tally } from './policy.ts';
import { orMalformed } from './malformed.ts';
import { topFrame } from './top-frame.ts';

/** Field numbers: Span.trace_id, LogRecord.trace_id, LogRecord.attributes. */
const SPAN_TRACE_ID = 1;
const LOG_TRACE_ID = 9;
const LOG_ATTRIBUTES = 6;
/** A span with more exceptions than this repeats itself. */
const EXCEPTIONS_MAX = 8;
/** Names that are the index of nothing but `other`. */
const OTHER_NAME = 0;
/** What a record is called that has no text at all. */
const NO_TEXT = '(no text)';

/** Templates kept by the bytes they were made of, and the longest body that is kept. */
const CACHED_TEMPLATES = 2048;
const CACHED_BODY_BYTES = 4096;

/**
 * Characters that are looked through from flush to flush, for one service key and for all: some two seconds' work at most,
 * where senders make it as hard as they can. An outage can bring more; nothing else would be done meanwhile.
 */
const LOOKED_THROUGH_MAX = 500_000;
const LOOKED_THROUGH_OF_ALL_MAX = 1_000_000;
/** What a stack trace counts as: the worst take twice as long as the worst messages of so many characters, most a tenth. */
const STACK_CHARACTERS = 300;

/** Folds what failing spans and error records say into signatures: each a cause, told apart by its text alone. */
export class SignatureFolder {
  readonly #minSeverity: number;
  readonly #maxPerFlush: number;
  readonly #templates = new LRUCache<string, string>({ max: CACHED_TEMPLATES });
  /** New strings since the last flush, by service key. */
  #added = new Map<NameTable, number>();
  /** Characters looked through since then, by service key, and of all. */
  #looked = new Map<NameTable, number>();
  #lookedOfAll = 0;

  /** `maxPerFlush`: new strings per service key and flush; what exceeds it becomes `other`. */
  constructor(minSeverity: number, maxPerFlush: number) {
    this.#minSeverity = minSeverity;
    this.#maxPerFlush = maxPerFlush;
  }

  /** To be called at every flush. */
  flushed(): void {
    this.#added = new Map();
    this.#looked = new Map();
    this.#lookedOfAll = 0;
  }

  /** The exceptions of span i, of whichever kind, which has an error status. */
  foldSpan(
    batch: TelemetryBatch,
    columns: SpanColumns,
    i: number,
    resource: ResourceSeries,
    { nowSeconds, maxSkewSeconds }: FoldPolicy,
    tally: Tally,
  ): void {
    const slot = slotOf(columns.endSeconds[i] as number, nowSeconds, maxSkewSeconds);
    if (slot === NO_SLOT) return;
    const offset = columns.offset[i] as number;
    const length = columns.length[i] as number;
    const exceptions = orMalformed(() => exceptionsOf(batch.bytes, offset, length, EXCEPTIONS_MAX), tally);
    if (exceptions === undefined || exceptions.length === 0) return;
    const traceId = traceIdOf(batch.bytes, offset, length, SPAN_TRACE_ID);
    for (const exception of exceptions) {
      const signature = this.#ofException(exception, resource.names);
      this.#add(signature, slot, resource, traceId, tally);
    }
  }

  /** Record i, where it is severe enough. */
  foldRecord(
    batch: TelemetryBatch,
    columns: LogColumns,
    i: number,
    slot: number,
    resource: ResourceSeries,
    tally: Tally,
  ): void {
    if ((columns.severity[i] as number) < this.#minSeverity) return;
    const { bytes } = batch;
    const offset = columns.offset[i] as number;
    const length = columns.length[i] as number;
    const signature = orMalformed(() => this.#signatureOfRecord(bytes, offset, length, resource.names), tally);
    if (signature === undefined) return;
    this.#add(signature, slot, resource, traceIdOf(bytes, offset, length, LOG_TRACE_ID), tally);
  }

  #signatureOfRecord(bytes: Uint8Array, offset: number, length: number, names: NameTable): string {
    const exception = exceptionIn(readAttributes(bytes, offset, length, LOG_ATTRIBUTES));
    return exception.type === '' ? this.#template(bytes, offset, length, names) : this.#ofException(exception, names);
  }

  #ofException(exception: Exception, names: NameTable): string {
    const { message, stacktrace } = exception;
    if (stacktrace !== '' && !this.#mayLook(names, STACK_CHARACTERS)) return OTHER;
    const frame = topFrame(stacktrace);
    if (frame === '' && !this.#mayLook(names, Math.min(message.length, LOOKED_AT))) return OTHER;
    return signatureOf(exception, frame);
  }

  #template(bytes: Uint8Array, offset: number, length: number, names: NameTable): string {
    const range = bodyRange(bytes, offset, length);
    if (range === undefined) return NO_TEXT;
    const [start, size] = range;
    const isKept = size <= CACHED_BODY_BYTES;
    const key = isKept ? Buffer.from(bytes.buffer, bytes.byteOffset + start, size).toString('latin1') : '';
    const known = isKept ? this.#templates.get(key) : undefined;
    if (known !== undefined) return known;
    if (!this.#mayLook(names, Math.min(size, LOOKED_AT))) return OTHER;
    const template = templateOf(readBody(bytes, start, size));
    if (isKept) this.#templates.set(key, template);
    return template;
  }

  /** Whether there is time to look through so many characters; if so, they count as looked through. */
  #mayLook(names: NameTable, characters: number): boolean {
    const looked = (this.#looked.get(names) ?? 0) + characters;
    if (looked > LOOKED_THROUGH_MAX || this.#lookedOfAll + characters > LOOKED_THROUGH_OF_ALL_MAX) return false;
    this.#looked.set(names, looked);
    this.#lookedOfAll += characters;
    return true;
  }

  #add(signature: string, slot: number, resource: ResourceSeries, traceId: string, tally: Tally): void {
    const name = this.#intern(signature, resource.names);
    if (name === OTHER_NAME) tally.signatureLimit++;
    const series = resource.named(slot, NO_OPERATION, 'signature', name);
    if (series === undefined) {
      tally.overLimit++;
      return;
    }
    series.all++;
    series.bad++;
    if (traceId !== '') series.addExemplar(traceId);
  }

  #intern(signature: string, names: NameTable): number {
    if (names.has(signature)) return names.intern(signature);
    const added = this.#added.get(names) ?? 0;
    if (added >= this.#maxPerFlush) return OTHER_NAME;
    this.#added.set(names, added + 1);
    return names.intern(signature);
  }
}

/** `TYPE at FRAME`; where the frame is not known, type and template of the message. */
export function signatureOf({ type, message, stacktrace }: Exception, frame = topFrame(stacktrace)): string {
  const said = frame === '' ? mask(message) : `at ${frame}`;
  const name = type.slice(0, TEMPLATE_LENGTH).trim();
  const separator = frame === '' && name !== '' && said !== '' ? ': ' : ' ';
  const signature = `${name}${separator}${said}`.trim().slice(0, TEMPLATE_LENGTH).toWellFormed();
  return signature === '' ? NO_TEXT : signature;
}

/** The template of what a record says. */
export function templateOf(body: Body): string {
  return mask(textOf(body)) || NO_TEXT;
}

function textOf(body: Body): string {
  switch (body.kind) {
    case 'string':
      return ofJson(body.text) ?? body.text;
    case 'map':
      return ofMap(body.entries);
    default:
      return '';
  }
}

/** Keys whose text is the message, in this order. */
const MESSAGE_KEYS = ['message', 'msg', 'event', 'error'];

function ofMap(entries: ReadonlyMap<string, string | undefined>): string {
  for (const key of MESSAGE_KEYS) {
    const text = entries.get(key);
    if (text !== undefined && text !== '') return text;
  }
  return `{${[...entries.keys()].sort().join(' ')}}`;
}

/** Longer ones are not parsed. */
const JSON_LENGTH_MAX = 16_384;

/** Many loggers print JSON, which arrives as text. Undefined where the text is no object. */
function ofJson(text: string): string | undefined {
  if (!text.startsWith('{') || text.length > JSON_LENGTH_MAX) return undefined;
  try {
    const parsed = Object.entries(JSON.parse(text) as Record<string, unknown>);
    return ofMap(new Map(parsed.map(([key, value]) => [key, typeof value === 'string' ? value : undefined])));
  } catch {
    return undefined;
  }
}
