import type { Message } from 'kafkajs';
import type { DecisionBatch, TelemetryBatch } from '../../pipeline/batch.ts';
import { kafkaEvent } from '../../proto/windback/decision.ts';

/**
 * What one send carries: records that belong to one partition, since they share a key or are a single record.
 *
 * It must be no more than that. Where a send goes to several brokers and one of them fails, kafkajs repeats the part
 * of the other one too, with new sequence numbers if that part was stored: it would be there twice.
 *
 * A parcel that failed is sent again as the very same object; see `OrderedProducer`.
 */
export interface Parcel {
  readonly topic: string;
  readonly messages: Message[];
  /** What the broker will count against its limit, at most, before compression. */
  bytes: number;
}

/** Record batch header, magic 2 (https://kafka.apache.org/documentation/#recordbatch). */
const BATCH_BYTES = 61;
/** Lengths, attributes and deltas of a record and of a header, every varint at its longest. */
const RECORD_BYTES = 36;
const HEADER_BYTES = 10;

/** One parcel per service key, in the order in which they were taken; more where one would be larger than allowed. */
export function decisionParcels(batch: DecisionBatch, topic: string, bytesMax: number): Parcel[] {
  const parcels: Parcel[] = [];
  const latest = new Map<string, Parcel>();
  for (const decision of batch.decisions) {
    const { key, headers, value } = kafkaEvent(decision);
    const message = { key, headers: { ...headers }, value };
    const bytes = recordBytes(message);
    const open = latest.get(key);
    if (open !== undefined && open.bytes + bytes <= bytesMax) {
      open.messages.push(message);
      open.bytes += bytes;
    } else {
      const parcel = { topic, messages: [message], bytes: BATCH_BYTES + bytes };
      parcels.push(parcel);
      latest.set(key, parcel);
    }
  }
  return parcels;
}

/** The Export request with its tags, as one record without a key: any partition may have it. */
export function telemetryParcel(batch: TelemetryBatch, topic: string): Parcel {
  const { buffer, byteOffset, byteLength } = batch.encoded();
  const message = { key: null, value: Buffer.from(buffer, byteOffset, byteLength) };
  return { topic, messages: [message], bytes: BATCH_BYTES + RECORD_BYTES + byteLength };
}

function recordBytes({ key, headers, value }: { key: string; headers: Record<string, string>; value: string }): number {
  let bytes = RECORD_BYTES + Buffer.byteLength(key) + Buffer.byteLength(value);
  for (const [name, content] of Object.entries(headers)) {
    bytes += HEADER_BYTES + Buffer.byteLength(name) + Buffer.byteLength(content);
  }
  return bytes;
}
