import type { DecisionEvent } from '../proto/windback/decision.ts';
import type { DecisionBatch } from './batch.ts';
import { asPipelineError } from './errors.ts';
import type { Storage } from './storage.ts';
import type { Logger } from './telemetry/logger.ts';

/** The form of what is kept. */
const FORM = 1;
const PREFIX = 'outbox/';
const DIGITS = 16;

interface Kept {
  readonly form: number;
  readonly decisions: readonly DecisionEvent[];
}

/** A batch of decisions that was kept and not forgotten. */
export interface LeftDecisions {
  readonly key: string;
  readonly batch: DecisionBatch;
}

/**
 * Decisions that are on their way to one destination, in a storage that outlives the process: each is there before it is
 * sent for the first time, until the destination has it. They come back in the order in which they were taken.
 */
export class DecisionOutbox {
  readonly #storage: Storage;
  readonly #logger: Logger;
  #next = 0;

  constructor(storage: Storage, logger: Logger) {
    this.#storage = storage;
    this.#logger = logger;
  }

  /**
   * What was left by the process before, the oldest first. To be called before the first `keep`. What cannot be read
   * stays where it is, and is told of.
   */
  left(): LeftDecisions[] {
    const keys = this.#storage.keys().filter((key) => key.startsWith(PREFIX));
    this.#next = keys.reduce((next, key) => Math.max(next, Number(key.slice(PREFIX.length)) + 1), this.#next);
    return keys.flatMap((key) => {
      const decisions = this.#read(key);
      return decisions === undefined
        ? []
        : [{ key, batch: { signal: 'decisions', items: decisions.length, decisions } }];
    });
  }

  /** Keeps a batch, and returns its key when it is durable; undefined, and told of, where it cannot be kept. */
  keep({ decisions }: DecisionBatch): string | undefined {
    const key = PREFIX + String(this.#next++).padStart(DIGITS, '0');
    try {
      this.#storage.put(new Map([[key, JSON.stringify({ form: FORM, decisions } satisfies Kept)]]));
      return key;
    } catch (thrown) {
      const { code, message, row } = asPipelineError(thrown);
      const ids = decisions.map(({ id }) => id);
      this.#logger.error(
        { code, decisions: ids, todo: row.todo },
        `decisions are sent without being kept, and lost if the process ends before they are delivered: ${message}`,
      );
      return undefined;
    }
  }

  /** A batch has arrived, or was refused for good. Where that cannot be noted it is sent again after a restart. */
  forget(key: string): void {
    try {
      this.#storage.put(new Map([[key, null]]));
    } catch (thrown) {
      const { code, message } = asPipelineError(thrown);
      this.#logger.warn({ code }, `decisions that were delivered may be sent again after a restart: ${message}`);
    }
  }

  #read(key: string): readonly DecisionEvent[] | undefined {
    try {
      const { form, decisions } = JSON.parse(this.#storage.get(key) ?? '') as Kept;
      if (form !== FORM || !Array.isArray(decisions))
        throw new Error(`its form is ${form}, this version reads ${FORM}`);
      return decisions;
    } catch (thrown) {
      this.#logger.error({ key }, `kept decisions cannot be read and are left where they are: ${String(thrown)}`);
      return undefined;
    }
  }
}
