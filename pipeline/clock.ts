/** Time as components see it. Milliseconds since the Unix epoch everywhere. */
export interface Clock {
  /** The present, ms since the epoch. */
  now(): number;
  /**
   * Calls `tick` every `periodMs` until the returned function is called. A tick never overlaps the one before it. A
   * tick that fails is a defect: it is reported, and the next one comes all the same.
   */
  every(periodMs: number, tick: () => void | Promise<void>): () => void;
  /** Resolves after `ms`, or at once when `signal` aborts. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The longest pause that a timer of Node takes, about 25 days: it turns a longer one into 1 ms. */
const TIMER_MS_MAX = 0x7fff_ffff;

/** The machine's clock. */
export class SystemClock implements Clock {
  readonly #onFailure: (thrown: unknown) => void;

  /** `onFailure` is told of a tick that failed. */
  constructor(onFailure: (thrown: unknown) => void = warn) {
    this.#onFailure = onFailure;
  }

  now(): number {
    return Date.now();
  }

  every(periodMs: number, tick: () => void | Promise<void>): () => void {
    let running = false;
    const turn = async () => {
      if (running) return;
      running = true;
      try {
        await tick();
      } catch (thrown) {
        this.#onFailure(thrown);
      } finally {
        running = false;
      }
    };
    const timer = setInterval(() => void turn(), Math.min(periodMs, TIMER_MS_MAX));
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
      const timer = setTimeout(done, Math.min(ms, TIMER_MS_MAX));
      signal?.addEventListener('abort', done, { once: true });
    });
  }
}

/** Resolves when all that was under way has come to its end, or waits for something outside. */
function atRest(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function warn(thrown: unknown): void {
  process.emitWarning(thrown instanceof Error ? thrown : String(thrown));
}

interface Alarm {
  atMs: number;
  readonly order: number;
  readonly periodMs: number | undefined;
  readonly ring: () => void | Promise<void>;
}

/**
 * A clock that stands still until it is told to move: for tests, and for replays on event time. Alarms ring in the
 * order of their time (then of their creation), and what each sets off comes to rest, or to its next pause, before the
 * next one rings: so a run is a function of its input alone.
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

  /** How many alarms are set: whoever has stopped has none left. */
  get alarms(): number {
    return this.#alarms.size;
  }

  every(periodMs: number, tick: () => void | Promise<void>): () => void {
    const alarm = { atMs: this.#nowMs + periodMs, order: this.#order++, periodMs, ring: tick };
    this.#alarms.add(alarm);
    return () => this.#alarms.delete(alarm);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        this.#alarms.delete(alarm);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const alarm: Alarm = { atMs: this.#nowMs + ms, order: this.#order++, periodMs: undefined, ring: done };
      this.#alarms.add(alarm);
      signal?.addEventListener('abort', done, { once: true });
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
    await atRest();
    for (let alarm = this.#next(ms); alarm !== undefined; alarm = this.#next(ms)) {
      this.#nowMs = Math.max(this.#nowMs, alarm.atMs);
      if (alarm.periodMs === undefined) this.#alarms.delete(alarm);
      else alarm.atMs += alarm.periodMs;
      await alarm.ring();
      if (alarm.periodMs === undefined) await atRest();
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
