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

/** The bytes are only lent: they are overwritten by the next read of any connection. */
export type OnBytes = (bytes: Buffer, start: number, end: number) => void;

export interface StaticRead {
  /** The socket to use from here on. */
  readonly socket: Socket;
  /** From here on, once called, the socket is read as any other, beginning with a copy of `bytes`; it is paused. */
  asUsual(bytes: Uint8Array): void;
}

/**
 * Reads a connection that `server` has accepted, and paused (`pauseOnConnect`), into memory that is used again for
 * every read. Node would allocate 64 KiB each time, and V8 collect the whole heap to get them back (docs/decisions/0007).
 * For connections that it opens Node has the option `onread`; that accepted ones lack it is worked around here by
 * giving their handle to a socket that has it. Where that fails, and over TLS, reading goes on as usual.
 */
export function readStatically(server: Server, accepted: Socket, onBytes: OnBytes): StaticRead {
  // Over TLS what is read is decrypted elsewhere.
  if ('encrypted' in accepted) return readByEvents(accepted, onBytes);
  const { allowHalfOpen = false } = server as { allowHalfOpen?: boolean };
  // Where another listener has accepted it, it does not know what this server wants.
  accepted.allowHalfOpen = allowHalfOpen;
  const inside = accepted as unknown as Accepted;
  const { _handle: handle } = inside;
  const canLend = typeof (handle as { useUserBuffer?: unknown } | null | undefined)?.useUserBuffer === 'function';
  if (!canLend) return readByEvents(accepted, onBytes);
  let isUsual = false;
  const callback = (count: number, buffer: Uint8Array): boolean => {
    if (isUsual) return socket.push(Buffer.from(buffer.subarray(0, count)));
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
  return {
    socket,
    asUsual(bytes) {
      isUsual = true;
      socket.pause();
      socket.unshift(Buffer.from(bytes));
    },
  };
}

function readByEvents(socket: Socket, onBytes: OnBytes): StaticRead {
  const take = (bytes: Buffer): void => onBytes(bytes, 0, bytes.length);
  socket.on('data', take);
  socket.resume();
  return {
    socket,
    asUsual(bytes) {
      socket.off('data', take);
      socket.pause();
      socket.unshift(Buffer.from(bytes));
    },
  };
}
