import { ERROR, FLAG, FRAME, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, Http2Error } from './protocol.ts';

/** Who is told of frames, in their order. What it throws ends the reading. */
export interface FrameHandler {
  /** Whether nothing more is to be read: what follows in the same bytes is left out. */
  readonly isOver: boolean;
  /** A DATA frame begins; `length` counts its padding too, as flow control does. */
  dataBegins(streamId: number, length: number): void;
  /** A part of its data. The bytes are only lent: they are overwritten when this returns. */
  data(streamId: number, bytes: Buffer, start: number, end: number): void;
  dataEnds(streamId: number, endsStream: boolean): void;
  /** A header block begins; `payload[start, end)` is a fragment of it, or all, without padding, only lent. */
  headers(streamId: number, flags: number, payload: Buffer, start: number, end: number): void;
  /** The next fragment of a header block. */
  continuation(streamId: number, flags: number, payload: Buffer, start: number, end: number): void;
  /** Any other frame; `payload[start, end)` is only lent. */
  frame(type: number, flags: number, streamId: number, payload: Buffer, start: number, end: number): void;
}

/**
 * Cuts a connection's bytes into frames (RFC 9113, 4.1), however they come. Data is handed on as it comes, everything
 * else whole:
 * ```
 * length 3 bytes | type 1 | flags 1 | stream id 4, its first bit reserved | payload
 * ```
 * It knows what a frame looks like, not what it may follow.
 */
export class FrameReader {
  readonly #handler: FrameHandler;
  readonly #header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  #headerLength = 0;
  #type = 0;
  #flags = 0;
  #streamId = 0;
  /** Payload bytes that have not come, padding included. */
  #left = 0;
  /** Of these, padding at the end. */
  #padding = 0;
  /** The pad length of a DATA frame is the next byte. */
  #wantsPadLength = false;
  #isInPayload = false;
  /** Payload that came in part, of frames that are handed on whole. */
  #payload: Buffer | undefined;
  #payloadLength = 0;
  #partialSinceMs = 0;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  /** Since when a frame that is handed on whole has been coming; undefined where none is. Of `performance.now`. */
  get partialSinceMs(): number | undefined {
    return this.#payloadLength === 0 ? undefined : this.#partialSinceMs;
  }

  /** The next bytes of the connection. Throws `Http2Error`, and whatever the handler throws. */
  push(bytes: Buffer, start: number, end: number): void {
    let pos = start;
    while (pos < end && !this.#handler.isOver) {
      if (!this.#isInPayload) pos = this.#readHeader(bytes, pos, end);
      else if (this.#type === FRAME.data) pos = this.#readData(bytes, pos, end);
      else pos = this.#readWhole(bytes, pos, end);
    }
  }

  #readHeader(bytes: Buffer, start: number, end: number): number {
    if (this.#headerLength === 0 && end - start >= FRAME_HEADER_BYTES) {
      this.#begin(bytes, start);
      return start + FRAME_HEADER_BYTES;
    }
    const count = Math.min(FRAME_HEADER_BYTES - this.#headerLength, end - start);
    bytes.copy(this.#header, this.#headerLength, start, start + count);
    this.#headerLength += count;
    if (this.#headerLength === FRAME_HEADER_BYTES) {
      this.#headerLength = 0;
      this.#begin(this.#header, 0);
    }
    return start + count;
  }

  #begin(header: Buffer, at: number): void {
    const length = header.readUIntBE(at, 3);
    this.#type = header[at + 3] as number;
    this.#flags = header[at + 4] as number;
    this.#streamId = header.readUInt32BE(at + 5) & 0x7fff_ffff;
    if (length > FRAME_BYTES_MAX) throw new Http2Error(ERROR.frameSize, `a frame of ${length} bytes`);
    this.#left = length;
    this.#padding = 0;
    this.#isInPayload = true;
    if (this.#type === FRAME.data) {
      this.#wantsPadLength = (this.#flags & FLAG.padded) !== 0;
      if (this.#wantsPadLength && length === 0)
        throw new Http2Error(ERROR.frameSize, 'a padded frame without a length');
      this.#handler.dataBegins(this.#streamId, length);
      if (length === 0) this.#endData();
    } else if (length === 0) this.#whole(EMPTY, 0, 0);
  }

  #readData(bytes: Buffer, start: number, end: number): number {
    let pos = start;
    if (this.#wantsPadLength) {
      this.#wantsPadLength = false;
      this.#padding = bytes[pos++] as number;
      this.#left--;
      if (this.#padding > this.#left) throw new Http2Error(ERROR.protocol, 'more padding than frame');
    }
    const count = Math.min(this.#left - this.#padding, end - pos);
    if (count > 0) {
      this.#handler.data(this.#streamId, bytes, pos, pos + count);
      this.#left -= count;
      pos += count;
    }
    if (this.#left <= this.#padding) {
      const skipped = Math.min(this.#left, end - pos);
      this.#left -= skipped;
      this.#padding = this.#left;
      pos += skipped;
      if (this.#left === 0) this.#endData();
    }
    return pos;
  }

  #endData(): void {
    this.#isInPayload = false;
    this.#handler.dataEnds(this.#streamId, (this.#flags & FLAG.endStream) !== 0);
  }

  #readWhole(bytes: Buffer, start: number, end: number): number {
    const count = Math.min(this.#left, end - start);
    if (this.#payloadLength === 0 && count === this.#left) {
      this.#whole(bytes, start, start + count);
      return start + count;
    }
    if (this.#payloadLength === 0) this.#partialSinceMs = performance.now();
    this.#payload ??= Buffer.allocUnsafeSlow(FRAME_BYTES_MAX);
    bytes.copy(this.#payload, this.#payloadLength, start, start + count);
    this.#payloadLength += count;
    this.#left -= count;
    if (this.#left === 0) {
      // Forgotten behind it: who takes the frame may ask since when it has been coming.
      this.#whole(this.#payload, 0, this.#payloadLength);
      this.#payloadLength = 0;
    }
    return start + count;
  }

  #whole(payload: Buffer, start: number, end: number): void {
    this.#isInPayload = false;
    if (this.#type === FRAME.headers) this.#headers(payload, start, end);
    else if (this.#type === FRAME.continuation)
      this.#handler.continuation(this.#streamId, this.#flags, payload, start, end);
    else this.#handler.frame(this.#type, this.#flags, this.#streamId, payload, start, end);
  }

  /** Takes padding and priority off a HEADERS frame (RFC 9113, 6.2). */
  #headers(payload: Buffer, start: number, end: number): void {
    let from = start;
    let to = end;
    if ((this.#flags & FLAG.padded) !== 0) {
      if (from === to) throw new Http2Error(ERROR.frameSize, 'a padded frame without a length');
      to -= payload[from++] as number;
    }
    if ((this.#flags & FLAG.priority) !== 0) {
      if (to - from < 5) throw new Http2Error(ERROR.protocol, 'a priority that is cut short');
      const dependency = payload.readUInt32BE(from) & 0x7fff_ffff;
      if (dependency === this.#streamId) throw new Http2Error(ERROR.protocol, 'a stream that depends on itself');
      from += 5;
    }
    if (to < from) throw new Http2Error(ERROR.protocol, 'more padding than frame');
    this.#handler.headers(this.#streamId, this.#flags, payload, from, to);
  }
}

const EMPTY = Buffer.alloc(0);
