import { halve } from '../proto/otlp/keep-items.ts';
import { TelemetryBatch } from './batch.ts';

/** Two requests with the items of one; undefined where it cannot be halved. */
export function halvesOf(batch: TelemetryBatch): TelemetryBatch[] | undefined {
  const { signal, items } = batch;
  const halves = halve(signal, batch.encoded(), items)?.map((bytes) =>
    TelemetryBatch.open(signal, bytes, undefined, false),
  );
  // Where the two do not add up, something in it is not what it seems.
  return halves?.reduce((sum, half) => sum + half.items, 0) === items ? halves : undefined;
}
