import { TelemetryBatch } from '../../pipeline/batch.ts';
import { bodies } from '../../pipeline/buffer-pool.ts';
import type { Lease } from '../../pipeline/lease.ts';
import type { DeploymentEvent } from '../../proto/windback/health.ts';

/** What batches must have in common to be joined: the signal, and whether and where tags are written. */
export function groupOf(batch: TelemetryBatch): string {
  return batch.tags === undefined ? batch.signal : `${batch.signal} ${batch.target}`;
}

/**
 * Several requests of one group as one. An Export request is a message with one repeated field, and such messages are
 * joined by writing one behind the other (protobuf encoding guide, "last one wins" and concatenation). The bytes are
 * the untagged ones and the tags stay beside them, so that processors behind still find them. What is joined is good until
 * `lease` ends.
 */
export function join(batches: readonly TelemetryBatch[], lease: Lease): TelemetryBatch {
  const [first] = batches as [TelemetryBatch, ...TelemetryBatch[]];
  if (batches.length === 1) return first;
  const joined = TelemetryBatch.open(
    first.signal,
    concatenated(batches, lease),
    lease,
    batches.every(({ hasAttributes }) => hasAttributes),
  );
  if (first.tags === undefined) return joined;
  let behind = 0;
  const deployments = new Map<number, DeploymentEvent>();
  for (const { deployments: own, items } of batches) {
    for (const [record, event] of own) deployments.set(behind + record, event);
    behind += items;
  }
  const tags = batches.flatMap((batch) => batch.tags ?? []);
  joined.tag(tags, first.target, deployments);
  return joined;
}

function concatenated(batches: readonly TelemetryBatch[], lease: Lease): Uint8Array {
  const length = batches.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const room = bodies.take(length);
  lease.onEnd(() => bodies.give(room));
  let behind = 0;
  for (const { bytes } of batches) {
    room.set(bytes, behind);
    behind += bytes.length;
  }
  return room.subarray(0, length);
}
