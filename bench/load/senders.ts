/** Clients that send bodies as they are and take nothing but OK for an answer. */
import { Agent, request } from 'node:http';
import { type ClientHttp2Session, connect } from 'node:http2';
import type { TelemetrySignal } from '../../proto/otlp/columns.ts';
import { EXPORT_METHODS, EXPORT_PATHS } from '../../proto/otlp/export.ts';
import type { Encoding } from './body.ts';

export type Protocol = 'grpc' | 'http';

export interface Target {
  readonly protocol: Protocol;
  readonly port: number;
  readonly signal: TelemetrySignal;
  readonly encoding: Encoding;
  readonly connections: number;
}

export interface Sender {
  /** Sends a body on connection number `connection`; rejects unless the answer is OK. */
  send(body: Buffer, connection: number): Promise<void>;
  close(): void;
}

export function openSender(target: Target): Promise<Sender> {
  return target.protocol === 'grpc' ? openGrpc(target) : Promise.resolve(openHttp(target));
}

/** Tries of a call that the server did not look at. */
const TRIES = 5;

async function openGrpc({ port, signal, encoding, connections }: Target): Promise<Sender> {
  const sessions = await Promise.all(Array.from({ length: connections }, () => connected(port)));
  const reconnecting = new Map<number, Promise<void>>();
  const headers = {
    ':method': 'POST',
    ':path': EXPORT_METHODS[signal],
    'content-type': 'application/grpc',
    te: 'trailers',
    ...(encoding === 'identity' ? {} : { 'grpc-encoding': encoding }),
  };
  /** As gRPC's clients do where the server says GOAWAY: what is under way there ends there, what comes next goes elsewhere. */
  const usable = async (connection: number): Promise<ClientHttp2Session> => {
    while ((sessions[connection] as ClientHttp2Session).closed) {
      const pending = reconnecting.get(connection) ?? reconnect(connection);
      reconnecting.set(connection, pending);
      await pending;
    }
    return sessions[connection] as ClientHttp2Session;
  };
  const reconnect = async (connection: number): Promise<void> => {
    try {
      sessions[connection] = await connected(port);
    } finally {
      reconnecting.delete(connection);
    }
  };
  const send = async (body: Buffer, connection: number): Promise<void> => {
    for (let attempt = 1; ; attempt++) {
      const session = await usable(connection);
      try {
        return await call(session, headers, body);
      } catch (thrown) {
        if (!isUnseen(thrown) || attempt === TRIES) throw thrown;
      }
    }
  };
  return {
    send,
    close: () => {
      for (const session of sessions) session.destroy();
    },
  };
}

/** Whether the server has not looked at a call, so that it may be made again (RFC 9113, 8.7). */
function isUnseen(thrown: unknown): boolean {
  const { code, message } = thrown as NodeJS.ErrnoException;
  return code === 'ERR_HTTP2_GOAWAY_SESSION' || /NGHTTP2_REFUSED_STREAM/.test(message);
}

function connected(port: number): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    // Node's client refuses answers while it has more than 10 MB to send, unless told otherwise.
    const session = connect(`http://127.0.0.1:${port}`, {
      maxSessionMemory: 1000,
      settings: { enablePush: false, initialWindowSize: 1 << 20 },
    });
    session.once('error', reject);
    session.once('connect', () => {
      session.removeListener('error', reject);
      // What goes wrong from here on goes wrong with a call, which tells.
      session.on('error', () => {});
      resolve(session);
    });
  });
}

function call(session: ClientHttp2Session, headers: Record<string, string>, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers);
    let status: unknown;
    let words: unknown;
    const read = (given: NodeJS.Dict<unknown>): void => {
      status = given['grpc-status'] ?? status;
      words = given['grpc-message'] ?? words ?? given[':status'];
    };
    stream.on('response', read);
    stream.on('trailers', read);
    stream.on('error', reject);
    stream.on('close', () => {
      if (String(status) === '0') resolve();
      else reject(new Error(`the answer was gRPC status ${String(status)}: ${String(words)}`));
    });
    stream.resume();
    stream.end(body);
  });
}

function openHttp({ port, signal, encoding, connections }: Target): Sender {
  const agents = Array.from({ length: connections }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  const headers = {
    'content-type': 'application/x-protobuf',
    ...(encoding === 'identity' ? {} : { 'content-encoding': encoding }),
  };
  return {
    send: (body, connection) => {
      const agent = agents[connection] as Agent;
      return post(agent, port, EXPORT_PATHS[signal], { ...headers, 'content-length': body.length }, body);
    },
    close: () => {
      for (const agent of agents) agent.destroy();
    },
  };
}

function post(
  agent: Agent,
  port: number,
  path: string,
  headers: Record<string, string | number>,
  body: Buffer,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method: 'POST', agent, headers }, (response) => {
      const { statusCode } = response;
      response.on('error', reject);
      if (statusCode === 200) {
        response.on('end', resolve);
        response.resume();
        return;
      }
      let words = '';
      response.on('data', (chunk: Buffer) => (words += chunk.toString('latin1')));
      response.on('end', () => reject(new Error(`the answer was HTTP ${statusCode}: ${words.slice(0, 300)}`)));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
