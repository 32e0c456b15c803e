import type { DecisionEvent } from '../proto/windback/decision.ts';
import type { DecisionBatch } from './batch.ts';
import { asPipelineError } from './errors.ts';
import type { Storage, Storages } from './storage.ts';
import type { Logger } from './telemetry/logger.ts';

/** The form of what is kept. */
const FORM = 1;
const PREFIX = 'outbox/';
const DIGITS = 16;

interface Kept {
  readonly form: number;
  readonly decisions: readonly DecisionEvent[];
}

/** Tells of decisions that nobody delivers, since none of `exporters` has the id under which they are kept. */
export function tellStranded(storages: Storages, exporters: ReadonlySet<string>, logger: Logger): void {
  for (const id of storages.having(PREFIX)) {
    if (exporters.has(id)) continue;
    const batches = storages
      .of(id)
      .keys()
      .filter((key) => key.startsWith(PREFIX)).length;
    logger.error(
      { exporter: id, batches },
      `decisions wait for exporter ${id}, which is in no pipeline of decisions now: configure it again under this id to deliver them`,
    );
  }
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
  #isFailing = false;

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

  /** Keeps a batch, and returns its key when it is durable; undefined, and told of once, where it cannot be kept. */
  keep({ decisions }: DecisionBatch): string | undefined {
    const key = PREFIX + String(this.#next++).padStart(DIGITS, '0');
    try {
      this.#storage.put(new Map([[key, JSON.stringify({ form: FORM, decisions } satisfies Kept)]]));
      this.#isFailing = false;
      return key;
    } catch (thrown) {
      if (this.#isFailing) return undefined;
      this.#isFailing = true;
      const { code, message, row } = asPipelineError(thrown);
      const ids = decisions.map(({ id }) => id);
      this.#logger.error(
        { code, decisions: ids, todo: row.todo },
        `decisions cannot be kept: each is tried until it is delivered or can be, and those of a process that ends before are lost: ${message}`,
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
