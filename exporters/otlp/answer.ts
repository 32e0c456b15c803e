import { inflate, type Encoding } from '../../pipeline/compression.ts';
import { PipelineError } from '../../pipeline/errors.ts';
import { GRPC } from '../../pipeline/grpc-codes.ts';
import { DeadlineError } from '../../pipeline/http2/client.ts';
import type { ClientAnswer } from '../../pipeline/http2/client-stream.ts';
import { grantedPause } from '../../pipeline/otlp-answer.ts';
import { decodeStatus } from '../../proto/google/status.ts';
import { decodeExportResponse, type PartialSuccess } from '../../proto/otlp/export.ts';
import { GRPC_NAMES } from '../../proto/otlp/grpc-status.ts';
import { WireError } from '../../proto/wire/reader.ts';

/** A gRPC status other than OK. */
export interface Refusal {
  readonly code: number;
  readonly message: string;
  /** The delay of its RetryInfo, ms; undefined where there is none. */
  readonly retryAfterMs: number | undefined;
}

const UNKNOWN = GRPC_NAMES.indexOf('UNKNOWN');

/** Codes after which the same request may succeed (OTLP specification, Failures); RESOURCE_EXHAUSTED stands apart. */
const RETRYABLE = new Set<number>(
  ['CANCELLED', 'DEADLINE_EXCEEDED', 'ABORTED', 'OUT_OF_RANGE', 'UNAVAILABLE', 'DATA_LOSS'].map((name) =>
    GRPC_NAMES.indexOf(name),
  ),
);

/** What an HTTP status stands for where there is no gRPC status (gRPC, HTTP to gRPC Status Code Mapping). */
const OF_HTTP: Readonly<Record<number, number>> = {
  400: GRPC.internal,
  401: GRPC.unauthenticated,
  403: GRPC.permission_denied,
  404: GRPC.unimplemented,
  429: GRPC.unavailable,
  502: GRPC.unavailable,
  503: GRPC.unavailable,
  504: GRPC.unavailable,
};

/** Longer messages of a destination are cut. */
const MESSAGE_CHARS_MAX = 500;
/** What an answer may inflate to. */
const ANSWER_BYTES_MAX = 64 * 1024;
const PREFIX_BYTES = 5;

/** Why a call failed, where it did. */
export function refusalIn({ status, headers, trailers }: ClientAnswer): Refusal | undefined {
  const told = trailers['grpc-status'] ?? headers['grpc-status'];
  if (told === '0') return undefined;
  const message = decodeMessage(trailers['grpc-message'] ?? headers['grpc-message'] ?? '');
  const retryAfterMs = pauseIn(trailers['grpc-status-details-bin'] ?? headers['grpc-status-details-bin']);
  if (told !== undefined && /^\d+$/.test(told)) return { code: Number(told), message, retryAfterMs };
  const why = status === 200 ? 'it answered no gRPC status' : `it answered HTTP ${status}, which is not gRPC`;
  return { code: OF_HTTP[status] ?? UNKNOWN, message: why, retryAfterMs: undefined };
}

/** What a failed call means for the batch: a refusal, or that there was no answer. */
export function errorOf(failure: Refusal | Error, address: string): PipelineError {
  if (failure instanceof PipelineError) return failure;
  if (failure instanceof Error) {
    const detail = `${address}: ${failure.message}`;
    if (failure instanceof DeadlineError) return new PipelineError('timeout', detail, { cause: failure });
    return new PipelineError('unreachable', detail, { cause: failure });
  }
  const { code, retryAfterMs } = failure;
  const detail = `${address} answered ${GRPC_NAMES[code] ?? code}: ${failure.message.slice(0, MESSAGE_CHARS_MAX)}`;
  const options = retryAfterMs === undefined ? {} : { retryAfterMs };
  if (code === GRPC.deadline_exceeded) return new PipelineError('timeout', detail, options);
  const isBusy = RETRYABLE.has(code) || (code === GRPC.resource_exhausted && retryAfterMs !== undefined);
  if (isBusy) return new PipelineError('busy', detail, options);
  return new PipelineError(isTooLarge(failure) ? 'rejected_size' : 'rejected', detail);
}

/** Whether it says that the message is too large. The code alone may also mean that some quota is used up. */
function isTooLarge({ code, message }: Refusal): boolean {
  return code === GRPC.resource_exhausted && TOO_LARGE.test(message);
}

/** How grpc-go, grpc-java, other servers and Windback say it. */
const TOO_LARGE =
  /larger than|too (?:large|big|long)|message (?:size|length)|exceeds? (?:the )?max(?:imum)? (?:message |request )?(?:size|length)/i;

/** What an answer of success says of the items. That it cannot be read does not undo the success. */
export function partialSuccessIn({ body, headers }: ClientAnswer): PartialSuccess {
  if (body.length < PREFIX_BYTES) return { rejected: 0, message: '' };
  try {
    const encoding = (body[0] === 1 ? (headers['grpc-encoding'] ?? 'identity') : 'identity') as Encoding;
    return decodeExportResponse(inflate(encoding, body.subarray(PREFIX_BYTES), ANSWER_BYTES_MAX));
  } catch (error) {
    return { rejected: 0, message: `unreadable answer: ${(error as Error).message}` };
  }
}

/** The delay of the RetryInfo in `grpc-status-details-bin` as far as it is granted, ms; undefined where there is none. */
function pauseIn(details: string | undefined): number | undefined {
  if (details === undefined) return undefined;
  try {
    return grantedPause(decodeStatus(Buffer.from(details, 'base64')).retryDelayMs);
  } catch (thrown) {
    // What cannot be read tells nothing; the code still does.
    if (thrown instanceof WireError) return undefined;
    throw thrown;
  }
}

/** A message as sent is percent-encoded; what is not is taken as it is (gRPC over HTTP2, Status-Message). */
function decodeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
