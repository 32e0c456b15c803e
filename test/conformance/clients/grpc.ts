/** A gRPC client on bare HTTP/2 (gRPC over HTTP2, the protocol's own document): what it reads is what was on the wire. */
import type { ClientHttp2Session } from 'node:http2';
import { buffer } from 'node:stream/consumers';
import { type Status, statusOfProtobuf } from '../wire/status.ts';
import { connected } from './http2-session.ts';
import type { Security } from './security.ts';
import { sendPieces } from './send.ts';

export interface GrpcCall {
  readonly path: string;
  /** The message, before its prefix. */
  readonly message: Uint8Array;
  readonly isCompressed?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  /** Resolves when the second half of the message may go. */
  readonly halfway?: Promise<void>;
}

export interface GrpcAnswer {
  readonly httpStatus: number;
  readonly contentType: string;
  /** `grpc-status`; -1 where there is none. */
  readonly code: number;
  readonly message: string;
  /** From `grpc-status-details-bin`; undefined where there is none. */
  readonly details: Status | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** The bytes of the answer, with the prefixes of its messages. */
  readonly body: Buffer;
}

export const CODES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

export class GrpcClient {
  readonly #address: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #security: Security | undefined;
  #session: Promise<ClientHttp2Session> | undefined;

  /** `headers` go with every call. */
  constructor(address: string, headers: Readonly<Record<string, string>> = {}, security?: Security) {
    this.#headers = headers;
    this.#security = security;
    this.#address = address;
  }

  /** Rejects with a plain sentence where no answer came. */
  async call(call: GrpcCall): Promise<GrpcAnswer> {
    const session = await this.#connected();
    return new Promise((resolve, reject) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': call.path,
        'content-type': 'application/grpc',
        te: 'trailers',
        // As the clients of gRPC do that compress: servers of grpc-go answer in the request's compression.
        'grpc-accept-encoding': 'identity,gzip',
        ...this.#headers,
        ...call.headers,
      });
      const got: Record<string, string> = {};
      const keep = (headers: object): void => {
        for (const [name, value] of Object.entries(headers)) got[name] = String(value);
      };
      const body = buffer(stream).catch(() => Buffer.alloc(0));
      stream
        .on('response', keep)
        .on('trailers', keep)
        .on('error', () => {});
      stream.on('close', () => {
        if (got[':status'] === undefined) reject(new Error(`no answer: the stream was reset with ${stream.rstCode}`));
        else body.then((read) => resolve(answerOf(got, read)), reject);
      });
      // After an answer that came early the rest is not wanted. A reset without an error leaves the stream open in Node,
      // which waits for a window that the server will not open; so it is ended here, once the trailers are read.
      const drop = (): void => void (stream.writableFinished ? undefined : stream.destroy());
      stream.on('end', () => setImmediate(drop));
      const framed = prefixed(call.message, call.isCompressed);
      if (call.halfway === undefined) void sendPieces(stream, framed, () => got[':status'] !== undefined);
      else {
        stream.write(framed.subarray(0, framed.length >> 1));
        void call.halfway.then(() => stream.end(framed.subarray(framed.length >> 1)));
      }
    });
  }

  close(): void {
    void this.#session?.then(
      (session) => session.destroy(),
      () => {},
    );
    this.#session = undefined;
  }

  async #connected(): Promise<ClientHttp2Session> {
    const session = await (this.#session ??= connected(this.#address, this.#security));
    if (!session.closed && !session.destroyed) return session;
    return (this.#session = connected(this.#address, this.#security));
  }
}

/** Length-Prefixed-Message: the compressed flag, four bytes of length, the message. */
export function prefixed(message: Uint8Array, isCompressed = false): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = isCompressed ? 1 : 0;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function answerOf(headers: Record<string, string>, body: Buffer): GrpcAnswer {
  const details = headers['grpc-status-details-bin'];
  return {
    httpStatus: Number(headers[':status']),
    contentType: headers['content-type'] ?? '',
    code: Number(headers['grpc-status'] ?? -1),
    message: decoded(headers['grpc-message'] ?? ''),
    details: details === undefined ? undefined : readDetails(details),
    headers,
    body,
  };
}

function readDetails(header: string): Status | undefined {
  try {
    return statusOfProtobuf(Buffer.from(header, 'base64'));
  } catch {
    return undefined;
  }
}

function decoded(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}
