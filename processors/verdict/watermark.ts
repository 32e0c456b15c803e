/** A source is idle after this many of its own usual pauses, but not before `MIN_IDLE_MS`. */
const PAUSES = 1.5;
const MIN_IDLE_MS = 10_000;
/** What is left of the longest pause seen, with each arrival: the usual pause follows a source that speeds up. */
const FADING = 0.9;

interface Source {
  /** The newest slot it has reported. */
  slot: number;
  lastArrivalMs: number;
  /** The longest pause between arrivals, fading. */
  pauseMs: number;
}

/**
 * How far a service's event time has come: as far as the slowest of its sources, less the allowed lateness. A source is
 * one kind of telemetry of one instance. One that has fallen silent does not hold back the rest, which is told by its
 * own rhythm: once a minute is regular for one, and an outage for another.
 */
export class Watermark {
  readonly #latenessSeconds: number;
  readonly #maxHoldMs: number;
  readonly #sources = new Map<string, Source>();
  #slot = Number.NEGATIVE_INFINITY;

  constructor(latenessMs: number, maxHoldMs: number) {
    this.#latenessSeconds = latenessMs / 1000;
    this.#maxHoldMs = maxHoldMs;
  }

  /** A source has reported a slot. */
  report(key: string, slot: number, nowMs: number): void {
    const source = this.#sources.get(key);
    if (source === undefined) {
      this.#sources.set(key, { slot, lastArrivalMs: nowMs, pauseMs: 0 });
      return;
    }
    const pauseMs = nowMs - source.lastArrivalMs;
    if (pauseMs > 0) source.pauseMs = Math.max(source.pauseMs * FADING, pauseMs);
    source.lastArrivalMs = nowMs;
    if (slot > source.slot) source.slot = slot;
  }

  /** The slot up to which everything is known, exclusive: slots below it may be judged. Never goes back. */
  advance(nowMs: number): number {
    const nowSlot = Math.floor(nowMs / 1000);
    let reached = nowSlot;
    for (const [key, source] of this.#sources) {
      const silentMs = nowMs - source.lastArrivalMs;
      if (silentMs > FORGET_MS) this.#sources.delete(key);
      else if (silentMs <= Math.max(MIN_IDLE_MS, Math.min(source.pauseMs * PAUSES, this.#maxHoldMs))) {
        reached = Math.min(reached, source.slot);
      }
    }
    this.#slot = Math.max(this.#slot, Math.floor(reached - this.#latenessSeconds));
    return this.#slot;
  }
}

/** A source silent for this long is gone. */
const FORGET_MS = 15 * 60_000;
