import { BYTES, Reader, VARINT } from '../wire/reader.ts';
import { Writer } from '../wire/writer.ts';

/** google.rpc.Status with the details that OTLP uses (google/rpc/status.proto, google/rpc/error_details.proto). */
export interface RpcStatus {
  /** A gRPC status code. */
  readonly code: number;
  readonly message: string;
  /** RetryInfo.retry_delay, ms. Undefined: no RetryInfo. */
  readonly retryDelayMs?: number;
  /** BadRequest.field_violations. Undefined: no BadRequest. */
  readonly violations?: readonly FieldViolation[];
}

export interface FieldViolation {
  /** Which part of the request; empty for all of it. */
  readonly field: string;
  readonly description: string;
}

const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';
const BAD_REQUEST = 'type.googleapis.com/google.rpc.BadRequest';

/**
 * ```
 * Status    code = 1 int32, message = 2 string, details = 3 repeated Any
 * Any       type_url = 1 string, value = 2 bytes
 * RetryInfo retry_delay = 1 Duration;  Duration seconds = 1 int64, nanos = 2 int32
 * BadRequest field_violations = 1 repeated;  FieldViolation field = 1 string, description = 2 string
 * ```
 */
export function encodeStatus(status: RpcStatus): Uint8Array {
  const out = new Writer();
  out.varintField(1, status.code);
  if (status.message !== '') out.stringField(2, status.message);
  if (status.retryDelayMs !== undefined) writeAny(out, RETRY_INFO, encodeRetryInfo(status.retryDelayMs));
  if (status.violations !== undefined) writeAny(out, BAD_REQUEST, encodeBadRequest(status.violations));
  return out.finish();
}

/** The same message in the JSON mapping of proto3, as OTLP over HTTP with JSON answers. */
export function statusToJson(status: RpcStatus): string {
  const details: unknown[] = [];
  if (status.retryDelayMs !== undefined) {
    details.push({ '@type': RETRY_INFO, retryDelay: `${status.retryDelayMs / 1000}s` });
  }
  if (status.violations !== undefined) details.push({ '@type': BAD_REQUEST, fieldViolations: status.violations });
  return JSON.stringify({ code: status.code, message: status.message, ...(details.length > 0 && { details }) });
}

/** Reads a Status; details of other types are passed over. Throws `WireError` where it is malformed. */
export function decodeStatus(bytes: Uint8Array): RpcStatus {
  const reader = new Reader(bytes);
  let code = 0;
  let message = '';
  let retryDelayMs: number | undefined;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | VARINT)) code = reader.varint();
    else if (tag === ((2 << 3) | BYTES)) message = readString(reader);
    else if (tag === ((3 << 3) | BYTES)) retryDelayMs = readRetryDelay(readBytes(reader)) ?? retryDelayMs;
    else reader.skip(tag & 7);
  }
  return retryDelayMs === undefined ? { code, message } : { code, message, retryDelayMs };
}

function writeAny(out: Writer, typeUrl: string, value: Uint8Array): void {
  const any = new Writer();
  any.stringField(1, typeUrl);
  any.bytesField(2, value);
  out.bytesField(3, any.finish());
}

function encodeRetryInfo(delayMs: number): Uint8Array {
  const duration = new Writer(16);
  duration.varintField(1, Math.floor(delayMs / 1000));
  duration.varintField(2, Math.round((delayMs % 1000) * 1e6));
  const info = new Writer(24);
  info.bytesField(1, duration.finish());
  return info.finish();
}

function encodeBadRequest(violations: readonly FieldViolation[]): Uint8Array {
  const out = new Writer();
  for (const { field, description } of violations) {
    const violation = new Writer();
    if (field !== '') violation.stringField(1, field);
    violation.stringField(2, description);
    out.bytesField(1, violation.finish());
  }
  return out.finish();
}

/** The delay of an Any that holds a RetryInfo, ms; undefined for any other. */
function readRetryDelay(any: Uint8Array): number | undefined {
  const reader = new Reader(any);
  let typeUrl = '';
  let value: Uint8Array = new Uint8Array();
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | BYTES)) typeUrl = readString(reader);
    else if (tag === ((2 << 3) | BYTES)) value = readBytes(reader);
    else reader.skip(tag & 7);
  }
  if (typeUrl !== RETRY_INFO) return undefined;
  const info = new Reader(value);
  let delayMs = 0;
  while (info.pos < info.end) {
    const tag = info.tag();
    if (tag === ((1 << 3) | BYTES)) delayMs = readDurationMs(readBytes(info));
    else info.skip(tag & 7);
  }
  return delayMs;
}

function readDurationMs(bytes: Uint8Array): number {
  const reader = new Reader(bytes);
  let ms = 0;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | VARINT)) ms += reader.varint() * 1000;
    else if (tag === ((2 << 3) | VARINT)) ms += reader.varint() / 1e6;
    else reader.skip(tag & 7);
  }
  return ms;
}

function readBytes(reader: Reader): Uint8Array {
  const length = reader.length();
  const start = reader.pos;
  reader.pos += length;
  return reader.bytes.subarray(start, reader.pos);
}

function readString(reader: Reader): string {
  return Buffer.from(readBytes(reader)).toString('utf8');
}
