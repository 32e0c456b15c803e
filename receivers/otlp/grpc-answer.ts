import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { PipelineError } from '../../pipeline/errors.ts';
import { statusOf } from '../../pipeline/otlp-answer.ts';
import { encodeStatus, type RpcStatus } from '../../proto/google/status.ts';

const HEADERS: OutgoingHttpHeaders = {
  ':status': 200,
  'content-type': 'application/grpc+proto',
  'grpc-accept-encoding': 'identity,gzip,zstd',
};
const OK_TRAILERS: OutgoingHttpHeaders = { 'grpc-status': '0' };
const WAIT_FOR_TRAILERS = { waitForTrailers: true };
const END_STREAM = { endStream: true };

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
export function answerOk(stream: ServerHttp2Stream, framed: Buffer): void {
  if (stream.destroyed || stream.closed || stream.headersSent) return;
  stream.respond(HEADERS, WAIT_FOR_TRAILERS);
  stream.once('wantTrailers', sendOkTrailers);
  stream.end(framed);
}

/** Answers with an error alone (gRPC: Trailers-Only), and lets go of what the client still sends. */
export function answerError(stream: ServerHttp2Stream, error: PipelineError): void {
  answerStatus(stream, statusOf(error));
}

/** The same with a status that is not one of the table of errors. */
export function answerStatus(stream: ServerHttp2Stream, status: RpcStatus): void {
  if (stream.destroyed || stream.closed || stream.headersSent) return;
  stream.respond(
    {
      ...HEADERS,
      'grpc-status': String(status.code),
      'grpc-message': percentEncode(status.message),
      'grpc-status-details-bin': Buffer.from(encodeStatus(status)).toString('base64'),
    },
    END_STREAM,
  );
  letGo(stream);
}

/** Answers what is not gRPC, by its HTTP status alone. */
export function answerHttp(stream: ServerHttp2Stream, status: number, text: string): void {
  stream.respond({ ':status': status, 'content-type': 'text/plain' });
  stream.end(`${text}\n`);
  letGo(stream);
}

/** The answer is complete before the request is: NO_ERROR asks the client to stop (RFC 9113, 8.1). */
function letGo(stream: ServerHttp2Stream): void {
  stream.resume();
  if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
}

function sendOkTrailers(this: ServerHttp2Stream): void {
  this.sendTrailers(OK_TRAILERS);
}

/** The encoding of grpc-message (gRPC over HTTP2, Percent-Encoded): all but printable ASCII, and the percent sign. */
export function percentEncode(text: string): string {
  let encoded = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
