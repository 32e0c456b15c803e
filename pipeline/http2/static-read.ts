import { type Server, Socket, type SocketConstructorOpts } from 'node:net';

/** Largest read at once. Larger ones save few system calls and leave the cache. */
const READ_BYTES = 128 * 1024;

let shared: Buffer | undefined;

/** What a thread reads its connections into, one for all: what is read is used before the next read. */
export function readBuffer(): Buffer {
  shared ??= Buffer.allocUnsafeSlow(READ_BYTES);
  return shared;
}

/** What Node keeps in a socket that it has accepted. */
interface Accepted {
  _handle: object | null;
  _server: Server | null;
}

/**
 * Reads a connection that `server` has accepted, and paused (`pauseOnConnect`), into memory that is used again for
 * every read. Node would allocate 64 KiB each time, and V8 collect the whole heap to get them back (docs/decisions/0007).
 * For connections that it opens Node has the option `onread`; that accepted ones lack it is worked around here by
 * giving their handle to a socket that has it. Where that fails, reading goes on as usual.
 *
 * `onBytes` is called with bytes that are only lent. Returns the socket to use from here on.
 */
export function readStatically(
  server: Server,
  accepted: Socket,
  onBytes: (bytes: Buffer, start: number, end: number) => void,
): Socket {
  const { allowHalfOpen = false } = server as { allowHalfOpen?: boolean };
  // Where another listener has accepted it, it does not know what this server wants.
  accepted.allowHalfOpen = allowHalfOpen;
  const inside = accepted as unknown as Accepted;
  const handle = inside._handle;
  if (
    handle === null ||
    handle === undefined ||
    typeof (handle as { useUserBuffer?: unknown }).useUserBuffer !== 'function'
  ) {
    accepted.on('data', (bytes: Buffer) => onBytes(bytes, 0, bytes.length));
    accepted.resume();
    return accepted;
  }
  const callback = (count: number, buffer: Uint8Array): boolean => {
    onBytes(buffer as Buffer, 0, count);
    return true;
  };
  inside._handle = null;
  inside._server = null;
  const options = { handle, allowHalfOpen, onread: { buffer: readBuffer(), callback } };
  const socket = new Socket(options as unknown as SocketConstructorOpts);
  // The server counts its connections by this, and waits for them when it closes.
  (socket as unknown as Accepted)._server = server;
  accepted.destroy();
  return socket;
}
