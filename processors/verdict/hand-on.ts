import { setImmediate } from 'node:timers/promises';
import type { DecisionBatch } from '../../pipeline/batch.ts';
import type { Context, Outlets } from '../../pipeline/component.ts';
import { asPipelineError, PipelineError } from '../../pipeline/errors.ts';
import type { DecisionEvent } from '../../proto/windback/decision.ts';
import { MAX_DECISIONS } from './decision-log.ts';

type Decisions = readonly DecisionEvent[];

/** The pause before decisions that were refused are handed on again: the first one, and the longest. */
const PAUSE_MS = 1000;
const PAUSE_MS_MAX = 30_000;
/** Decisions that have not been taken for so long are told of. */
const LONG_MS = 30_000;
/** Ids of decisions in one line of the log. */
const MAX_NAMED = 20;

/**
 * Decisions on their way to what stands behind the judge: batch by batch, in their order, each until it is taken or
 * refused for good. That may take its time, and nobody waits for it: judging and saving go on meanwhile. What was refused
 * goes again together with all that has come since: of several exporters one may refuse for days, and the others, which
 * get it each time, are not to wait for that one.
 */
export class HandOn {
  readonly #next: Outlets;
  readonly #context: Context;
  /** The oldest first. */
  readonly #waiting: Decisions[] = [];
  /** How many of them, the first ones, are under way. */
  #underWay = 0;
  /** Settles when nothing waits any more, or it was stopped. */
  #handing: Promise<void> | undefined;
  /** Aborted when it is to stop: no pause is waited for. */
  readonly #stopping = new AbortController();
  /** Whether its time to stop is over. */
  #isOver = false;
  /** Aborted when the batch that is under way need not be told of. */
  #watch = new AbortController();

  constructor(next: Outlets, context: Context) {
    this.#next = next;
    this.#context = context;
  }

  /** All that nobody has taken yet, in order. */
  get waiting(): DecisionEvent[] {
    return this.#waiting.flat();
  }

  add(decisions: Decisions): void {
    if (decisions.length === 0) return;
    for (const { id, data, subject } of decisions) {
      this.#context.logger.info({ decision: data.decision, service: subject, id }, data.reason);
    }
    this.#waiting.push(decisions);
    this.#makeRoom();
    this.#handing ??= this.#handAll();
  }

  /**
   * Resolves when all has been taken, and after one turn of the event loop in any case: whoever answers at once has
   * answered by then, and a replay has what was decided before its clock moves on.
   */
  async settled(): Promise<void> {
    if (this.#handing !== undefined) await Promise.race([this.#handing, setImmediate()]);
  }

  /**
   * Waits, until `deadline` at most, for what can be handed on now: what is refused once more is not tried again. What is
   * left is still `waiting`, for whoever keeps it.
   */
  async stop(deadline?: AbortSignal): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = deadline?.aborted === true;
    this.#stopping.abort();
    if (!this.#isOver && this.#handing !== undefined) await Promise.race([this.#handing, aborted(deadline)]);
    this.#isOver = true;
    this.#watch.abort();
    const left = this.waiting;
    if (left.length === 0) return;
    const then = this.#context.storage.survives
      ? 'they are kept, and handed on first when it runs again'
      : 'without a file_storage they are lost if the process ends now';
    this.#context.logger.warn(
      { decisions: idsOf(left) },
      `${left.length} decisions were not taken before the stop: ${then}`,
    );
  }

  async #handAll(): Promise<void> {
    while (this.#waiting.length > 0) if (!(await this.#handFirst())) break;
    this.#handing = undefined;
  }

  /** Whether the first one is done with: taken, or refused for good. */
  async #handFirst(): Promise<boolean> {
    const { clock, logger } = this.#context;
    let refused: PipelineError | undefined;
    this.#watch = new AbortController();
    const { signal } = this.#watch;
    void clock.sleep(LONG_MS, signal).then(() => signal.aborted || this.#tellLate(refused));
    try {
      let batch = batchOf(this.#waiting[0] ?? []);
      for (let pauseMs = PAUSE_MS; !this.#isOver; pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX)) {
        const error = await this.#try(batch, refused === undefined ? 1 : this.#waiting.length);
        if (error === undefined) return true;
        const said = { code: error.code, todo: error.row.todo, decisions: idsOf(batch.decisions) };
        if (refused === undefined)
          logger.warn(said, `a decision is handed on again until it is taken: ${error.message}`);
        refused = error;
        if (this.#stopping.signal.aborted) return false;
        await clock.sleep(Math.max(pauseMs, error.retryAfterMs ?? 0), this.#stopping.signal);
        batch = this.#withNew(batch);
      }
      return false;
    } finally {
      this.#watch.abort();
    }
  }

  /** All that waits. The same batch where that is nothing else: an exporter may know how far it came with that. */
  #withNew(batch: DecisionBatch): DecisionBatch {
    const all = this.waiting;
    const isSame = all.length === batch.items && all[0] === batch.decisions[0];
    return isSame ? batch : batchOf(all);
  }

  /** Why the batch, of the first `count` that wait, was refused for now; undefined where it is done with. */
  async #try(batch: DecisionBatch, count: number): Promise<PipelineError | undefined> {
    this.#underWay = count;
    try {
      await this.#next.to('decisions').consume(batch);
    } catch (thrown) {
      const error = asPipelineError(thrown);
      if (error.row.retryable) return error;
      this.#drop(batch.decisions, error);
    } finally {
      this.#underWay = 0;
    }
    this.#waiting.splice(0, count);
    return undefined;
  }

  /** Once, until they are taken; that they were refused is known from before, that nobody answers is not. */
  #tellLate(refused: PipelineError | undefined): void {
    const error = refused ?? new PipelineError('timeout', 'what decisions are handed on to does not answer');
    this.#context.logger.error(
      { code: error.code, todo: error.row.todo, decisions: idsOf(this.waiting) },
      `decisions have not been taken for ${LONG_MS / 1000} s: ${error.message}`,
    );
  }

  #drop(decisions: Decisions, error: PipelineError): void {
    const { id, meter, logger } = this.#context;
    const labels = { processor: id, signal: 'decisions', reason: error.code };
    meter.counter('windback_processor_dropped_items_total', labels).add(decisions.length);
    const said = { code: error.code, todo: error.row.todo, decisions: idsOf(decisions) };
    logger.error(said, `a decision was not delivered: ${error.message}`);
  }

  /** Where nothing is taken for days, the oldest give way; but for those under way, which may have arrived. */
  #makeRoom(): void {
    let count = this.#waiting.reduce((sum, { length }) => sum + length, 0);
    while (count > MAX_DECISIONS && this.#waiting.length > this.#underWay + 1) {
      const [dropped = []] = this.#waiting.splice(this.#underWay, 1);
      count -= dropped.length;
      this.#drop(dropped, new PipelineError('queue_overflow', `more than ${MAX_DECISIONS} decisions wait to be taken`));
    }
  }
}

function batchOf(decisions: Decisions): DecisionBatch {
  return { signal: 'decisions', items: decisions.length, decisions };
}

function idsOf(decisions: Decisions): string[] {
  return decisions.slice(0, MAX_NAMED).map(({ id }) => id);
}

/** Never resolves without a deadline. */
function aborted(deadline: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => deadline?.addEventListener('abort', () => resolve(), { once: true }));
}
