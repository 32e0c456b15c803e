import { BufferPool } from '../buffer-pool.ts';
import type { Calm } from './calm.ts';
import type { Outbox } from './outbox.ts';
import {
  ERROR,
  FLAG,
  FRAME,
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  Http2Error,
  putFrameHeader,
  WINDOW_BYTES_FIRST,
  WINDOW_BYTES_MAX,
} from './protocol.ts';

/** A body on its way out. */
interface Outgoing {
  readonly streamId: number;
  /** Sent one behind the other. */
  readonly pieces: readonly Uint8Array[];
  readonly length: number;
  sent: number;
  /** Sent behind the body: trailers. Without them the body ends the stream. */
  readonly trailers: Buffer | undefined;
  /** Called when the last byte has been handed to the system, or none can be; never where the stream ends before. */
  readonly done: () => void;
}

/** Larger frames gain nothing, and keep other streams waiting. */
const FRAME_BYTES_USED = 64 * 1024;
/** What is framed at once at most, and what may wait for the system. */
const STAGE_BYTES = 256 * 1024;
const UNSENT_BYTES_MAX = 512 * 1024;
const STAGES_KEPT_BYTES = 4 * STAGE_BYTES;

const stages = new BufferPool(STAGES_KEPT_BYTES);

/** The bodies that one connection sends, within the windows that the peer gives (RFC 9113, 5.2). */
export class Sending {
  /** SETTINGS_MAX_FRAME_SIZE of the peer. */
  frameBytes = FRAME_BYTES_MAX;
  readonly #outbox: Outbox;
  readonly #calm: Calm;
  readonly #bodies = new Map<number, Outgoing>();
  #heldBytes = 0;
  #movedAtMs = 0;
  /** How far the window of each open stream is from the initial one. */
  readonly #offsets = new Map<number, number>();
  #initialWindow = WINDOW_BYTES_FIRST;
  #window = WINDOW_BYTES_FIRST;
  /** The peer sends nothing more, and so no window either. */
  #isFinal = false;

  constructor(outbox: Outbox, calm: Calm) {
    this.#outbox = outbox;
    this.#calm = calm;
  }

  /** What is held of bodies that have not left completely. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Since when nothing of the bodies that wait has left; undefined where none waits. Of `performance.now`. */
  get stuckSinceMs(): number | undefined {
    return this.#bodies.size === 0 ? undefined : this.#movedAtMs;
  }

  /**
   * Sends a body on a stream of which the headers have been written, and `trailers` (a whole frame) behind it. Its
   * pieces are read until `done` is called, or the stream is dropped.
   */
  send(streamId: number, pieces: readonly Uint8Array[], trailers: Buffer | undefined, done: () => void): void {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (this.#bodies.size === 0) this.#movedAtMs = performance.now();
    this.#heldBytes += length;
    this.#bodies.set(streamId, { streamId, pieces, length, sent: 0, trailers, done });
    this.pump();
  }

  /**
   * Whether `bytes` could be sent at once in one frame, on a stream that has sent nothing. If so they are counted, and
   * the caller sends them.
   */
  admits(bytes: number): boolean {
    if (this.#bodies.size > 0 || bytes > Math.min(this.#window, this.#initialWindow, this.frameBytes)) return false;
    if (this.#outbox.unsentBytes + bytes > UNSENT_BYTES_MAX) return false;
    this.#window -= bytes;
    this.#calm.earnBySending(bytes);
    return true;
  }

  /** Whether the body of a stream has not left completely. */
  isSending(streamId: number): boolean {
    return this.#bodies.has(streamId);
  }

  /** A stream begins: from here on its window is counted. */
  open(streamId: number): void {
    this.#offsets.set(streamId, 0);
  }

  /** Forgets a stream that is over. */
  drop(streamId: number): void {
    this.#heldBytes -= this.#bodies.get(streamId)?.length ?? 0;
    this.#bodies.delete(streamId);
    this.#offsets.delete(streamId);
  }

  /** The peer has room for more, which `pump` uses. Returns false where that is more than a window can be. */
  widen(streamId: number, bytes: number): boolean {
    if (streamId === 0) {
      if (this.#window + bytes > WINDOW_BYTES_MAX) return false;
      this.#window += bytes;
    } else if (this.#offsets.has(streamId)) {
      const offset = (this.#offsets.get(streamId) as number) + bytes;
      if (this.#initialWindow + offset > WINDOW_BYTES_MAX) return false;
      this.#offsets.set(streamId, offset);
    }
    return true;
  }

  /** SETTINGS_INITIAL_WINDOW_SIZE of the peer: it changes the windows of all streams, which may fall below 0. */
  setInitialWindow(bytes: number): void {
    this.#initialWindow = bytes;
    for (const offset of this.#offsets.values()) {
      if (bytes + offset > WINDOW_BYTES_MAX) throw new Http2Error(ERROR.flowControl, 'a window becomes too large');
    }
  }

  /** No window will be widened any more: what does not fit is given up. */
  windowsEnd(): void {
    this.#isFinal = true;
    this.pump();
  }

  /** Sends what the windows and the system take. */
  pump(): void {
    while (this.#bodies.size > 0 && this.#outbox.unsentBytes < UNSENT_BYTES_MAX) {
      if (this.#stage()) continue;
      if (this.#isFinal) this.#giveUp();
      return;
    }
  }

  #giveUp(): void {
    const stuck = [...this.#bodies.values()];
    this.#bodies.clear();
    this.#heldBytes = 0;
    for (const { done } of stuck) done();
  }

  /** Frames as much as fits into one stage; false where the windows take nothing. */
  #stage(): boolean {
    const needed = this.#neededBytes();
    if (needed === 0) return false;
    const stage = stages.take(needed);
    let length = 0;
    const finished: Outgoing[] = [];
    for (const body of this.#bodies.values()) {
      while (length + FRAME_HEADER_BYTES <= stage.length) {
        const written = this.#frame(body, stage, length, stage.length - length);
        if (written === 0) break;
        length += written;
        if (body.sent < body.length) continue;
        finished.push(body);
        // Before anybody is told, who could send something else and so come here again.
        this.drop(body.streamId);
        break;
      }
    }
    if (length === 0) {
      stages.give(stage);
      return false;
    }
    this.#movedAtMs = performance.now();
    this.#calm.earnBySending(length);
    this.#outbox.writeNow(stage.subarray(0, length), () => stages.give(stage));
    for (const { trailers } of finished) if (trailers !== undefined) this.#outbox.write(trailers);
    for (const { done } of finished) done();
    return true;
  }

  /** How large a stage is that takes all that the windows take, in one frame more for each body than would do at least. */
  #neededBytes(): number {
    const frame = Math.min(this.frameBytes, FRAME_BYTES_USED);
    let bytes = 0;
    let headers = 0;
    for (const { streamId, length, sent } of this.#bodies.values()) {
      const rest = length - sent;
      const open = Math.min(rest, Math.max(0, this.#initialWindow + (this.#offsets.get(streamId) ?? 0)));
      if (open === 0 && rest > 0) continue;
      bytes += open;
      headers += FRAME_HEADER_BYTES * (Math.ceil(open / frame) + 1);
      if (bytes >= STAGE_BYTES) break;
    }
    return Math.min(STAGE_BYTES, Math.min(bytes, Math.max(0, this.#window)) + headers);
  }

  /** One DATA frame into `stage` at `at`; returns its length, 0 where the windows are closed. */
  #frame(out: Outgoing, stage: Buffer, at: number, room: number): number {
    const { streamId, pieces, length, sent, trailers } = out;
    const offset = this.#offsets.get(streamId) ?? 0;
    const rest = length - sent;
    const allowed = Math.min(this.#window, this.#initialWindow + offset, this.frameBytes, FRAME_BYTES_USED);
    // What is empty needs no window (RFC 9113, 6.9), which may be below 0.
    const count = Math.min(rest, Math.max(0, allowed), room - FRAME_HEADER_BYTES);
    if (count === 0 && rest > 0) return 0;
    const isLast = count === rest && trailers === undefined;
    putFrameHeader(stage, at, count, FRAME.data, isLast ? FLAG.endStream : 0, streamId);
    copyPieces(pieces, sent, count, stage, at + FRAME_HEADER_BYTES);
    out.sent += count;
    this.#window -= count;
    this.#offsets.set(streamId, offset - count);
    return FRAME_HEADER_BYTES + count;
  }
}

/** Copies `count` bytes of the pieces, as if they were one, from `from` on. */
function copyPieces(pieces: readonly Uint8Array[], from: number, count: number, into: Buffer, at: number): void {
  let skip = from;
  let left = count;
  let to = at;
  for (const piece of pieces) {
    if (skip >= piece.length) {
      skip -= piece.length;
      continue;
    }
    const taken = Math.min(left, piece.length - skip);
    into.set(piece.subarray(skip, skip + taken), to);
    to += taken;
    left -= taken;
    skip = 0;
    if (left === 0) return;
  }
}
