import { createServer, type Server, type Socket } from 'node:net';

interface Listening {
  readonly server: Server;
  readonly host: string;
  readonly port: number;
}

/** What Node keeps in a server and in a socket that it has accepted, for the server to know when it is done. */
interface Counted {
  _connections: number;
}
interface Accepted {
  _server: Server | null;
}

/** Of connections, as receivers have them. */
const OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 };

/**
 * The listeners of a thread that shares its addresses. The system gives a new connection to one of all sockets that
 * listen on the address, by a hash, each of them alike: a thread with several gets that many times as much of what is
 * new. So one that has too little opens more for a while, and clients that are sent away from another one come here.
 */
export class Doors {
  #listening: Listening[] = [];
  readonly #more: Server[] = [];

  /** `server` listens there, with `reusePort`. */
  add(server: Server, host: string, port: number): void {
    this.#listening = [...this.#listening.filter((one) => one.server.listening), { server, host, port }];
  }

  /** Listens `count` times more on each address. What cannot be opened is done without. */
  async open(count: number): Promise<void> {
    this.close();
    const opened = this.#listening
      .filter(({ server }) => server.listening && isCounted(server))
      .flatMap((listening) => Array.from({ length: count }, () => this.#openOne(listening)));
    await Promise.all(opened);
  }

  close(): void {
    for (const server of this.#more.splice(0)) server.close();
  }

  #openOne({ server, host, port }: Listening): Promise<void> {
    const door = createServer({ ...OPTIONS, pauseOnConnect: isPausing(server) });
    door.on('connection', (socket) => adopt(server, door, socket));
    return new Promise((resolve) => {
      door.once('error', () => resolve());
      door.listen({ host, port, reusePort: true }, () => {
        this.#more.push(door);
        resolve();
      });
    });
  }
}

/** Hands a connection to `server` as if it had accepted it: it counts there, and is waited for when it closes. */
function adopt(server: Server, door: Server, socket: Socket): void {
  const { maxConnections } = server;
  // As the server does itself with one too many: a door has none of its own to count.
  if (maxConnections !== undefined && (server as unknown as Counted)._connections >= maxConnections) {
    socket.destroy();
    return;
  }
  (door as unknown as Counted)._connections--;
  (server as unknown as Counted)._connections++;
  (socket as unknown as Accepted)._server = server;
  server.emit('connection', socket);
}

function isCounted(server: Server): boolean {
  return typeof (server as unknown as Partial<Counted>)._connections === 'number';
}

/** Whether a server wants its connections paused, as it was told when it was made. */
function isPausing(server: Server): boolean {
  return (server as unknown as { pauseOnConnect?: boolean }).pauseOnConnect === true;
}
