import type { Message } from 'kafkajs';
import type { DecisionBatch, TelemetryBatch } from '../../pipeline/batch.ts';
import { kafkaEvent } from '../../proto/windback/decision.ts';

/** A record as it is made here, whose size can be told. */
interface SizedMessage extends Message {
  readonly key: string | null;
  readonly headers?: Record<string, string>;
  readonly value: string | Buffer;
}

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
  readonly messages: SizedMessage[];
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
      const parcel = parcelOf(topic, [message]);
      parcels.push(parcel);
      latest.set(key, parcel);
    }
  }
  return parcels;
}

/** The Export request with its tags, as one record without a key: any partition may have it. */
export function telemetryParcel(batch: TelemetryBatch, topic: string): Parcel {
  const { buffer, byteOffset, byteLength } = batch.encoded();
  return parcelOf(topic, [{ key: null, value: Buffer.from(buffer, byteOffset, byteLength) }]);
}

/** The same records in two parcels, in their order, for a broker that takes less than was thought. */
export function halvesOf({ topic, messages }: Parcel): [Parcel, Parcel] {
  const middle = Math.ceil(messages.length / 2);
  return [parcelOf(topic, messages.slice(0, middle)), parcelOf(topic, messages.slice(middle))];
}

function parcelOf(topic: string, messages: SizedMessage[]): Parcel {
  return { topic, messages, bytes: messages.reduce((sum, message) => sum + recordBytes(message), BATCH_BYTES) };
}

function recordBytes({ key, headers = {}, value }: SizedMessage): number {
  let bytes = RECORD_BYTES + Buffer.byteLength(key ?? '') + Buffer.byteLength(value);
  for (const [name, content] of Object.entries(headers)) {
    bytes += HEADER_BYTES + Buffer.byteLength(name) + Buffer.byteLength(content);
  }
  return bytes;
}
