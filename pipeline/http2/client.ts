import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { ClientConnection } from './client-connection.ts';
import { type ClientAnswer, type ClientStream, StreamError } from './client-stream.ts';
import { readBuffer } from '../static-read.ts';

export interface Http2Target {
  readonly host: string;
  readonly port: number;
  /** With TLS where it is there: gives the options for the next connection. */
  readonly tls?: (() => ConnectionOptions) | undefined;
}

/** Answers are small; windows need not be large. */
const LIMITS = { windowBytes: 1024 * 1024, headerListBytes: 64 * 1024 };
/** So that the system finds out about a server that is gone. */
const KEEP_ALIVE_MS = 30_000;
/** How long a server may take from the first packet to its settings. */
const CONNECT_MS_MAX = 20_000;
/** How often a request is sent that the server says it has not seen. */
const ATTEMPTS_MAX = 3;
/** The longest delay that a timer of Node can hold. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** There is no connection: `message` says why. */
export class ConnectError extends Error {
  override name = 'ConnectError';
}

/** The request's time is over. */
export class DeadlineError extends Error {
  override name = 'DeadlineError';
}

/** A connection that is being made, or is there. */
interface Link {
  readonly made: Promise<ClientConnection>;
  readonly destroy: (why: string) => void;
}

/**
 * Requests to one server over one connection, which is made when there is something to send and made anew when it has
 * broken, or the server asks for it.
 */
export class Http2Client {
  readonly #target: Http2Target;
  #link: Link | undefined;
  /** Those who wait until the server lets another request begin. */
  readonly #waiting = new Set<() => void>();
  #isClosed = false;

  constructor(target: Http2Target) {
    this.#target = target;
  }

  /**
   * One request. `headers` is a header block; the body's pieces are read until this has settled. Rejects with
   * `ConnectError`, `StreamError` or `DeadlineError`; `cancel`, where it aborts, ends it with a `StreamError`.
   */
  async request(
    headers: Buffer,
    pieces: readonly Uint8Array[],
    timeoutMs: number,
    cancel: AbortSignal,
  ): Promise<ClientAnswer> {
    const late = Promise.withResolvers<never>();
    late.promise.catch(() => {});
    const timer = setTimeout(
      () => late.reject(new DeadlineError(`no answer within ${timeoutMs} ms`)),
      Math.min(timeoutMs, TIMER_MS_MAX),
    );
    const abort = (): void => late.reject(new StreamError('the request was cancelled'));
    if (cancel.aborted) abort();
    cancel.addEventListener('abort', abort, { once: true });
    try {
      return await this.#attempt(headers, pieces, late.promise);
    } finally {
      clearTimeout(timer);
      cancel.removeEventListener('abort', abort);
    }
  }

  /** Ends the connection. Requests under way are cut. */
  close(): void {
    this.#isClosed = true;
    this.#link?.destroy('the client was closed');
    this.#wake();
  }

  /** Sends it again where the server refused it unseen, as one that is about to end does (RFC 9113, 8.7). */
  async #attempt(headers: Buffer, pieces: readonly Uint8Array[], late: Promise<never>): Promise<ClientAnswer> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#exchange(headers, pieces, late);
      } catch (error) {
        if (attempt === ATTEMPTS_MAX || !(error instanceof StreamError && error.isUnseen)) throw error;
      }
    }
  }

  async #exchange(headers: Buffer, pieces: readonly Uint8Array[], late: Promise<never>): Promise<ClientAnswer> {
    const { connection, stream } = await this.#begin(headers, pieces, late);
    try {
      return await Promise.race([stream.answer, late]);
    } catch (error) {
      connection.cancel(stream, 'nobody waits for it any more');
      if (error instanceof DeadlineError) connection.probe();
      throw error;
    } finally {
      this.#wake();
    }
  }

  /** Begins the request as soon as there is a connection with room for it. */
  async #begin(
    headers: Buffer,
    pieces: readonly Uint8Array[],
    late: Promise<never>,
  ): Promise<{ connection: ClientConnection; stream: ClientStream }> {
    for (;;) {
      if (this.#isClosed) throw new StreamError('the client was closed');
      this.#link ??= this.#connect();
      const connection = await Promise.race([this.#link.made, late]);
      // At once: others have been waiting for the same room.
      if (connection.hasRoom) return { connection, stream: connection.request(headers, pieces) };
      if (connection.isClosing) throw new StreamError('the server ended the connection', true);
      await this.#room(late);
    }
  }

  async #room(late: Promise<never>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    try {
      await Promise.race([promise, late]);
    } finally {
      this.#waiting.delete(resolve);
    }
  }

  readonly #wake = (): void => {
    for (const wake of this.#waiting) wake();
  };

  /** Connects. It is made when the server has said hello: before that nobody knows whether it speaks HTTP/2 at all. */
  #connect(): Link {
    const { promise: made, resolve, reject } = Promise.withResolvers<ClientConnection>();
    made.catch(() => {});
    let connection: ClientConnection | undefined;
    const socket = this.#socket((bytes, end) => connection?.receive(bytes, 0, end));
    const link: Link = {
      made,
      destroy: (why) => (connection === undefined ? socket.destroy(new Error(why)) : connection.destroy(why)),
    };
    const slow = setTimeout(() => link.destroy(`it did not say hello within ${CONNECT_MS_MAX} ms`), CONNECT_MS_MAX);
    slow.unref();
    const over = (error: Error): void => {
      clearTimeout(slow);
      reject(new ConnectError(reasonOf(error), { cause: error }));
      if (this.#link === link) this.#link = undefined;
      this.#wake();
    };
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.once('error', over);
    socket.once('close', () => over(new Error('the connection was closed')));
    socket.once(this.#target.tls === undefined ? 'connect' : 'secureConnect', () => {
      connection = new ClientConnection(socket, LIMITS, {
        onSettings: () => {
          clearTimeout(slow);
          if (connection !== undefined) resolve(connection);
          this.#wake();
        },
        onOver: (why) => over(new Error(`it did not begin as HTTP/2 does: ${why}`)),
      });
    });
    return link;
  }

  #socket(receive: (bytes: Buffer, end: number) => void): Socket {
    const { host, port, tls } = this.#target;
    if (tls === undefined) {
      const callback = (count: number, buffer: Uint8Array): boolean => {
        receive(buffer as Buffer, count);
        return true;
      };
      return connectTcp({ host, port, onread: { buffer: readBuffer(), callback } });
    }
    const socket = connectTls({ ...tls(), host, port, ALPNProtocols: ['h2'] });
    socket.on('data', (bytes: Buffer) => receive(bytes, bytes.length));
    return socket;
  }
}

/** An attempt at several addresses fails with no message of its own. */
function reasonOf(error: Error): string {
  return error.message || (error as NodeJS.ErrnoException).code || error.name;
}
