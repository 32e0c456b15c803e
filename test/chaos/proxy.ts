import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Two sockets that belong together. */
interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

/** Stands between two parties of a TCP connection, and can be told to be a bad network. */
export class Proxy {
  readonly port: number;
  readonly #targetPort: number;
  readonly #pairs = new Set<Pair>();
  #server: Server | undefined;
  #delayMs = 0;
  #isStuck = false;

  constructor(port: number, targetPort: number) {
    this.port = port;
    this.#targetPort = targetPort;
  }

  /** Lets connections come, at once and without loss. */
  async open(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer({ noDelay: true }, (near) => this.#join(near));
    this.#server = server;
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
  }

  /** Refuses connections, and breaks those that are there. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    this.cut();
    await closed;
  }

  /** Breaks all connections, in the middle of whatever is on its way. */
  cut(): void {
    for (const { near, far } of this.#pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
    this.#pairs.clear();
  }

  /** How long each piece takes in either direction, ms. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** Stuck, it keeps connections and passes nothing on. */
  setStuck(isStuck: boolean): void {
    this.#isStuck = isStuck;
  }

  #join(near: Socket): void {
    const far = connect({ port: this.#targetPort, host: '127.0.0.1', noDelay: true });
    const pair = { near, far };
    this.#pairs.add(pair);
    const end = (): void => {
      this.#pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) socket.on('error', end).on('close', end);
    void this.#pass(near, far).then(end, end);
    void this.#pass(far, near).then(end, end);
  }

  async #pass(from: Socket, to: Socket): Promise<void> {
    for await (const piece of from) {
      while (this.#isStuck && !to.destroyed) await sleep(20);
      if (this.#delayMs > 0) await sleep(this.#delayMs);
      if (!to.write(piece as Buffer) && !to.destroyed) await Promise.race([once(to, 'drain'), once(to, 'close')]);
    }
  }
}
