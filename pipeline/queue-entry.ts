import { type Batch, type DecisionBatch, isTelemetry, type Signal, TelemetryBatch } from './batch.ts';
import type { Context } from './component.ts';
import { asPipelineError, PipelineError } from './errors.ts';
import type { Fifo } from './fifo.ts';
import type { Account } from './ledger/account.ts';
import { memoryLimitBytes } from './machine-memory.ts';
import type { QueueConfig } from './queue-config.ts';
import type { Place, Spool } from './spool/spool.ts';
import type { Logger } from './telemetry/logger.ts';

/** A batch that has its place in a queue. */
export interface Entry {
  readonly signal: Signal;
  readonly items: number;
  /** Where it is counted. */
  readonly account: Account;
  /** What it takes of the queue, in what the queue counts. */
  readonly size: number;
  /** What it takes of the memory, as long as `batch` is there. */
  readonly bytes: number;
  /** Undefined where it is on disk only. */
  batch: Batch | undefined;
  /** Where it lies on disk. */
  readonly place?: Place;
  /** Where its decisions are kept. */
  readonly key?: string | undefined;
}

/** Batches in the order they came, worked off by `workers` at once. */
export interface Lane {
  readonly waiting: Fifo<Entry>;
  readonly workers: number;
  running: number;
}

export function entryOf(batch: Batch, account: Account, size: number): Omit<Entry, 'batch'> {
  return { signal: batch.signal, items: batch.items, account, size, bytes: memoryOf(batch) };
}

/** What the process before has left. */
export function entryOnDisk(place: Place, sizer: QueueConfig['sizer'], account: Account): Entry {
  const { signal, items, length } = place;
  return { signal, items, account, size: sizeOf(sizer, items, length), bytes: length, batch: undefined, place };
}

/** Of one half of the batch of `whole`; `place` where it lies on disk. */
export function entryOfHalf(
  half: TelemetryBatch,
  whole: Entry,
  sizer: QueueConfig['sizer'],
  place: Place | undefined,
): Entry {
  const own = { ...entryOf(half, whole.account, sizeOfBatch(sizer, half)), batch: half.parked() };
  return place === undefined ? own : { ...own, place };
}

/** Whether the loss of the process would not lose it. */
export function isKept({ place, key }: Entry): boolean {
  return place !== undefined || key !== undefined;
}

/** How much a batch takes of a queue. */
function sizeOf(sizer: QueueConfig['sizer'], items: number, bytes: number): number {
  if (sizer === 'requests') return 1;
  return sizer === 'items' ? items : bytes;
}

/** The same, of a batch; decisions and deltas are small. */
export function sizeOfBatch(sizer: QueueConfig['sizer'], batch: Batch): number {
  return sizeOf(sizer, batch.items, isTelemetry(batch) ? batch.bytes.length : 0);
}

/** Bytes of memory that a batch takes once it is parked, more or less. */
export function memoryOf(batch: Batch): number {
  return isTelemetry(batch) ? batch.bytes.length : 0;
}

export function isOrdered({ signal }: { readonly signal: Signal }): boolean {
  return signal === 'decisions' || signal === 'health';
}

export function isDecisions(batch: Batch): batch is DecisionBatch {
  return batch.signal === 'decisions';
}

/**
 * The batch of an entry, from disk if need be, which is asked again every `pauseMs`; an error where it cannot be read any
 * more, and undefined where `over` has aborted.
 */
export async function batchOf(
  { batch, place }: Entry,
  spool: Spool | undefined,
  pauseMs: number,
  { clock, logger }: Context,
  over: AbortSignal,
): Promise<Batch | PipelineError | undefined> {
  while (!over.aborted) {
    if (batch !== undefined) return batch;
    try {
      const bytes = await (spool as Spool).read(place as Place);
      return TelemetryBatch.open((place as Place).signal, bytes, undefined, false);
    } catch (thrown) {
      const error = asPipelineError(thrown);
      if (!error.row.retryable) return error;
      logger.warn({ code: error.code, todo: error.row.todo }, error.message);
      await clock.sleep(pauseMs, over);
    }
  }
  return undefined;
}

/** The pause that a refused caller is asked for. */
const RETRY_AFTER_MS = 1000;

export function queueFull(batches: number, exporter: string): PipelineError {
  const detail = `${batches} batches wait for exporter ${exporter}`;
  return new PipelineError('queue_full', detail, { retryAfterMs: RETRY_AFTER_MS });
}

export function notKept(exporter: string): PipelineError {
  return new PipelineError('file_unwritable', `decisions for exporter ${exporter} cannot be kept`);
}

/** Of the memory limit, what batches may take that wait in the memory of one queue. */
const MEMORY_SHARE = 1 / 8;

/** How much of this thread's memory the batches of one queue may take, bytes. */
export function memoryMaxOf({ max_memory }: QueueConfig, { memoryShare = 1 }: Context): number {
  return max_memory === 'auto' ? memoryLimitBytes() * memoryShare * MEMORY_SHARE : max_memory;
}

/** Decisions are named: somebody has to look what became of each. */
export function logDropped({ batch, signal, items }: Entry, error: PipelineError, logger: Logger): void {
  const ids = batch !== undefined && isDecisions(batch) ? { decisions: batch.decisions.map(({ id }) => id) } : {};
  logger.error(
    { code: error.code, items: error.items ?? items, signal, ...ids, todo: error.row.todo },
    `dropped: ${error.message}`,
  );
}

/** What becomes of `attempt`; the reason of `signal` where that aborts first, or has: then the outcome is not waited for. */
export function orAborted<T>(attempt: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(signal.reason as Error);
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    void attempt.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
  });
}
