/** Ends what somebody keeps waiting for too long. */
export class Patience {
  readonly #ms: number;
  readonly #sinceMs: () => number | undefined;
  readonly #onOver: () => void;
  #timer: NodeJS.Timeout | undefined;

  /** `sinceMs`: since when something has been waited for, of `performance.now`; undefined where nothing is. */
  constructor(ms: number, sinceMs: () => number | undefined, onOver: () => void) {
    this.#ms = ms;
    this.#sinceMs = sinceMs;
    this.#onOver = onOver;
  }

  /**
   * To be called whenever something may be waited for from now on; cheap. What comes to its end need not be told: the
   * timer looks when it is due, and that is seldom.
   */
  watch(): void {
    if (this.#timer !== undefined) return;
    const since = this.#sinceMs();
    if (since === undefined) return;
    const left = since + this.#ms - performance.now();
    // The open socket keeps the process alive, as far as anything should.
    this.#timer = setTimeout(this.#look, Math.max(1, left)).unref();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    const since = this.#sinceMs();
    if (since === undefined) return;
    if (performance.now() - since >= this.#ms) this.#onOver();
    else this.watch();
  };
}
