import { TelemetryBatch } from '../../pipeline/batch.ts';
import type { DeploymentEvent } from '../../proto/windback/health.ts';

/** What batches must have in common to be joined: the signal, and whether and where tags are written. */
export function groupOf(batch: TelemetryBatch): string {
  return batch.tags === undefined ? batch.signal : `${batch.signal} ${batch.target}`;
}

/**
 * Several requests of one group as one. An Export request is a message with one repeated field, and such messages are
 * joined by writing one behind the other (protobuf encoding guide, "last one wins" and concatenation). The bytes are
 * the untagged ones and the tags stay beside them, so that processors behind still find them.
 */
export function join(batches: readonly TelemetryBatch[]): TelemetryBatch {
  const [first] = batches as [TelemetryBatch, ...TelemetryBatch[]];
  if (batches.length === 1) return first;
  const joined = TelemetryBatch.open(
    first.signal,
    Buffer.concat(batches.map(({ bytes }) => bytes)),
    undefined,
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
