import type { Socket } from 'node:net';

/** How HTTP/2 begins where the client knows that it is spoken (RFC 9113, 3.4). No HTTP/1 request begins so. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/**
 * Looks at the first bytes of a connection, puts them back, and says whether they are HTTP/2's; as few bytes as that
 * takes, and HTTP/1 where they differ. A connection that says nothing for `timeoutMs` is closed.
 */
export function firstBytesTell(socket: Socket, timeoutMs: number, tell: (isHttp2: boolean) => void): void {
  let seen: Buffer = Buffer.alloc(0);
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  const done = (): void => {
    clearTimeout(timer);
    socket.removeListener('data', look);
    socket.removeListener('close', done);
    socket.removeListener('error', ignore);
  };
  const ignore = (): void => {};
  const look = (piece: Buffer): void => {
    seen = seen.length === 0 ? piece : Buffer.concat([seen, piece]);
    const compared = Math.min(seen.length, PREFACE.length);
    const matches = seen.compare(PREFACE, 0, compared, 0, compared) === 0;
    if (matches && compared < PREFACE.length) return;
    done();
    socket.pause();
    socket.unshift(seen);
    tell(matches);
    // Whoever took the socket over has its listeners on it by now.
    if (!matches) process.nextTick(() => socket.resume());
  };
  socket.on('data', look);
  socket.on('close', done);
  socket.on('error', ignore);
}
