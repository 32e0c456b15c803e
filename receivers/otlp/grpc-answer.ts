import type { PipelineError } from '../../pipeline/errors.ts';
import { headerBlock } from '../../pipeline/http2/header-encoder.ts';
import type { ServerStream } from '../../pipeline/http2/server-stream.ts';
import { statusOf } from '../../pipeline/otlp-answer.ts';
import { encodeStatus, type RpcStatus } from '../../proto/google/status.ts';

const HEADERS = {
  ':status': '200',
  'content-type': 'application/grpc+proto',
  'grpc-accept-encoding': 'identity,gzip,zstd',
};
const OK_HEADERS = headerBlock(HEADERS);
const OK_TRAILERS = headerBlock({ 'grpc-status': '0' });

/** Longer messages are cut: what a client takes of headers is little, and they may hold what it has sent. */
const MESSAGE_CHARS_MAX = 1000;

/** A message of no bytes: an Export response that says everything was accepted. */
export const EMPTY_MESSAGE = Buffer.from([0, 0, 0, 0, 0]);

/** A message that is not compressed, with its prefix. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(5 + message.length);
  framed.writeUInt8(0, 0);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, 5);
  return framed;
}

/** Answers with one framed message and the status OK. Does nothing where the client went away. */
export function answerOk(stream: ServerStream, framed: Buffer): void {
  stream.answer(OK_HEADERS, framed, OK_TRAILERS);
}

/** Answers with an error alone (gRPC: Trailers-Only), and lets go of what the client still sends. */
export function answerError(stream: ServerStream, error: PipelineError): void {
  answerStatus(stream, statusOf(error));
}

/** The same with a status that is not one of the table of errors. */
export function answerStatus(stream: ServerStream, told: RpcStatus): void {
  const status = { ...told, message: told.message.slice(0, MESSAGE_CHARS_MAX) };
  stream.answer(
    headerBlock({
      ...HEADERS,
      'grpc-status': String(status.code),
      'grpc-message': percentEncode(status.message),
      'grpc-status-details-bin': Buffer.from(encodeStatus(status)).toString('base64'),
    }),
  );
}

/** Answers what is not gRPC, by its HTTP status alone. */
export function answerHttp(stream: ServerStream, status: number, text: string): void {
  stream.answer(headerBlock({ ':status': String(status), 'content-type': 'text/plain' }), Buffer.from(`${text}\n`));
}

/**
 * The encoding of grpc-message (gRPC over HTTP2, Percent-Encoded): all but printable ASCII, and the percent sign. Whoever
 * sends what is refused has it encoded, a few bytes of theirs for thousands of ours: byte by byte that would stop the thread.
 */
export function percentEncode(text: string): string {
  return text.toWellFormed().replace(/[^\x20-\x24\x26-\x7e]+/g, encodeURIComponent);
}
