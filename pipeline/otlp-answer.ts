import type { RpcStatus } from '../proto/google/status.ts';
import type { PipelineError } from './errors.ts';

/** The pause told to a caller whose request was refused for now, where the error names none. */
export const RETRY_AFTER_MS_DEFAULT = 1000;

/**
 * The longest pause that a destination is granted, however long it asks for: one that is wrong, or hostile, must not
 * stop an exporter for days. It may ask again.
 */
export const RETRY_AFTER_MS_MAX = 5 * 60_000;

/** A pause as a destination told it, as far as it is granted; undefined where it told none. */
export function grantedPause(toldMs: number | undefined): number | undefined {
  return toldMs === undefined ? undefined : Math.min(Math.max(toldMs, 0), RETRY_AFTER_MS_MAX);
}

/** The pause that goes with a retryable error, ms; undefined for one that a retry cannot mend. */
export function pauseOf(error: PipelineError): number | undefined {
  return error.row.retryable ? (error.retryAfterMs ?? RETRY_AFTER_MS_DEFAULT) : undefined;
}

/** Headers carry the message too, and clients bound these at 8 KiB; it is there twice, once in base64. */
const MESSAGE_CHARS_MAX = 1024;

/**
 * What a client is told of an error: RetryInfo where a retry helps, BadRequest where the request is at fault. Of a
 * defect of ours it learns only that there is one; the log has the rest.
 */
export function statusOf(error: PipelineError): RpcStatus {
  const { what, todo, grpc } = error.row;
  if (error.code === 'internal') return { code: grpc, message: what };
  const message = shorten(`${error.message}; ${todo}`);
  const retryDelayMs = pauseOf(error);
  if (retryDelayMs !== undefined) return { code: grpc, message, retryDelayMs };
  if (error.code === 'malformed')
    return { code: grpc, message, violations: [{ field: '', description: shorten(error.detail) }] };
  return { code: grpc, message };
}

function shorten(text: string): string {
  return text.length <= MESSAGE_CHARS_MAX ? text : `${text.slice(0, MESSAGE_CHARS_MAX - 3)}...`;
}
