import type { AddressInfo } from 'node:net';
import { headerBlock } from '../../pipeline/http2/header-encoder.ts';
import { Http2Server } from '../../pipeline/http2/server.ts';

const LIMITS = { windowBytes: 8 << 20, headerListBytes: 16 * 1024, streamsMax: 1000, helloMs: 10_000 };
const HEADERS = headerBlock({ ':status': '200', 'content-type': 'application/grpc' });
const TRAILERS = headerBlock({ 'grpc-status': '0' });
/** An empty Export response. */
const EMPTY = Buffer.alloc(5);

/**
 * Takes everything over gRPC and forgets it, on an HTTP/2 that costs little: what it takes of the two cores, the server
 * that is measured lacks. Returns the port.
 */
export async function startSink(): Promise<number> {
  const { server } = new Http2Server(LIMITS, (stream) =>
    stream.listen({ data() {}, end: () => stream.answer(HEADERS, EMPTY, TRAILERS), closed() {} }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  return (server.address() as AddressInfo).port;
}
