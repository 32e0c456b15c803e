import { PipelineError } from '../../pipeline/errors.ts';
import { grantedPause } from '../../pipeline/otlp-answer.ts';
import { decodeStatus, type RpcStatus } from '../../proto/google/status.ts';
import { decodeExportResponse, type PartialSuccess } from '../../proto/otlp/export.ts';
import { WireError } from '../../proto/wire/reader.ts';

/** What a server answered. */
export interface Answer {
  readonly status: number;
  /** The content type without parameters, lower case. */
  readonly type: string;
  readonly retryAfter: string | undefined;
  readonly body: Buffer;
}

/** Statuses after which the same request may succeed (OTLP specification, Retryable Response Codes). */
const RETRYABLE = new Set([429, 502, 503, 504]);

/** Content Too Large (RFC 9110, 15.5.14): smaller requests may be taken. */
const TOO_LARGE = 413;

/** Longer messages of a destination are cut. */
const MESSAGE_CHARS_MAX = 500;

/** What a status other than 2xx means for the batch. `nowMs` is for a Retry-After that is a date. */
export function errorOf(answer: Answer, where: string, nowMs: number): PipelineError {
  const said = statusIn(answer);
  const message = said.message.slice(0, MESSAGE_CHARS_MAX);
  const detail = `${where} answered ${answer.status}${message === '' ? '' : `: ${message}`}`;
  if (answer.status === TOO_LARGE) return new PipelineError('rejected_size', detail);
  if (!RETRYABLE.has(answer.status)) return new PipelineError('rejected', detail);
  const retryAfterMs = grantedPause(retryAfterMsOf(answer.retryAfter, nowMs) ?? said.retryDelayMs);
  return new PipelineError('busy', detail, retryAfterMs === undefined ? {} : { retryAfterMs });
}

/** What a 2xx says of the items; nothing where its body is of no form that is known. */
export function partialSuccessIn({ type, body }: Answer): PartialSuccess {
  try {
    if (type === 'application/x-protobuf') return decodeExportResponse(body);
    if (type === 'application/json') return partialSuccessInJson(body);
  } catch (error) {
    return { rejected: 0, message: `unreadable answer: ${(error as Error).message}` };
  }
  return { rejected: 0, message: '' };
}

/** Retry-After in ms (RFC 9110, 10.2.3: seconds or a date); undefined where it says nothing. */
export function retryAfterMsOf(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  // A date begins with its day (RFC 9110, 5.6.7); Node would also take "-1" for one.
  const dateMs = /^[A-Z]/i.test(header) ? Date.parse(header) : Number.NaN;
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}

function partialSuccessInJson(body: Buffer): PartialSuccess {
  if (body.length === 0) return { rejected: 0, message: '' };
  const said = JSON.parse(body.toString('utf8')) as { partialSuccess?: Record<string, unknown> | null } | null;
  const partialSuccess = said?.partialSuccess ?? {};
  const rejected =
    partialSuccess['rejectedSpans'] ?? partialSuccess['rejectedDataPoints'] ?? partialSuccess['rejectedLogRecords'];
  const count = Number(rejected ?? 0);
  return {
    rejected: Number.isSafeInteger(count) && count > 0 ? count : 0,
    message: String(partialSuccess['errorMessage'] ?? ''),
  };
}

function statusIn({ type, body }: Answer): RpcStatus {
  try {
    if (type === 'application/x-protobuf') return decodeStatus(body);
    if (type === 'application/json') {
      // What stands between may answer anything, also null.
      const message = (JSON.parse(body.toString('utf8')) as { message?: unknown } | null)?.message;
      return { code: 0, message: typeof message === 'string' ? message : '' };
    }
  } catch (error) {
    // The HTTP status has said what matters.
    if (error instanceof WireError || error instanceof SyntaxError) return { code: 0, message: '' };
    throw error;
  }
  return { code: 0, message: type.startsWith('text/plain') ? body.toString('utf8').trim() : '' };
}
