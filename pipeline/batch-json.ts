import { decodeToJson, type JsonObject } from '../proto/otlp/json-decode.ts';
import { WireError } from '../proto/wire/reader.ts';
import type { TelemetryBatch } from './batch.ts';
import { PipelineError } from './errors.ts';

/** The batch with its tags as the object that OTLP/JSON writes. Throws `rejected` where its bytes are malformed. */
export function batchJson(batch: TelemetryBatch): JsonObject {
  try {
    return decodeToJson(batch.signal, batch.encoded());
  } catch (error) {
    // The scan looks at the fields it needs; the rest of a request can still be malformed.
    if (error instanceof WireError) throw new PipelineError('rejected', error.message, { cause: error });
    throw error;
  }
}
