import type { Writable } from 'node:stream';

/** Sent at once; then the client looks whether there is an answer already. */
const PIECE_BYTES = 256 * 1024;

/**
 * Sends a body piece by piece, until it is all there but for what is held back, or the server has answered: what it does
 * not want, it need not read. Written at once, what is large would fill the memory that Node.js gives to a session of
 * HTTP/2, which then has none left for the answer.
 */
export async function sendPieces(
  to: Writable,
  body: Uint8Array = new Uint8Array(),
  isAnswered: () => boolean = () => false,
  holdsBackBytes = 0,
): Promise<void> {
  const end = body.length - holdsBackBytes;
  for (let start = 0; start < end && !isAnswered() && !to.destroyed; start += PIECE_BYTES) {
    const isTaken = to.write(body.subarray(start, Math.min(start + PIECE_BYTES, end)));
    if (!isTaken) await drained(to);
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (holdsBackBytes === 0 && !to.destroyed) to.end();
}

function drained(to: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      to.off('drain', done).off('close', done);
      resolve();
    };
    if (to.destroyed || !to.writableNeedDrain) resolve();
    else to.once('drain', done).once('close', done);
  });
}
