/** A source is idle when it has been silent for this many of its own delays, but not before `MIN_IDLE_MS`. */
const DELAYS = 1.5;
const MIN_IDLE_MS = 10_000;
/** What is left of the longest delay seen, with each arrival: a source that has become prompt is soon taken for one. */
const FADING = 0.9;

interface Source {
  /** The newest slot it has reported. */
  slot: number;
  lastArrivalMs: number;
  /** The longest time from an event to its arrival, fading. */
  delayMs: number;
}

/**
 * How far a service's event time has come: as far as the slowest of its sources, less the allowed lateness. A source is
 * one kind of telemetry of one instance. One that has fallen silent does not hold back the rest, and when that is, its
 * own delay tells: what reports once a minute brings events of up to a minute ago, and its next report is worth waiting
 * for; what seldom has anything to say, but says it at once, has missed nothing.
 */
export class Watermark {
  readonly #latenessSeconds: number;
  readonly #maxHoldSeconds: number;
  readonly #sources = new Map<string, Source>();
  #slot = Number.NEGATIVE_INFINITY;

  readonly #maxSources: number;

  constructor(latenessMs: number, maxHoldMs: number, maxSources = 10_000) {
    this.#maxSources = maxSources;
    this.#latenessSeconds = latenessMs / 1000;
    this.#maxHoldSeconds = maxHoldMs / 1000;
  }

  /** A source has reported a slot; false where there are too many to wait for this one too. */
  report(key: string, slot: number, nowMs: number): boolean {
    const delayMs = Math.max(0, nowMs - slot * 1000);
    const source = this.#sources.get(key);
    if (source === undefined) {
      if (this.#sources.size >= this.#maxSources) return false;
      this.#sources.set(key, { slot, lastArrivalMs: nowMs, delayMs });
      return true;
    }
    if (nowMs > source.lastArrivalMs) source.delayMs *= FADING;
    source.delayMs = Math.max(source.delayMs, delayMs);
    source.lastArrivalMs = nowMs;
    source.slot = Math.max(source.slot, slot);
    return true;
  }

  /** The slot up to which everything is known, exclusive: slots below it may be judged. Never goes back. */
  advance(nowMs: number): number {
    const nowSlot = Math.floor(nowMs / 1000);
    let reached = nowSlot;
    for (const [key, source] of this.#sources) {
      const silentMs = nowMs - source.lastArrivalMs;
      if (silentMs > FORGET_MS) this.#sources.delete(key);
      else if (silentMs <= Math.max(MIN_IDLE_MS, source.delayMs * DELAYS)) reached = Math.min(reached, source.slot);
    }
    // A source whose clock is behind, or that brings old news for ever, holds back for a while, not for good.
    reached = Math.max(reached, nowSlot - this.#maxHoldSeconds);
    this.#slot = Math.max(this.#slot, Math.floor(reached - this.#latenessSeconds));
    return this.#slot;
  }

  save(): WatermarkState {
    return {
      slot: Number.isFinite(this.#slot) ? this.#slot : null,
      sources: [...this.#sources].map(
        ([key, { slot, lastArrivalMs, delayMs }]) => [key, slot, lastArrivalMs, delayMs] as const,
      ),
    };
  }

  restore({ slot, sources }: WatermarkState): void {
    this.#slot = slot ?? Number.NEGATIVE_INFINITY;
    for (const [key, at, lastArrivalMs, delayMs] of sources)
      this.#sources.set(key, { slot: at, lastArrivalMs, delayMs });
  }
}

/** What a `Watermark` keeps. */
export interface WatermarkState {
  readonly slot: number | null;
  readonly sources: readonly (readonly [string, number, number, number])[];
}

/** A source silent for this long is gone. */
const FORGET_MS = 15 * 60_000;
