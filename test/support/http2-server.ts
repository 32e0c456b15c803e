import type { AddressInfo } from 'node:net';
import { headerBlock } from '../../pipeline/http2/header-encoder.ts';
import { Http2Server } from '../../pipeline/http2/server.ts';
import type { ServerLimits } from '../../pipeline/http2/server-connection.ts';
import type { ServerStream } from '../../pipeline/http2/server-stream.ts';

export interface Http2TestServer {
  readonly port: number;
  /** Of each request, once it is over. */
  readonly requests: { readonly stream: ServerStream; readonly body: Buffer; readonly isComplete: boolean }[];
  close(): Promise<void>;
}

const OK = headerBlock({ ':status': '200', 'content-type': 'text/plain' });
const TRAILERS = headerBlock({ 'x-done': 'yes' });

/** Answers each request, `delayMs` after it was complete, with `answer`, or with its own body where none is told. */
export async function http2Server(
  limits: Partial<ServerLimits> = {},
  answer?: Buffer,
  delayMs = 0,
  port = 0,
): Promise<Http2TestServer> {
  const requests: Http2TestServer['requests'] = [];
  const server = new Http2Server(
    { windowBytes: 1024 * 1024, headerListBytes: 16_384, streamsMax: 100, helloMs: 5000, ...limits },
    (stream) => {
      const pieces: Buffer[] = [];
      stream.listen({
        data: (bytes, start, end) => void pieces.push(Buffer.from(bytes.subarray(start, end))),
        end() {
          const reply = (): void => stream.answer(OK, answer ?? Buffer.concat(pieces), TRAILERS);
          if (delayMs === 0) reply();
          else setTimeout(reply, delayMs);
        },
        closed: (isComplete) => void requests.push({ stream, body: Buffer.concat(pieces), isComplete }),
      });
    },
  );
  await new Promise<void>((resolve) => server.server.listen(port, '127.0.0.1', resolve));
  const bound = server.server.address() as AddressInfo;
  return { port: bound.port, requests, close: () => server.close(AbortSignal.timeout(2000)) };
}
