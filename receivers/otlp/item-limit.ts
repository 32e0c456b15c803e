import { TelemetryBatch } from '../../pipeline/batch.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import type { Lease } from '../../pipeline/lease.ts';
import type { PartialSuccess } from '../../proto/otlp/export.ts';
import { keepItems } from '../../proto/otlp/keep-items.ts';

/** A request of which some items were left out. */
export interface Limited {
  readonly batch: TelemetryBatch;
  readonly refused: PartialSuccess;
}

/**
 * The request without the items that are larger than `bytesMax`; undefined where none is. Throws `item_too_large` where
 * all are.
 */
export function withoutLargeItems(batch: TelemetryBatch, bytesMax: number, lease: Lease): Limited | undefined {
  const { bytes, columns, signal, hasAttributes, items } = batch;
  // What all of it does not reach no part of it does.
  if (bytes.length <= bytesMax) return undefined;
  const { length } = columns;
  let rejected = 0;
  for (let i = 0; i < items; i++) if ((length[i] as number) > bytesMax) rejected++;
  if (rejected === 0) return undefined;
  const message = `${rejected} of ${items} items are larger than max_item_size, ${bytesMax} bytes`;
  if (rejected === items) throw new PipelineError('item_too_large', message);
  const kept = keepItems(signal, bytes, (ordinal) => (length[ordinal] ?? 0) <= bytesMax);
  return { batch: TelemetryBatch.open(signal, kept, lease, hasAttributes), refused: { rejected, message } };
}
