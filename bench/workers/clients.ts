/** Clients with one long-lived connection each, that connect again when the server asks them to, and try again. */
import { type ClientHttp2Session, connect } from 'node:http2';
import { EXPORT_METHODS } from '../../proto/otlp/export.ts';
import { Http2Client } from '../../pipeline/http2/client.ts';
import { headerBlock } from '../../pipeline/http2/header-encoder.ts';
import { HttpLane } from '../load/http-lane.ts';

const PAUSE_MS = 20;
const TIMEOUT_MS = 60_000;
const NEVER = new AbortController().signal;
const CALL_HEADERS = headerBlock({
  ':method': 'POST',
  ':scheme': 'http',
  ':path': EXPORT_METHODS.traces,
  ':authority': '127.0.0.1',
  'content-type': 'application/grpc',
  te: 'trailers',
});

export interface Client {
  /** Resolves when the server has taken the body. */
  send(body: Buffer): Promise<void>;
  close(): void;
}

/** What clients have done together. */
export interface Effort {
  requests: number;
  retries: number;
  /** Over gRPC. */
  connections: number;
}

export function grpcClient(port: number, effort: Effort): Client {
  let session: ClientHttp2Session | undefined;
  const open = (): ClientHttp2Session => {
    if (session === undefined || session.closed || session.destroyed) {
      session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 1 << 20 } });
      session.on('error', () => {});
      effort.connections++;
    }
    return session;
  };
  return {
    send: (body) => persist(() => call(open(), body), effort),
    close: () => session?.destroy(),
  };
}

function call(session: ClientHttp2Session, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': EXPORT_METHODS.traces,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let status: unknown;
    const read = (headers: NodeJS.Dict<unknown>): void => {
      status = headers['grpc-status'] ?? status;
    };
    stream.on('response', read);
    stream.on('trailers', read);
    stream.on('error', reject);
    stream.on('close', () => (String(status) === '0' ? resolve() : reject(new Error(`status ${String(status)}`))));
    stream.resume();
    stream.end(body);
  });
}

/** The same on an HTTP/2 that costs little, as the sink is: for servers that are to have the two cores. */
export function leanGrpcClient(port: number, effort: Effort): Client {
  const client = new Http2Client({ host: '127.0.0.1', port });
  const call = async (body: Buffer): Promise<void> => {
    const { headers, trailers } = await client.request(CALL_HEADERS, [body], TIMEOUT_MS, NEVER);
    const status = trailers['grpc-status'] ?? headers['grpc-status'];
    if (status !== '0') throw new Error(`status ${status}`);
  };
  return {
    send: (body) => persist(() => call(body), effort),
    close: () => client.close(),
  };
}

/** OTLP/JSON over HTTP/1.1. On a bare socket: what the load costs, the server on the same cores lacks. */
export function jsonClient(port: number, effort: Effort): Client {
  const lane = new HttpLane(port, 'identity', 'application/json');
  const post = (body: Buffer): Promise<void> =>
    new Promise((resolve, reject) =>
      lane.send(body, TIMEOUT_MS, ({ kind, status }) => (kind === 'taken' ? resolve() : reject(new Error(status)))),
    );
  return {
    send: (body) => persist(() => post(body), effort),
    close: () => lane.close(),
  };
}

async function persist(attempt: () => Promise<void>, effort: Effort): Promise<void> {
  for (;;) {
    try {
      await attempt();
      effort.requests++;
      return;
    } catch {
      effort.retries++;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

/**
 * Sends `bodies` in turn for a while, so many a second at each client: what a client sends does not depend on how fast
 * the one that it is connected to is.
 */
export async function sendAtRate(
  clients: readonly Client[],
  bodies: readonly Buffer[],
  perSecond: number,
  seconds: number,
): Promise<void> {
  const start = performance.now();
  let next = 0;
  const work = async (client: Client, offset: number): Promise<void> => {
    for (let due = offset; due < seconds; due += 1 / perSecond) {
      const wait = start + due * 1000 - performance.now();
      if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
      await client.send(bodies[next++ % bodies.length] as Buffer);
    }
  };
  await Promise.all(clients.map((client, i) => work(client, i / clients.length / perSecond)));
}

/** Sends `bodies` in turn for a while, with `streams` requests under way at each client. */
export async function keepSending(
  clients: readonly Client[],
  bodies: readonly Buffer[],
  streams: number,
  seconds: number,
): Promise<void> {
  const until = performance.now() + seconds * 1000;
  let next = 0;
  const work = async (client: Client): Promise<void> => {
    while (performance.now() < until) await client.send(bodies[next++ % bodies.length] as Buffer);
  };
  await Promise.all(clients.flatMap((client) => Array.from({ length: streams }, () => work(client))));
}
