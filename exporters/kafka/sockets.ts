import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ISocketFactoryArgs } from 'kafkajs';
import type { ClientTls } from '../../pipeline/client-tls.ts';

const KEEP_ALIVE_MS = 60_000;

/**
 * The sockets of one client. kafkajs has no way to end what it is doing; it does end when its connections break and no
 * new ones can be had, and it handles that as it does any broken connection.
 */
export class Sockets {
  readonly #sockets = new Set<Socket>();
  #cutBy: Error | undefined;

  readonly #tls: ClientTls | undefined;

  /** `tls`: over TLS, with these. */
  constructor(tls: ClientTls | undefined) {
    this.#tls = tls;
  }

  /** What kafkajs calls for a connection. Throws after `cut`, which kafkajs takes for a failure to connect. */
  readonly open = ({ host, port, onConnect }: ISocketFactoryArgs): Socket => {
    if (this.#cutBy !== undefined) throw this.#cutBy;
    const to = { host, port, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS, noDelay: true };
    const tls = this.#tls;
    // An address is checked against the certificate all the same, but is no name to ask for (RFC 6066, 3).
    const name = isIP(host) === 0 ? { servername: host } : {};
    const socket = tls ? connectTls({ ...to, ...name, ...tls.options }) : connect(to);
    socket.once(tls ? 'secureConnect' : 'connect', onConnect);
    socket.once('close', () => this.#sockets.delete(socket));
    this.#sockets.add(socket);
    return socket;
  };

  /** Breaks every connection and refuses new ones until `mend`. */
  cut(reason: Error): void {
    this.#cutBy ??= reason;
    for (const socket of this.#sockets) socket.destroy(reason);
  }

  mend(): void {
    this.#cutBy = undefined;
  }
}
