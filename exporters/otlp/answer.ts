import { type ServiceError, status } from '@grpc/grpc-js';
import { PipelineError } from '../../pipeline/errors.ts';
import { decodeStatus } from '../../proto/google/status.ts';
import { WireError } from '../../proto/wire/reader.ts';

/** Codes after which the same request may succeed (OTLP specification, Failures); RESOURCE_EXHAUSTED stands apart. */
const RETRYABLE = new Set<number>([
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
  status.ABORTED,
  status.OUT_OF_RANGE,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);

/** Longer messages of a destination are cut. */
const MESSAGE_CHARS_MAX = 500;

/**
 * What a failed call means for the batch. `isConnected` tells an UNAVAILABLE that the destination said from one that
 * gRPC made up because there is no connection.
 */
export function errorOf(error: ServiceError, address: string, isConnected: boolean): PipelineError {
  const detail = `${address} answered ${status[error.code] ?? error.code}: ${error.details.slice(0, MESSAGE_CHARS_MAX)}`;
  const retryAfterMs = pauseOf(error);
  const options = { cause: error, ...(retryAfterMs !== undefined && { retryAfterMs }) };
  if (error.code === status.DEADLINE_EXCEEDED) return new PipelineError('timeout', detail, options);
  if (error.code === status.UNAVAILABLE && retryAfterMs === undefined && !isConnected) {
    return new PipelineError('unreachable', `${address}: ${error.details.slice(0, MESSAGE_CHARS_MAX)}`, options);
  }
  const isBusy = RETRYABLE.has(error.code) || (error.code === status.RESOURCE_EXHAUSTED && retryAfterMs !== undefined);
  return isBusy ? new PipelineError('busy', detail, options) : new PipelineError('rejected', detail, { cause: error });
}

/** The delay of the RetryInfo in `grpc-status-details-bin`, ms; undefined where there is none. */
function pauseOf(error: ServiceError): number | undefined {
  const [details] = error.metadata?.get('grpc-status-details-bin') ?? [];
  if (!Buffer.isBuffer(details)) return undefined;
  try {
    return decodeStatus(details).retryDelayMs;
  } catch (thrown) {
    // What cannot be read tells nothing; the code still does.
    if (thrown instanceof WireError) return undefined;
    throw thrown;
  }
}
