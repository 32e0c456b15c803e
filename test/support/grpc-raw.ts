import { type ClientHttp2Session, connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { decodeStatus, type RpcStatus } from '../../proto/google/status.ts';
import { EXPORT_METHODS } from '../../proto/otlp/export.ts';

/** What came back of a raw gRPC call: trailers and headers in one, and the bytes of the messages. */
export interface RawAnswer {
  readonly httpStatus: number;
  /** `grpc-status`; -1 where there was none. */
  readonly code: number;
  readonly message: string;
  /** From `grpc-status-details-bin`. */
  readonly details: RpcStatus | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface RawCall {
  readonly path?: string;
  readonly headers?: OutgoingHttpHeaders;
  /** What to send, piece by piece. */
  readonly pieces?: readonly Uint8Array[];
  /** Whether the request ends after its pieces; true unless told. */
  readonly ends?: boolean;
  /** Resets the stream after the pieces. */
  readonly resets?: boolean;
}

/** A message with its prefix; `claimedLength` where it lies. */
export function framed(message: Uint8Array, flag = 0, claimedLength = message.length): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flag, 0);
  prefix.writeUInt32BE(claimedLength, 1);
  return Buffer.concat([prefix, message]);
}

/** A client that says on HTTP/2 whatever it is told to. */
export class RawGrpc {
  readonly session: ClientHttp2Session;

  constructor(address: string) {
    this.session = connect(`http://${address}`);
    this.session.on('error', () => {});
  }

  /** Rejects where the stream was reset before an answer. */
  call({
    path = EXPORT_METHODS.traces,
    headers = {},
    pieces = [],
    ends = true,
    resets = false,
  }: RawCall): Promise<RawAnswer> {
    return new Promise((resolve, reject) => {
      const stream = this.session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      });
      const got: IncomingHttpHeaders = {};
      const body: Buffer[] = [];
      stream.on('response', (response) => Object.assign(got, response));
      stream.on('trailers', (trailers) => Object.assign(got, trailers));
      stream.on('data', (piece: Buffer) => body.push(piece));
      stream.on('error', (error) => (got[':status'] === undefined ? reject(error) : undefined));
      stream.on('close', () => {
        if (got[':status'] === undefined) reject(new Error(`reset with ${stream.rstCode}`));
        else resolve(answerOf(got, Buffer.concat(body)));
      });
      void this.#send(stream, pieces).then(() => {
        if (resets) stream.destroy(new Error('reset by the test'));
        else if (ends) stream.end();
      });
    });
  }

  close(): void {
    this.session.destroy();
  }

  async #send(stream: NodeJS.WritableStream, pieces: readonly Uint8Array[]): Promise<void> {
    for (const piece of pieces) {
      stream.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

function answerOf(headers: IncomingHttpHeaders, body: Buffer): RawAnswer {
  const details = headers['grpc-status-details-bin'] as string | undefined;
  return {
    httpStatus: Number(headers[':status']),
    code: Number(headers['grpc-status'] ?? -1),
    message: decodeURIComponent((headers['grpc-message'] as string | undefined) ?? ''),
    details: details === undefined ? undefined : decodeStatus(Buffer.from(details, 'base64')),
    headers,
    body,
  };
}
