import { constants, type ServerHttp2Session, type ServerOptions } from 'node:http2';

/**
 * How much a client may send before it must wait for us. The 64 KiB that HTTP/2 begins with cost a round trip of the
 * event loop each; bench/transport shows the difference. Memory is bounded by max_in_flight, not by windows.
 */
export const WINDOW_BYTES = 8 * 1024 ** 2;
/** How many requests may be under way on a connection where the configuration does not say. */
const STREAMS_MAX = 256;
/** Of a request's headers, which hold a handful of short values and perhaps a token. */
export const HEADER_BYTES_MAX = 16 * 1024;

export const HTTP2_OPTIONS = {
  settings: {
    initialWindowSize: WINDOW_BYTES,
    maxHeaderListSize: HEADER_BYTES_MAX,
    maxConcurrentStreams: STREAMS_MAX,
  },
  maxHeaderListPairs: 64,
  noDelay: true,
  // So that the system ends connections whose other side is gone.
  keepAlive: true,
  keepAliveInitialDelay: 60_000,
} satisfies ServerOptions & Record<string, unknown>;

/** The open HTTP/2 connections of a listener. */
export class Sessions {
  readonly #open = new Set<ServerHttp2Session>();
  #onEmpty: (() => void) | undefined;

  /** Takes charge of a new connection, which must say hello (its SETTINGS) within `helloTimeoutMs`. */
  add(session: ServerHttp2Session, helloTimeoutMs: number): void {
    this.#open.add(session);
    session.setLocalWindowSize(WINDOW_BYTES);
    const hello = setTimeout(() => session.destroy(), helloTimeoutMs);
    session.once('remoteSettings', () => clearTimeout(hello));
    session.on('error', () => {});
    session.once('close', () => {
      clearTimeout(hello);
      this.#open.delete(session);
      if (this.#open.size === 0) this.#onEmpty?.();
    });
  }

  /** GOAWAY to all; waits until their requests are answered, or `deadline` aborts, and then cuts them. */
  async close(deadline: AbortSignal): Promise<void> {
    if (this.#open.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    const cut = () => {
      for (const session of this.#open) session.destroy(undefined, constants.NGHTTP2_CANCEL);
    };
    for (const session of this.#open) session.close();
    if (deadline.aborted) cut();
    deadline.addEventListener('abort', cut, { once: true });
    await empty;
    deadline.removeEventListener('abort', cut);
  }
}
