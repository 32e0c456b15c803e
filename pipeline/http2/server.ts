import { createServer, type Server, type Socket } from 'node:net';
import { OpenConnections } from '../open-connections.ts';
import { ServerConnection, type ServerLimits } from './server-connection.ts';
import type { ServerStream } from './server-stream.ts';
import { readStatically } from '../static-read.ts';

/** So that the system ends connections whose other side is gone. */
const KEEP_ALIVE_MS = 60_000;

/** Serves HTTP/2 without TLS to clients that begin with it. */
export class Http2Server {
  readonly server: Server;
  readonly open = new OpenConnections();
  readonly #limits: ServerLimits;
  readonly #onRequest: (stream: ServerStream) => void;
  readonly #connections = new Set<ServerConnection>();

  constructor(limits: ServerLimits, onRequest: (stream: ServerStream) => void) {
    this.#limits = limits;
    this.#onRequest = onRequest;
    this.server = createServer(
      {
        pauseOnConnect: true,
        // A client that has sent its request may close its side and wait for the answer.
        allowHalfOpen: true,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_MS,
      },
      (socket) => this.#accept(socket),
    );
  }

  /** Stops listening, lets requests under way end, and cuts what is left when `deadline` aborts. */
  async close(deadline: AbortSignal): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    const cut = (): void => {
      for (const connection of this.#connections) connection.destroy();
    };
    for (const connection of this.#connections) connection.close();
    if (deadline.aborted) cut();
    deadline.addEventListener('abort', cut, { once: true });
    await closed;
    deadline.removeEventListener('abort', cut);
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
