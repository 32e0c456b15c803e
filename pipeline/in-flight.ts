/** Attempts under way, so that stopping can wait for them, or end them when it may not wait longer. */
export class InFlight {
  readonly #cancels = new Set<() => void>();
  #onEmpty: (() => void) | undefined;

  /** Returns what to call when the attempt is over. */
  add(cancel: () => void): () => void {
    this.#cancels.add(cancel);
    return () => {
      if (this.#cancels.delete(cancel) && this.#cancels.size === 0) this.#onEmpty?.();
    };
  }

  /** Resolves when nothing is under way. What still is when `deadline` aborts is cancelled. */
  async drain(deadline: AbortSignal): Promise<void> {
    if (this.#cancels.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    const cancel = (): void => {
      for (const cancelOne of this.#cancels) cancelOne();
    };
    if (deadline.aborted) cancel();
    deadline.addEventListener('abort', cancel, { once: true });
    await empty;
    deadline.removeEventListener('abort', cancel);
  }
}
