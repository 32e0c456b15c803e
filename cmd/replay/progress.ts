/** One line on stderr that says how far a replay has come; redrawn in place on a terminal, else left out. */
export class Progress {
  readonly #stream: NodeJS.WriteStream;
  readonly #startedMs = performance.now();
  #shownMs = 0;
  #firstMs: number | undefined;
  #lastMs = 0;
  items = 0;
  requests = 0;
  problems = 0;
  decisions = 0;
  /** Whether a capture broke off, or a decision could not be written: what was printed is not all. */
  isCutShort = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  /** A request of event time `atMs` has been replayed. */
  step(atMs: number, items: number): void {
    this.#firstMs ??= atMs;
    this.#lastMs = Math.max(this.#lastMs, atMs);
    this.items += items;
    this.requests++;
    const now = performance.now();
    if (!this.#stream.isTTY || now - this.#shownMs < 200) return;
    this.#shownMs = now;
    this.#stream.write(`\r\x1b[K${this.#summary()}`);
  }

  /** Clears the line, so that a message can be written. */
  clear(): void {
    if (this.#stream.isTTY && this.#shownMs > 0) this.#stream.write('\r\x1b[K');
  }

  finish(): void {
    this.clear();
    this.#stream.write(`${this.#summary()}\n`);
  }

  #summary(): string {
    const recorded = this.#firstMs === undefined ? 0 : (this.#lastMs - this.#firstMs) / 1000;
    const took = (performance.now() - this.#startedMs) / 1000;
    const faster = took > 0 ? Math.round(recorded / took) : 0;
    const problems = this.problems === 0 ? '' : `, ${count(this.problems, 'broken line')} left out`;
    return `replayed ${this.requests} requests (${this.items} items), ${minutes(recorded)} of event time in ${took.toFixed(1)} s (${faster} times as fast as life), ${count(this.decisions, 'decision')}${problems}`;
  }
}

function minutes(seconds: number): string {
  return seconds >= 120 ? `${(seconds / 60).toFixed(1)} min` : `${seconds.toFixed(0)} s`;
}

function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`;
}
