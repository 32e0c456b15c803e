import type { Batch } from './batch.ts';
import type { Clock } from './clock.ts';
import { PipelineError } from './errors.ts';
import type { Account } from './ledger/account.ts';

/** Somebody who waits for a place. */
export interface Caller {
  readonly batch: Batch;
  readonly account: Account;
  readonly answer: (outcome: Promise<void> | PipelineError) => void;
}

/** Callers that wait for a place, first come first served. */
export class Callers {
  readonly #waiting: Caller[] = [];
  readonly #onLate: () => void;

  /** `onLate` is called when one has waited in vain: those after it may want less. */
  constructor(onLate: () => void) {
    this.#onLate = onLate;
  }

  get first(): Caller | undefined {
    return this.#waiting[0];
  }

  shift(): void {
    this.#waiting.shift();
  }

  /** All of them, who wait here no more. */
  takeAll(): Caller[] {
    return this.#waiting.splice(0);
  }

  /** Waits for an answer, at most `ms`; then rejects with what `late` gives, and waits no more. */
  wait(batch: Batch, account: Account, clock: Clock, ms: number, late: () => PipelineError): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timeout = new AbortController();
    const answer = (outcome: Promise<void> | PipelineError): void => {
      timeout.abort();
      if (outcome instanceof PipelineError) reject(outcome);
      else resolve(outcome);
    };
    const caller = { batch, account, answer };
    this.#waiting.push(caller);
    void clock.sleep(ms, timeout.signal).then(() => {
      const waiting = this.#waiting.indexOf(caller);
      if (waiting < 0) return;
      this.#waiting.splice(waiting, 1);
      answer(account.refuse(batch.items, late()));
      this.#onLate();
    });
    return promise;
  }
}
