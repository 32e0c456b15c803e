import { hash } from 'node:crypto';
import type { TelemetryBatch } from '../../pipeline/batch.ts';
import type { SeenRequests } from '../../pipeline/workers/siblings.ts';
import type { LogColumns, SpanColumns } from '../../proto/otlp/columns.ts';

/** Requests that are remembered, and for how long: a client that got no answer tries again within seconds. */
const REMEMBERED = 8192;
const REMEMBERED_SECONDS = 300;
/** Spans of a request that are looked at. */
const SAMPLED_SPANS = 16;

/**
 * The requests of the last minutes, by fingerprint. A client whose request was taken, but whose answer was lost, sends
 * the same bytes again.
 */
export class RecentRequests {
  /** When each came, seconds since the epoch; the oldest first. */
  readonly #arrivals = new Map<string, number>();
  readonly #seen: SeenRequests | undefined;

  /** `seen`: what all threads have seen, where there are several. A retry may come to any of them. */
  constructor(seen?: SeenRequests) {
    this.#seen = seen;
  }

  /** Whether the same request came before, within the time; it is remembered from now on. */
  isRepeated(batch: TelemetryBatch, nowSeconds: number): boolean {
    const fingerprint = fingerprintOf(batch);
    if (fingerprint === undefined) return false;
    const oldest = nowSeconds - REMEMBERED_SECONDS;
    if (this.#seen !== undefined) return this.#seen.isRepeated(fingerprint, nowSeconds, oldest);
    const arrival = this.#arrivals.get(fingerprint) ?? Number.NEGATIVE_INFINITY;
    this.#arrivals.delete(fingerprint);
    this.#forget(oldest);
    this.#arrivals.set(fingerprint, nowSeconds);
    return arrival >= oldest;
  }

  #forget(before: number): void {
    for (const [fingerprint, arrival] of this.#arrivals) {
      if (arrival >= before && this.#arrivals.size < REMEMBERED) return;
      this.#arrivals.delete(fingerprint);
    }
  }
}

/** What tells a request from every other one; undefined where nothing in it would. */
function fingerprintOf({ signal, bytes, columns }: TelemetryBatch): string | undefined {
  if (columns.count === 0) return undefined;
  if (columns.signal === 'traces') return fingerprintOfSpans(bytes, columns);
  if (columns.signal === 'logs' && !hasFineTimes(columns)) return undefined;
  return `${signal} ${hash('sha256', bytes, 'base64')}`;
}

/** Span ids are unique, so a sample of them, with where they lie and when they ended, stands for the whole request. */
function fingerprintOfSpans(bytes: Uint8Array, columns: SpanColumns): string | undefined {
  const { count, spanLow, spanHigh, offset, length, endSeconds } = columns;
  const samples = Math.min(count, SAMPLED_SPANS);
  let first = 0x811c9dc5;
  let second = 0x2545f491;
  for (let sample = 0; sample < samples; sample++) {
    const i = samples === 1 ? 0 : Math.floor((sample * (count - 1)) / (samples - 1));
    const low = spanLow[i] as number;
    const high = spanHigh[i] as number;
    if (low === 0 && high === 0) return undefined;
    TIME[0] = endSeconds[i] as number;
    first = mix(mix(mix(first, low), offset[i] as number), TIME_WORDS[0] as number);
    second = mix(mix(mix(second, high), length[i] as number), TIME_WORDS[1] as number);
  }
  return `${bytes.length} ${count} ${first} ${second}`;
}

/**
 * Log records have no id. Where they are timed to the second, a second of equal errors from equal senders may well make
 * two equal requests; with finer times it does not.
 */
function hasFineTimes({ count, timeSeconds }: LogColumns): boolean {
  for (let i = 0; i < count; i++) if (!Number.isInteger(timeSeconds[i])) return true;
  return false;
}

function mix(state: number, word: number): number {
  const mixed = Math.imul(state ^ word, 0x85ebca6b);
  return Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
}

const TIME = new Float64Array(1);
const TIME_WORDS = new Int32Array(TIME.buffer);
