import type { Duplex } from 'node:stream';

/** Up to so many bytes, pieces are copied into one: a copy is cheaper than another piece for the system to gather. */
const JOINED_BYTES_MAX = 64 * 1024;

/** What is to be sent on one connection. What is written within one turn of the event loop leaves together. */
export class Outbox {
  readonly #socket: Duplex;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #isScheduled = false;
  #isClosed = false;
  /** When the system last took something, or got something while it had nothing. */
  #movedAtMs = 0;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  /** Bytes that the system has not taken yet. */
  get unsentBytes(): number {
    return this.#bytes + this.#socket.writableLength;
  }

  /** Since when the system has taken nothing of what waits for it; undefined where nothing does. Of `performance.now`. */
  get stuckSinceMs(): number | undefined {
    return this.unsentBytes === 0 ? undefined : this.#movedAtMs;
  }

  /** The piece must stay as it is until it has left. */
  write(piece: Buffer): void {
    if (this.#isClosed) return;
    if (this.#bytes === 0 && this.#socket.writableLength === 0) this.#moved();
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.flush);
  }

  /** Writes a large piece at once; `sent` is called when it may be used for something else. */
  writeNow(piece: Buffer, sent: () => void): void {
    this.flush();
    if (this.#isClosed || !this.#canWrite()) return sent();
    if (this.#socket.writableLength === 0) this.#moved();
    let isSent = false;
    const end = (): void => {
      if (isSent) return;
      isSent = true;
      this.#moved();
      sent();
    };
    this.#socket.write(piece, end);
    // The system has it already, of which `end` would be told in another turn: the same memory can do for what comes next.
    if (this.#socket.writableLength === 0) end();
  }

  readonly flush = (): void => {
    this.#isScheduled = false;
    if (this.#bytes === 0) return;
    const pieces = this.#pieces;
    const bytes = this.#bytes;
    this.#pieces = [];
    this.#bytes = 0;
    if (!this.#canWrite()) return;
    if (pieces.length === 1) this.#socket.write(pieces[0], this.#moved);
    else if (bytes <= JOINED_BYTES_MAX) this.#socket.write(Buffer.concat(pieces, bytes), this.#moved);
    else {
      this.#socket.cork();
      for (const piece of pieces) this.#socket.write(piece, this.#moved);
      this.#socket.uncork();
    }
  };

  /** Nothing more leaves but what has been flushed. */
  discard(): void {
    this.#isClosed = true;
    this.#pieces = [];
    this.#bytes = 0;
  }

  readonly #moved = (): void => {
    this.#movedAtMs = performance.now();
  };

  /** A write behind the end would be an error that takes with it what has not left yet. */
  #canWrite(): boolean {
    return !this.#socket.destroyed && !this.#socket.writableEnded;
  }
}
