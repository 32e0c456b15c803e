import type { ServerResponse } from 'node:http';
import type { Http2ServerResponse } from 'node:http2';
import type { PipelineError } from '../../pipeline/errors.ts';
import { pauseOf, statusOf } from '../../pipeline/otlp-answer.ts';
import { encodeStatus, statusToJson } from '../../proto/google/status.ts';

export type Response = ServerResponse | Http2ServerResponse;

/** The two forms of OTLP over HTTP. */
export type Form = 'protobuf' | 'json';

const TYPES = { protobuf: 'application/x-protobuf', json: 'application/json' } as const satisfies Record<Form, string>;

/** Full success, where partial_success is not set. */
const SUCCESS = { protobuf: '', json: '{}' } as const satisfies Record<Form, string>;

export function answerSuccess(response: Response, form: Form): void {
  answer(response, 200, TYPES[form], SUCCESS[form]);
}

/** Answers with a google.rpc.Status in the request's form; with Retry-After (RFC 9110, 10.2.3) where a retry helps. */
export function answerError(response: Response, error: PipelineError, form: Form): void {
  const pauseMs = pauseOf(error);
  if (pauseMs !== undefined && !response.headersSent) {
    response.setHeader('retry-after', String(Math.max(1, Math.ceil(pauseMs / 1000))));
  }
  const status = statusOf(error);
  answer(
    response,
    error.row.http,
    TYPES[form],
    form === 'json' ? Buffer.from(statusToJson(status)) : encodeStatus(status),
  );
}

/** Does nothing where there was an answer already, or the client went away. */
function answer(response: Response, status: number, type: string, body: Uint8Array | string): void {
  if (response.headersSent || response.destroyed) return;
  response.statusCode = status;
  response.setHeader('content-type', type);
  response.setHeader('content-length', body.length);
  // Text goes out in one piece with the headers, which a buffer does not: success is text, of ASCII.
  // Both responses have the method, with signatures that TypeScript cannot join.
  (response as ServerResponse).end(body);
}
