import type { Server, Socket } from 'node:net';
import { OpenConnections } from '../open-connections.ts';
import { ServerConnection, type ServerLimits } from './server-connection.ts';
import type { ServerStream } from './server-stream.ts';
import { type Secured, SocketServer } from '../socket-server.ts';
import { readStatically } from '../static-read.ts';

/** Serves HTTP/2 to clients that begin with it, over TLS where that is given. */
export class Http2Server {
  readonly sockets: SocketServer;
  readonly open = new OpenConnections();
  readonly #limits: ServerLimits;
  readonly #onRequest: (stream: ServerStream) => void;
  readonly #connections = new Set<ServerConnection>();

  constructor(limits: ServerLimits, onRequest: (stream: ServerStream) => void, secured?: Secured) {
    this.#limits = limits;
    this.#onRequest = onRequest;
    this.sockets = new SocketServer((socket) => this.#accept(socket), secured);
  }

  get server(): Server {
    return this.sockets.server;
  }

  /** Stops listening, lets requests under way end, and cuts what is left when `deadline` aborts. */
  async close(deadline: AbortSignal): Promise<void> {
    for (const connection of this.#connections) connection.close();
    await this.sockets.close(deadline, () => {
      for (const connection of this.#connections) connection.destroy();
    });
  }

  #accept(accepted: Socket): void {
    const { socket } = readStatically(this.server, accepted, (bytes, start, end) =>
      connection.receive(bytes, start, end),
    );
    const connection = new ServerConnection(socket, this.#limits, this.#onRequest);
    this.#connections.add(connection);
    const gone = this.open.add(
      () => socket.bytesRead,
      () => connection.close(),
    );
    socket.once('close', () => {
      this.#connections.delete(connection);
      gone();
    });
  }
}
