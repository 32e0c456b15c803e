/** Time as components see it. Milliseconds since the Unix epoch everywhere. */
export interface Clock {
  /** The present, ms since the epoch. */
  now(): number;
  /** Calls `tick` every `periodMs` until the returned function is called. A tick never overlaps the one before it. */
  every(periodMs: number, tick: () => void | Promise<void>): () => void;
  /** Resolves after `ms`, or at once when `signal` aborts. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's clock. */
export class SystemClock implements Clock {
  now(): number {
    return Date.now();
  }

  every(periodMs: number, tick: () => void | Promise<void>): () => void {
    let running = false;
    const timer = setInterval(() => {
      if (running) return;
      running = true;
      Promise.resolve(tick()).finally(() => {
        running = false;
      });
    }, periodMs);
    return () => clearInterval(timer);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener('abort', done, { once: true });
    });
  }
}

interface Alarm {
  atMs: number;
  readonly order: number;
  readonly periodMs: number | undefined;
  readonly ring: () => void | Promise<void>;
}

/**
 * A clock that stands still until it is told to move: for tests, and for replays on event time. Alarms ring in the
 * order of their time (then of their creation) and are awaited, so a run is a function of its input alone.
 */
export class ManualClock implements Clock {
  #nowMs: number;
  #order = 0;
  readonly #alarms = new Set<Alarm>();

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  every(periodMs: number, tick: () => void | Promise<void>): () => void {
    const alarm = { atMs: this.#nowMs + periodMs, order: this.#order++, periodMs, ring: tick };
    this.#alarms.add(alarm);
    return () => this.#alarms.delete(alarm);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const alarm: Alarm = { atMs: this.#nowMs + ms, order: this.#order++, periodMs: undefined, ring: resolve };
      this.#alarms.add(alarm);
      signal?.addEventListener(
        'abort',
        () => {
          this.#alarms.delete(alarm);
          resolve();
        },
        { once: true },
      );
    });
  }

  /** Moves to the epoch of a recording without ringing anything: periodic alarms are re-timed from there. */
  startAt(ms: number): void {
    const shift = ms - this.#nowMs;
    for (const alarm of this.#alarms) alarm.atMs += shift;
    this.#nowMs = ms;
  }

  /** Moves forward to `ms` (never back), ringing every alarm on the way and awaiting each. */
  async advanceTo(ms: number): Promise<void> {
    for (let alarm = this.#next(ms); alarm !== undefined; alarm = this.#next(ms)) {
      this.#nowMs = Math.max(this.#nowMs, alarm.atMs);
      if (alarm.periodMs === undefined) this.#alarms.delete(alarm);
      else alarm.atMs += alarm.periodMs;
      await alarm.ring();
    }
    this.#nowMs = Math.max(this.#nowMs, ms);
  }

  #next(untilMs: number): Alarm | undefined {
    let first: Alarm | undefined;
    for (const alarm of this.#alarms) {
      if (alarm.atMs > untilMs) continue;
      if (!first || alarm.atMs < first.atMs || (alarm.atMs === first.atMs && alarm.order < first.order)) first = alarm;
    }
    return first;
  }
}
