import type { TelemetryBatch } from '../../pipeline/batch.ts';
import { nameOf, serviceKeyOf, type Tag, UNKNOWN_VERSION } from '../../pipeline/tag.ts';
import type { SpanColumns } from '../../proto/otlp/columns.ts';
import { traceIdOf } from '../../proto/otlp/ids.ts';
import { text } from '../../proto/otlp/resource.ts';
import { binOf } from '../../proto/windback/latency-bins.ts';
import { field, Reader, WireError } from '../../proto/wire/reader.ts';
import { type Accumulator, SPAN } from './accumulator.ts';
import { celAttributes, type CelValue, only } from './cel/attributes.ts';
import { isAbsurdDuration, NO_SLOT, slotOf } from './event-time.ts';
import { isBad } from './fold-spans.ts';
import type { FoldPolicy, Tally } from './policy.ts';

const SERVER = 2;
const CONSUMER = 5;
/* Span: 1 trace_id   9 attributes   11 events      Event: 2 name   3 attributes */
const TRACE_ID = 1;
const SPAN_ATTRIBUTES = 9;
const EVENT = field(11);
const EVENT_NAME = field(2);
const EVENT_ATTRIBUTES = 3;

const FLAG = 'feature_flag.key';
/** The name of the semantic conventions, and the one before 1.32. */
const VARIANTS = ['feature_flag.result.variant', 'feature_flag.variant'];
const WANTED = only(new Set([FLAG, ...VARIANTS]));
const EVENT_NAMES = new Set(['feature_flag', 'feature_flag.evaluation']);
/** Variants told apart per resource, over all flags. */
const VARIANTS_MAX = 50;

/**
 * Folds requests that evaluated a feature flag a second time: as those of the service `SERVICE#FLAG`, whose versions are
 * the flag's variants. Variants are then judged against one another as versions are.
 */
export class FlagFolder {
  readonly #flags: ReadonlySet<string>;
  /** By flag and variant, so that a resource's tag stays the same from batch to batch. */
  readonly #tags = new WeakMap<Tag, Map<string, Tag>>();

  constructor(flags: readonly string[]) {
    this.#flags = new Set(flags);
  }

  fold(batch: TelemetryBatch, into: Accumulator, policy: FoldPolicy, tally: Tally): void {
    if (this.#flags.size === 0 || batch.columns.signal !== 'traces') return;
    const { count, kind, endSeconds, durationNs } = batch.columns;
    for (let i = 0; i < count; i++) {
      if (kind[i] !== SERVER && kind[i] !== CONSUMER) continue;
      const slot = slotOf(endSeconds[i] as number, policy.nowSeconds, policy.maxSkewSeconds);
      if (slot === NO_SLOT || isAbsurdDuration(durationNs[i] as number)) continue;
      try {
        this.#foldSpan(batch, batch.columns, i, slot, into, policy, tally);
      } catch (thrown) {
        if (!(thrown instanceof WireError)) throw thrown;
        tally.malformed++;
      }
    }
  }

  #foldSpan(
    batch: TelemetryBatch,
    columns: SpanColumns,
    i: number,
    slot: number,
    into: Accumulator,
    policy: FoldPolicy,
    tally: Tally,
  ): void {
    const start = columns.offset[i] as number;
    const length = columns.length[i] as number;
    const evaluated = variantsOf(batch.bytes, start, length, this.#flags);
    for (const [flag, variant] of evaluated) {
      const tag = this.#tagOf(batch.tags?.[columns.resource[i] as number] as Tag, flag, variant);
      const resource = tag === undefined ? undefined : into.resource(tag);
      const operation = resource?.operations.ofSpan(batch.bytes, columns, i);
      const series = operation === undefined ? undefined : resource?.series(slot, operation, SPAN);
      if (series === undefined) {
        tally.overLimit++;
        continue;
      }
      series.all++;
      series.addToBin(binOf(columns.durationNs[i] as number), 1);
      if (!isBad(columns, i, policy)) continue;
      series.bad++;
      const traceId = traceIdOf(batch.bytes, start, length, TRACE_ID);
      if (traceId !== '') series.addExemplar(traceId);
    }
  }

  /** The tag of those requests of a resource that had this variant; undefined where there are too many. */
  #tagOf(tag: Tag, flag: string, variant: string): Tag | undefined {
    let known = this.#tags.get(tag);
    if (known === undefined) {
      known = new Map();
      this.#tags.set(tag, known);
    }
    const key = `${flag}\n${variant}`;
    let flagged = known.get(key);
    if (flagged === undefined && known.size < VARIANTS_MAX) {
      const service = `${tag.service}#${flag}`;
      const serviceKey = serviceKeyOf(tag.namespace, service, tag.environment);
      flagged = { ...tag, service, serviceKey, version: variant, source: FLAG };
      known.set(key, flagged);
    }
    return flagged;
  }
}

/** The variant of each of `flags` that a span names, in its attributes or in events; the first one counts. */
function variantsOf(bytes: Uint8Array, start: number, length: number, flags: ReadonlySet<string>): Map<string, string> {
  const variants = new Map<string, string>();
  const note = (attributes: ReadonlyMap<string, CelValue>): void => {
    const flag = textOf(attributes.get(FLAG));
    const variant = VARIANTS.map((key) => textOf(attributes.get(key))).find((value) => value !== '') ?? '';
    const isNamed = variant !== '' && variant !== UNKNOWN_VERSION;
    if (isNamed && flags.has(flag) && !variants.has(flag)) variants.set(flag, variant);
  };
  note(celAttributes(bytes, start, length, SPAN_ATTRIBUTES, WANTED));
  const reader = new Reader(bytes, start, start + length);
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag !== EVENT) {
      reader.skip(tag & 7);
      continue;
    }
    const size = reader.length();
    if (EVENT_NAMES.has(eventName(bytes, reader.pos, size))) {
      note(celAttributes(bytes, reader.pos, size, EVENT_ATTRIBUTES, WANTED));
    }
    reader.pos += size;
  }
  return variants;
}

function eventName(bytes: Uint8Array, offset: number, length: number): string {
  const reader = new Reader(bytes, offset, offset + length);
  let name = '';
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag !== EVENT_NAME) {
      reader.skip(tag & 7);
      continue;
    }
    const size = reader.length();
    name = text(bytes, reader.pos, size);
    reader.pos += size;
  }
  return name;
}

/** Variants are text by the conventions; providers also write true and 1. */
function textOf(value: CelValue | undefined): string {
  return value === undefined || typeof value === 'object' ? '' : nameOf(String(value));
}
