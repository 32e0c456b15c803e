import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';

const WINDOW_BYTES = 8 * 1024 * 1024;
const PREFIX_BYTES = 5;
const EMPTY_MESSAGE = Buffer.alloc(PREFIX_BYTES);

/** The least that a unary gRPC server on `node:http2` can do: one copy of the message as it comes. Resolves to the port. */
export function nodeHttp2Server(take: (message: Uint8Array) => void): Promise<number> {
  const server = createServer({ settings: { initialWindowSize: WINDOW_BYTES } });
  server.on('session', (session) => session.setLocalWindowSize(WINDOW_BYTES));
  server.on('stream', (stream) => serve(stream, take));
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

function serve(stream: ServerHttp2Stream, take: (message: Uint8Array) => void): void {
  let message: Buffer | undefined;
  let length = 0;
  stream.on('data', (piece: Buffer) => {
    // The prefix comes in the first piece: this is a benchmark, of a client that is known.
    const part = message === undefined ? piece.subarray(PREFIX_BYTES) : piece;
    message ??= Buffer.allocUnsafeSlow(piece.readUInt32BE(1));
    length += part.copy(message, length);
  });
  stream.on('end', () => {
    take(message ?? EMPTY_MESSAGE.subarray(PREFIX_BYTES));
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(EMPTY_MESSAGE);
  });
  stream.on('error', () => {});
}
