import { type Batch, type HealthBatch, isTelemetry, TelemetryBatch } from '../batch.ts';
import { PipelineError } from '../errors.ts';
import type { HealthDelta } from '../../proto/windback/health.ts';
import type { Tag } from '../tag.ts';
import type { BatchData } from './messages.ts';

/**
 * A batch as plain data for another thread, and what of it is given away rather than copied again. `untagged`: with its
 * tags beside it, for whoever folds; else as whoever sends it on wants it, with the tags written.
 */
export function toData(batch: Batch, form: 'tagged' | 'untagged'): { data: BatchData; transfer: ArrayBuffer[] } {
  if (isTelemetry(batch)) {
    // The memory may be one of a pool, and is larger than the batch: what crosses is a copy of just its bytes.
    const bytes = new Uint8Array(form === 'tagged' ? batch.encoded() : batch.bytes);
    const tags = form === 'untagged' && batch.tags !== undefined ? { tags: batch.tags } : {};
    return { data: { signal: batch.signal, bytes, ...tags }, transfer: [bytes.buffer] };
  }
  if (batch.signal !== 'health') throw new PipelineError('internal', `${batch.signal} does not cross threads`);
  return { data: batch, transfer: [] };
}

/** Series that cross in one message: some 3 ms for either thread. */
const SERIES_PER_PIECE = 1000;

/** Deltas in pieces that no thread is busy with for long. Deltas merge by addition, so that a part of one is one. */
export function inPieces({ deltas }: HealthBatch): HealthBatch[] {
  const pieces: HealthDelta[][] = [[]];
  let room = SERIES_PER_PIECE;
  for (const delta of deltas) {
    for (let from = 0; from === 0 || from < delta.series.length; ) {
      if (room === 0) {
        pieces.push([]);
        room = SERIES_PER_PIECE;
      }
      const series = delta.series.slice(from, from + room);
      pieces.at(-1)?.push({ ...delta, series, events: from === 0 ? delta.events : [] });
      room -= series.length;
      from += Math.max(1, series.length);
    }
  }
  return pieces.map((piece) => ({ signal: 'health', items: piece.length, deltas: piece }));
}

/** Tags that are told apart; beyond, they are learnt anew. */
const TAGS_MAX = 10_000;

/** Makes batches of what came from other threads. Equal tags become one again: whoever folds tells them by identity. */
export class BatchReader {
  readonly #tags = new Map<string, Tag>();

  read(data: BatchData): Batch {
    if (data.signal === 'health') return data;
    const batch = TelemetryBatch.open(data.signal, data.bytes);
    if (data.tags !== undefined)
      batch.tag(
        data.tags.map((tag) => this.#intern(tag)),
        'resource',
      );
    return batch;
  }

  #intern(tag: Tag): Tag {
    const { taggedResource } = tag;
    const key = Buffer.from(taggedResource.buffer, taggedResource.byteOffset, taggedResource.length).toString('latin1');
    const known = this.#tags.get(key);
    if (known !== undefined) return known;
    if (this.#tags.size >= TAGS_MAX) this.#tags.clear();
    this.#tags.set(key, tag);
    return tag;
  }
}
