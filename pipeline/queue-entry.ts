import { type Batch, type DecisionBatch, isTelemetry, type Signal, TelemetryBatch } from './batch.ts';
import type { QueueConfig } from './queue-config.ts';
import type { Place, Spool } from './spool/spool.ts';

/** A batch that has its place in a queue. */
export interface Entry {
  readonly signal: Signal;
  readonly items: number;
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

/** How much a batch takes of a queue. */
export function sizeOf(sizer: QueueConfig['sizer'], items: number, bytes: number): number {
  if (sizer === 'requests') return 1;
  return sizer === 'items' ? items : bytes;
}

/** Bytes of memory that a batch takes, more or less; decisions and deltas are small. */
export function bytesOf(batch: Batch): number {
  return isTelemetry(batch) ? batch.bytes.length : 0;
}

export function isOrdered({ signal }: { readonly signal: Signal }): boolean {
  return signal === 'decisions' || signal === 'health';
}

export function isDecisions(batch: Batch): batch is DecisionBatch {
  return batch.signal === 'decisions';
}

/** The batch of an entry, from disk if need be. Throws `spool_damaged` or `file_unreadable`. */
export async function batchOf(entry: Entry, spool: Spool | undefined): Promise<Batch> {
  if (entry.batch !== undefined) return entry.batch;
  const { place } = entry;
  const bytes = await (spool as Spool).read(place as Place);
  return TelemetryBatch.open((place as Place).signal, bytes, undefined, false);
}
