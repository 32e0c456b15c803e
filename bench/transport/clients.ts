/** Clients that send one request over and over until they are told to stop. A refusal is an error: it is not throughput. */
import { Agent, request as httpRequest } from 'node:http';
import { type ClientHttp2Session, connect } from 'node:http2';
import { EXPORT_METHODS, EXPORT_PATHS } from '../../proto/otlp/export.ts';

const CONNECTIONS = 4;
const CALLS_PER_CONNECTION = 4;

type IsOver = () => boolean;

/** Over gRPC, several requests at a time on a few connections. Resolves when all have stopped. */
export async function callGrpc(port: number, message: Uint8Array, isOver: IsOver): Promise<void> {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  const framed = Buffer.concat([prefix, message]);
  // Node's client refuses answers while it has more than 10 MB to send.
  const sessions = Array.from({ length: CONNECTIONS }, () =>
    connect(`http://127.0.0.1:${port}`, { maxSessionMemory: 1000 }),
  );
  const calls = Array.from({ length: CALLS_PER_CONNECTION }, () => sessions.map((one) => callOne(one, framed, isOver)));
  await Promise.all(calls.flat());
  for (const session of sessions) session.close();
}

async function callOne(session: ClientHttp2Session, framed: Buffer, isOver: IsOver): Promise<void> {
  const headers = {
    ':method': 'POST',
    ':path': EXPORT_METHODS.traces,
    'content-type': 'application/grpc',
    te: 'trailers',
  };
  while (!isOver()) {
    await new Promise<void>((resolve, reject) => {
      const stream = session.request(headers);
      stream.on('trailers', (trailers) => {
        if (trailers['grpc-status'] !== '0') reject(new Error(`refused: ${trailers['grpc-message']}`));
      });
      stream.on('error', reject);
      stream.on('close', resolve);
      stream.resume();
      stream.end(framed);
    });
  }
}

/** Over HTTP/1.1, one request at a time on as many connections as gRPC has calls. */
export async function postHttp1(port: number, message: Uint8Array, isOver: IsOver): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  await Promise.all(
    Array.from({ length: CONNECTIONS * CALLS_PER_CONNECTION }, () => postOne(agent, port, message, isOver)),
  );
  agent.destroy();
}

async function postOne(agent: Agent, port: number, message: Uint8Array, isOver: IsOver): Promise<void> {
  const headers = { 'content-type': 'application/x-protobuf', 'content-length': message.length };
  const options = { agent, host: '127.0.0.1', port, method: 'POST', path: EXPORT_PATHS.traces, headers };
  while (!isOver()) {
    await new Promise<void>((resolve, reject) => {
      const request = httpRequest(options, (response) => {
        if (response.statusCode !== 200) reject(new Error(`refused: ${response.statusCode}`));
        response.on('end', resolve).resume();
      });
      request.on('error', reject);
      request.end(message);
    });
  }
}
