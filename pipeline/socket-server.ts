import { createServer, type Server, type Socket } from 'node:net';
import type { Server as TlsServer, TLSSocket } from 'node:tls';
import type { FailedHandshakes } from './handshakes.ts';
import type { ServerTls } from './server-tls.ts';

/** So that the system ends connections whose other side is gone. */
const KEEP_ALIVE_MS = 60_000;

const SOCKETS = {
  // Whoever takes the connection decides how it is read.
  pauseOnConnect: true,
  // A client that has sent its request may close its side and wait for the answer.
  allowHalfOpen: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEP_ALIVE_MS,
};

export interface Secured {
  readonly tls: ServerTls;
  /** What may be spoken, as ALPN names it, best first. */
  readonly protocols: readonly string[];
  /** How long a client may take until it is let in, ms. */
  readonly handshakeMs: number;
  readonly failed: FailedHandshakes;
}

/** Accepts connections, over TLS where `secured` says how. */
export class SocketServer {
  readonly server: Server;
  /** Connections of which nobody else knows yet. */
  readonly #shaking = new Set<Socket>();

  /** `onSocket` is given each connection when it is there, over TLS when the client has been let in. */
  constructor(onSocket: (socket: Socket) => void, secured?: Secured) {
    this.server = secured === undefined ? createServer(SOCKETS, onSocket) : this.#overTls(onSocket, secured);
  }

  /** The server to give new certificates to. */
  get tls(): TlsServer {
    return this.server as TlsServer;
  }

  /** Stops listening, and resolves when all connections have ended: `cut` ends those that are left at the deadline. */
  async close(deadline: AbortSignal, cut: () => void): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const socket of this.#shaking) socket.destroy();
    if (deadline.aborted) cut();
    deadline.addEventListener('abort', cut, { once: true });
    await closed;
    deadline.removeEventListener('abort', cut);
  }

  #overTls(onSocket: (socket: Socket) => void, { tls, protocols, handshakeMs, failed }: Secured): Server {
    const options = { ...SOCKETS, pauseOnConnect: false, ...tls.options(protocols), handshakeTimeout: handshakeMs };
    const server = process.getBuiltinModule('node:tls').createServer(options);
    // Of a socket that has been ended nobody can say whose it was.
    const addresses = new WeakMap<object, string | undefined>();
    server.on('connection', (socket: Socket) => {
      this.#shaking.add(socket);
      addresses.set(socket, socket.remoteAddress);
      socket.once('close', () => this.#shaking.delete(socket));
    });
    server.on('secureConnection', (socket: TLSSocket) => {
      this.#shaking.delete(rawOf(socket));
      onSocket(socket);
    });
    server.on('tlsClientError', (error, socket) => {
      failed.note(error, socket, addresses.get(rawOf(socket)));
      socket.destroy();
    });
    return server;
  }
}

/** The connection that carries TLS. */
function rawOf(socket: TLSSocket): Socket {
  return (socket as unknown as { _parent?: Socket })._parent as Socket;
}
