import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The least that a server on `node:http` can do: one copy of the body as it comes. Resolves to the port. */
export function nodeHttpServer(take: (message: Uint8Array) => void): Promise<number> {
  const server = createServer((request, response) => {
    const message = Buffer.allocUnsafeSlow(Number(request.headers['content-length']));
    let length = 0;
    request.on('data', (piece: Buffer) => {
      length += piece.copy(message, length);
    });
    request.on('end', () => {
      take(message);
      response.writeHead(200, { 'content-type': 'application/x-protobuf', 'content-length': '0' }).end();
    });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}
