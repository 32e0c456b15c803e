/** A load generator that sends pre-encoded OTLP requests over gRPC, as fast as the server answers. */
import { type ClientHttp2Session, connect, constants } from 'node:http2';

const PATH = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';

export interface Load {
  readonly port: number;
  /** Encoded requests, sent in turn. */
  readonly requests: readonly Uint8Array[];
  readonly connections: number;
  /** Requests under way at once on each connection. */
  readonly streams: number;
  /** How many requests to send in all. */
  readonly total: number;
}

/** Sends all of them; rejects at the first answer that is not OK. */
export async function sendAll({ port, requests, connections, streams, total }: Load): Promise<void> {
  const frames = requests.map((body) => framed(body));
  const sessions = Array.from({ length: connections }, () =>
    connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 1 << 20 } }),
  );
  let next = 0;
  const work = async (session: ClientHttp2Session): Promise<void> => {
    while (next < total) await send(session, frames[next++ % frames.length] as Buffer);
  };
  await Promise.all(sessions.flatMap((session) => Array.from({ length: streams }, () => work(session))));
  for (const session of sessions) session.close();
}

function send(session: ClientHttp2Session, frame: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: PATH,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let status: unknown;
    stream.on('response', (headers) => {
      status = headers['grpc-status'] ?? status;
    });
    stream.on('trailers', (trailers) => {
      status = trailers['grpc-status'] ?? status;
    });
    stream.on('error', reject);
    stream.on('end', () => {
      if (String(status) === '0') resolve();
      else reject(new Error(`the server answered gRPC status ${String(status)}`));
    });
    stream.resume();
    stream.end(frame);
  });
}

/** The five bytes in front of a gRPC message: not compressed, and its length. */
function framed(body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(body.length + 5);
  frame[0] = 0;
  frame.writeUInt32BE(body.length, 1);
  frame.set(body, 5);
  return frame;
}
