/**
 * The one table of errors. Whatever goes wrong anywhere is one of these codes; what a caller on gRPC, HTTP or the
 * command line sees of it is read off the row, never decided on the spot. `docs/errors.md` lists the same rows.
 */
import type { ErrorRow } from './error-row.ts';
import { GRPC } from './grpc-codes.ts';
const permanent = { retryable: false, exit: 1 } as const;
const retryable = { retryable: true, exit: 1 } as const;
const unavailable = { ...retryable, grpc: GRPC.unavailable, http: 503 } as const;

export const ERRORS = {
  // What a client sent.
  malformed: {
    ...permanent,
    what: 'the request cannot be decoded',
    todo: 'send a valid OTLP Export request; it was not accepted and a retry will not help',
    grpc: GRPC.invalid_argument,
    http: 400,
  },
  too_large: {
    ...permanent,
    what: 'the request is larger than this receiver allows',
    todo: 'send smaller batches, or raise the limit where a key is named',
    grpc: GRPC.resource_exhausted,
    http: 413,
  },
  item_too_large: {
    ...permanent,
    what: 'a span, data point or log record is larger than this receiver allows',
    todo: 'send less in it, such as shorter attributes and bodies, or raise max_item_size',
    grpc: GRPC.resource_exhausted,
    http: 413,
  },
  bad_content_type: {
    ...permanent,
    what: 'the content type is not supported',
    todo: 'use application/x-protobuf or application/json',
    grpc: GRPC.invalid_argument,
    http: 415,
  },
  bad_encoding: {
    ...permanent,
    what: 'the content encoding is not supported',
    todo: 'use gzip, zstd, deflate (HTTP only) or none',
    grpc: GRPC.unimplemented,
    http: 415,
  },
  bad_method: {
    ...permanent,
    what: 'the HTTP method is not supported',
    todo: 'use POST',
    grpc: GRPC.unimplemented,
    http: 405,
  },
  unknown_path: {
    ...permanent,
    what: 'there is nothing at this path',
    todo: 'use a path that this receiver serves, by default /v1/traces, /v1/metrics or /v1/logs, for a signal that a pipeline takes',
    grpc: GRPC.unimplemented,
    http: 404,
  },
  cancelled: {
    ...retryable,
    what: 'the caller went away before the answer',
    todo: 'retry',
    grpc: GRPC.cancelled,
    http: 499,
  },
  unauthenticated: {
    ...permanent,
    what: 'the client is not let in',
    todo: 'send the credentials that the authenticator of this receiver knows',
    grpc: GRPC.unauthenticated,
    http: 401,
  },
  auth_busy: {
    ...retryable,
    what: 'too many unknown credentials are being checked',
    todo: 'retry after the pause told; credentials that were right before are let in meanwhile',
    grpc: GRPC.unavailable,
    http: 503,
  },
  tenant_limit: {
    ...retryable,
    what: 'this tenant sends more than it may',
    todo: 'send less, or retry after the pause told; the limits are under tenants of the receiver',
    grpc: GRPC.unavailable,
    http: 429,
  },
  // What this process cannot take now.
  memory_limit: {
    ...unavailable,
    what: 'the memory limit is reached',
    todo: 'retry after the pause told; if it lasts, raise limit_mib or add replicas',
  },
  queue_full: {
    ...unavailable,
    what: 'the sending queue is full',
    todo: 'retry after the pause told; if it lasts, see why the exporter is slow or raise sending_queue.queue_size',
  },
  stopping: {
    ...unavailable,
    what: 'the process is shutting down',
    todo: 'retry against another instance',
  },
  reconfigured: {
    ...unavailable,
    what: 'the configuration was changed meanwhile',
    todo: 'retry; if it is refused then, the new configuration has no place for it',
  },
  // What the other side of an exporter said.
  unreachable: {
    ...retryable,
    what: 'the destination cannot be reached',
    todo: 'check that it runs and that the endpoint is right; delivery goes on by itself once it answers',
    grpc: GRPC.unavailable,
    http: 503,
  },
  timeout: {
    ...retryable,
    what: 'the destination did not answer in time',
    todo: 'check its load, or raise timeout',
    grpc: GRPC.deadline_exceeded,
    http: 504,
  },
  busy: {
    ...retryable,
    what: 'the destination does not take it now',
    todo: 'nothing: delivery goes on after a pause, which is as long as it asked for, if it did',
    grpc: GRPC.unavailable,
    http: 503,
  },
  unauthorized: {
    ...retryable,
    what: 'the Kafka brokers do not let us in',
    todo: 'check credentials and permissions; delivery goes on by itself once they are right',
    grpc: GRPC.unavailable,
    http: 503,
  },
  rejected: {
    ...permanent,
    what: 'the destination refused the data for good',
    todo: 'read its answer, which over OTLP may also be that credentials (401) or the path (404) are wrong; the data is counted as dropped',
    grpc: GRPC.invalid_argument,
    http: 400,
  },
  rejected_size: {
    ...permanent,
    what: 'the destination takes only smaller requests',
    todo: 'nothing, as long as there is more than one item: halves are sent; else raise the limit of the destination',
    grpc: GRPC.resource_exhausted,
    http: 413,
  },
  queue_overflow: {
    ...permanent,
    what: 'the sending queue was full, and what waited longest gave way',
    todo: 'see why the exporter is slow, raise sending_queue.queue_size, or set when_full: refuse',
    grpc: GRPC.internal,
    http: 500,
  },
  abandoned: {
    ...permanent,
    what: 'the process stopped before it was delivered',
    todo: 'raise service.shutdown_timeout, or see why the destination does not answer',
    grpc: GRPC.internal,
    http: 500,
  },
  // What the machine does not give.
  port_in_use: {
    ...permanent,
    what: 'the address is already in use',
    todo: 'stop the other process or choose another endpoint',
    grpc: GRPC.failed_precondition,
    http: 500,
  },
  cannot_listen: {
    ...permanent,
    what: 'cannot listen on the address',
    todo: 'check the endpoint and the permissions',
    grpc: GRPC.failed_precondition,
    http: 500,
  },
  cannot_share_port: {
    ...permanent,
    what: 'several threads cannot listen on this address',
    todo: 'set service.workers to 1, or run on Linux with a port other than 0',
    grpc: GRPC.failed_precondition,
    http: 500,
  },
  worker_lost: {
    ...unavailable,
    what: 'an ingest worker ended by itself',
    todo: 'nothing at once: the others go on and it is started again, and clients send again what was not answered; if it repeats, report the error that stands here, or give it more memory where it ran out',
  },
  worker_silent: {
    ...unavailable,
    what: 'an ingest worker does not answer',
    todo: 'reload again once it does; where it never does, it hangs: restart Windback, and please report what it was given',
  },
  file_unreadable: {
    ...permanent,
    what: 'the file cannot be read',
    todo: 'check the path and the permissions',
    grpc: GRPC.failed_precondition,
    http: 500,
  },
  file_unwritable: {
    ...retryable,
    what: 'the file cannot be written',
    todo: 'check the path, the permissions and the free space',
    grpc: GRPC.unavailable,
    http: 503,
  },
  spool_damaged: {
    ...permanent,
    what: 'a batch in the queue on disk is damaged',
    todo: 'check the disk; the batch is counted as dropped, and the rest is delivered',
    grpc: GRPC.internal,
    http: 500,
  },
  spool_unreadable: {
    ...retryable,
    what: 'a batch in the queue on disk cannot be read now',
    todo: 'check the disk, the permissions and the limit of open files; the batch stays where it is and is tried again',
    grpc: GRPC.unavailable,
    http: 503,
  },
  state_damaged: {
    ...permanent,
    what: 'the file of the stored state is damaged, or not one of ours',
    todo: 'move it away to begin without what it remembered, or set recreate: true on file_storage, which does so by itself',
    grpc: GRPC.failed_precondition,
    http: 500,
  },
  state_newer: {
    ...permanent,
    what: 'the stored state was written by a newer Windback',
    todo: 'run that version again, or point file_storage at another directory to begin without it',
    grpc: GRPC.failed_precondition,
    http: 500,
  },
  state_locked: {
    ...permanent,
    what: 'the stored state is in use by another process',
    todo: 'stop the other process, or give each its own directory of file_storage',
    grpc: GRPC.failed_precondition,
    http: 500,
  },
  bad_certificate: {
    ...permanent,
    what: 'the certificate and its key cannot be used',
    todo: 'give a certificate and the private key that belongs to it, both as PEM',
    grpc: GRPC.failed_precondition,
    http: 500,
  },
  // What a person asked of the operator's API.
  api_invalid: {
    ...permanent,
    what: 'the request is not valid',
    todo: 'mend what is named; docs/operations.md shows every request',
    grpc: GRPC.invalid_argument,
    http: 400,
  },
  api_unauthenticated: {
    ...permanent,
    what: 'the token is missing or wrong',
    todo: 'send the header "Authorization: Bearer TOKEN" with the token of service.telemetry.admin; commands of windback take it from WINDBACK_ADMIN_TOKEN',
    grpc: GRPC.unauthenticated,
    http: 401,
  },
  api_forbidden: {
    ...permanent,
    what: 'the request is not allowed from there',
    todo: 'ask from the same machine by localhost, or set service.telemetry.admin.token and send it',
    grpc: GRPC.permission_denied,
    http: 403,
  },
  api_not_found: {
    ...permanent,
    what: 'there is no such thing',
    todo: 'choose one of those named',
    grpc: GRPC.not_found,
    http: 404,
  },
  api_method: {
    ...permanent,
    what: 'the method is not supported at this path',
    todo: 'use one of those named',
    grpc: GRPC.unimplemented,
    http: 405,
  },
  api_conflict: {
    ...permanent,
    what: 'the request can be understood in several ways',
    todo: 'say which one is meant',
    grpc: GRPC.failed_precondition,
    http: 409,
  },
  api_too_large: {
    ...permanent,
    what: 'the body is larger than 64 KiB',
    todo: 'send less',
    grpc: GRPC.resource_exhausted,
    http: 413,
  },
  api_content_type: {
    ...permanent,
    what: 'the request does not say that it is JSON',
    todo: 'send the header "content-type: application/json", also without a body, and no content-encoding',
    grpc: GRPC.invalid_argument,
    http: 415,
  },
  api_not_ready: {
    ...retryable,
    what: 'not everything has started yet',
    todo: 'ask again in a moment',
    grpc: GRPC.unavailable,
    http: 503,
  },
  api_unreachable: {
    ...retryable,
    what: 'no Windback answers there',
    todo: 'check that windback run is running, and give the address of its metrics with --endpoint',
    grpc: GRPC.unavailable,
    http: 503,
  },
  // What the operator wrote.
  usage: {
    ...permanent,
    what: 'the command line is not understood',
    todo: 'see --help',
    grpc: GRPC.internal,
    http: 500,
    exit: 2,
  },
  config: {
    ...permanent,
    what: 'the configuration is not valid',
    todo: 'mend the places named',
    grpc: GRPC.failed_precondition,
    http: 422,
    exit: 78,
  },
  reload_needs_restart: {
    ...permanent,
    what: 'nothing was changed, since some of it cannot change while Windback runs',
    todo: 'restart it for these, or take them back and reload',
    grpc: GRPC.failed_precondition,
    http: 409,
  },
  // What should never happen.
  internal: {
    ...permanent,
    what: 'a defect in Windback',
    todo: 'please report it with the lines around this one',
    grpc: GRPC.internal,
    http: 500,
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** The only error that crosses a component's border. */
export class PipelineError extends Error {
  readonly code: ErrorCode;
  /** What this occurrence was about: values, names, positions. */
  readonly detail: string;
  /** How long the caller should wait before it retries, ms. Only on retryable codes. */
  readonly retryAfterMs: number | undefined;
  /** How many items of the batch it is about, where the rest was delivered. Only on permanent codes, from an exporter. */
  readonly items: number | undefined;

  constructor(
    code: ErrorCode,
    detail: string,
    options: { cause?: unknown; retryAfterMs?: number; items?: number } = {},
  ) {
    super(`${ERRORS[code].what}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PipelineError';
    this.code = code;
    this.detail = detail;
    this.retryAfterMs = options.retryAfterMs;
    this.items = options.items;
  }

  get row(): ErrorRow {
    return ERRORS[this.code];
  }
}

/** Whatever was thrown, as a `PipelineError`: one passes through, anything else is a defect of ours. */
export function asPipelineError(thrown: unknown): PipelineError {
  if (thrown instanceof PipelineError) return thrown;
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  return new PipelineError('internal', detail, { cause: thrown });
}
