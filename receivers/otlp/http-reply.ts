import type { PipelineError } from '../../pipeline/errors.ts';
import { headerBlock } from '../../pipeline/http2/header-encoder.ts';
import { pauseOf, statusOf } from '../../pipeline/otlp-answer.ts';
import { encodeStatus, statusToJson } from '../../proto/google/status.ts';
import type { TelemetrySignal } from '../../pipeline/batch.ts';
import { encodeExportResponse, exportResponseToJson, type PartialSuccess } from '../../proto/otlp/export.ts';

/** The two forms of OTLP over HTTP. */
export type Form = 'protobuf' | 'json';

export type Fields = Readonly<Record<string, string>>;

const TYPES = { protobuf: 'application/x-protobuf', json: 'application/json' } as const satisfies Record<Form, string>;

/** An answer, in the form that each version of HTTP wants; made once for answers that are always the same. */
export class Reply {
  readonly status: number;
  /** By names in lower case, the content-length among them. */
  readonly fields: Fields;
  /** Text is ASCII. */
  readonly body: string | Uint8Array;
  #head: string | undefined;
  #block: Buffer | undefined;

  constructor(status: number, fields: Fields, body: string | Uint8Array = '') {
    this.status = status;
    this.fields = status === 204 ? fields : { ...fields, 'content-length': String(body.length) };
    this.body = body;
  }

  /** Status line and fields of HTTP/1.1, each with the end of its line. */
  get head(): string {
    this.#head ??= Object.entries(this.fields).reduce(
      (head, [name, value]) => `${head}${name}: ${value}\r\n`,
      `HTTP/1.1 ${this.status} ${reasonOf(this.status)}\r\n`,
    );
    return this.#head;
  }

  /** The header block of HTTP/2. */
  get block(): Buffer {
    this.#block ??= headerBlock({ ':status': String(this.status), ...this.fields });
    return this.#block;
  }

  /** The same answer with more fields. */
  with(fields: Fields): Reply {
    return new Reply(this.status, { ...this.fields, ...fields }, this.body);
  }
}

/** Loads `node:http` only where something went wrong: a process that needs nothing else of it is smaller without. */
function reasonOf(status: number): string {
  return status === 200 ? 'OK' : (process.getBuiltinModule('node:http').STATUS_CODES[status] ?? '');
}

/** Full success, where partial_success is not set. */
export const SUCCESS: Readonly<Record<Form, Reply>> = {
  protobuf: new Reply(200, { 'content-type': TYPES.protobuf }),
  json: new Reply(200, { 'content-type': TYPES.json }, '{}'),
};

/** Success but for some items (OTLP, Partial Success). */
export function partialReply(refused: PartialSuccess, signal: TelemetrySignal, form: Form): Reply {
  return new Reply(
    200,
    { 'content-type': TYPES[form] },
    form === 'json' ? Buffer.from(exportResponseToJson(refused, signal)) : encodeExportResponse(refused),
  );
}

/** A google.rpc.Status in the request's form; with Retry-After (RFC 9110, 10.2.3) where a retry helps. */
export function errorReply(error: PipelineError, form: Form): Reply {
  const pauseMs = pauseOf(error);
  const retry = pauseMs === undefined ? undefined : String(Math.max(1, Math.ceil(pauseMs / 1000)));
  const status = statusOf(error);
  return new Reply(
    error.row.http,
    { 'content-type': TYPES[form], ...(retry !== undefined && { 'retry-after': retry }) },
    form === 'json' ? Buffer.from(statusToJson(status)) : encodeStatus(status),
  );
}
