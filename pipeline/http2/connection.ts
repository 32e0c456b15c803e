import type { Duplex } from 'node:stream';
import { Calm } from './calm.ts';
import { FrameReader, type FrameHandler } from './frame-reader.ts';
import { HeaderDecoder, type HeaderList } from './header-decoder.ts';
import { Outbox } from './outbox.ts';
import { ERROR, FLAG, FRAME, frame, Http2Error, WINDOW_BYTES_FIRST, wordsFrame } from './protocol.ts';
import { Sending } from './sending.ts';
import { readSettings } from './settings.ts';

/** What a peer may do on a connection; our side of it. */
export interface ConnectionLimits {
  /** Bytes that it may send before it hears of us, per stream and for all together. */
  readonly windowBytes: number;
  readonly headerListBytes: number;
}

/**
 * The streams of a connection, of a server or of a client. They throw `Http2Error` where the connection must end, and
 * call `Connection.failStream` where one stream must.
 */
export interface Streams {
  /** The highest stream of the peer's that was looked at. */
  readonly lastPeerStream: number;
  /** Whether the stream has not been used yet: most frames may not name it (RFC 9113, 5.1). */
  isIdle(streamId: number): boolean;
  headers(streamId: number, list: HeaderList, endsStream: boolean): void;
  /** Takes `length` bytes off the stream's window. */
  dataBegins(streamId: number, length: number): void;
  /** The bytes are only lent. */
  data(streamId: number, bytes: Buffer, start: number, end: number): void;
  dataEnds(streamId: number, endsStream: boolean): void;
  /** The peer ended the stream before its time; nothing if it is not open. */
  reset(streamId: number, code: number): void;
  /** We ended the stream before its time; nothing if it is not open. */
  failed(streamId: number, code: number): void;
  /** The peer said what it wants, first of all and whenever that changes. */
  settingsCame(): void;
  /** The peer will take no stream above `lastStreamId`. */
  goingAway(lastStreamId: number, code: number): void;
  /** The peer sends nothing more. What it has sent may still be answered, within `HALF_CLOSED_MS_MAX`. */
  peerEnded(): void;
  /** The connection is gone, or broken so that nothing can be answered; legal twice. */
  closed(why: string): void;
}

/** The header block of a fragment more may not cost more than what is in it. */
const FRAGMENTS_MAX = 32;
/** What a peer leaves unread of our answers before it is cut off. */
export const UNREAD_BYTES_MAX = 4 * 1024 * 1024;
/** How long a peer that has closed its side may wait for answers. */
const HALF_CLOSED_MS_MAX = 60_000;
/** How long a connection that ends may take to send what is left. */
const FLUSH_MS_MAX = 30_000;
/**
 * How long it stays open then, to throw away what the peer sends before it sees the end. Closed at once, the system would
 * answer that with a reset, and the peer's could lose what it had not read yet: the reason, or the last answers.
 */
const LINGER_MS_MAX = 2000;

/**
 * What both sides of HTTP/2 do alike on one connection (RFC 9113): frames in their order, header blocks, settings, pings,
 * flow control, and an end with a reason. Streams are the business of `streams`.
 */
export class Connection implements FrameHandler {
  readonly outbox: Outbox;
  readonly sending: Sending;
  readonly calm = new Calm();
  /** Whether the peer knows our settings, and what it sends has to keep to them. */
  hasAcknowledged = false;
  readonly limits: ConnectionLimits;
  /** SETTINGS_MAX_CONCURRENT_STREAMS of the peer. */
  peerStreamsMax = Number.POSITIVE_INFINITY;
  readonly #socket: Duplex;
  readonly #streams: Streams;
  readonly #reader = new FrameReader(this);
  readonly #decoder: HeaderDecoder;
  #window: number;
  #consumed = 0;
  /** The stream of an open header block; 0 for none. */
  #blockStream = 0;
  #blockEndsStream = false;
  #block: Buffer[] = [];
  #blockBytes = 0;
  #blockSinceMs = 0;
  #isOver = false;
  #why = 'the connection was closed';
  #hasSettings = false;
  /** Ends what takes too long to end. */
  #ending: NodeJS.Timeout | undefined;

  constructor(socket: Duplex, streams: Streams, limits: ConnectionLimits) {
    this.#socket = socket;
    this.#streams = streams;
    this.limits = limits;
    this.outbox = new Outbox(socket);
    this.sending = new Sending(this.outbox, this.calm);
    this.#decoder = new HeaderDecoder(limits.headerListBytes);
    this.#window = WINDOW_BYTES_FIRST;
    socket.on('drain', () => this.sending.pump());
    // Without a listener it would end the process; 'close' follows.
    socket.on('error', (error: Error) => (this.#why = error.message));
    socket.once('end', () => this.#halfClosed());
    socket.once('close', () => this.#gone());
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Since when a header block, or a frame but for data, has been coming; undefined where none is. */
  get unfinishedSinceMs(): number | undefined {
    return this.#blockStream === 0 ? this.#reader.partialSinceMs : this.#blockSinceMs;
  }

  /** Widens the peer's window of the whole connection to what the limits say. To be called after our SETTINGS. */
  openWindow(): void {
    const more = this.limits.windowBytes - WINDOW_BYTES_FIRST;
    if (more <= 0) return;
    this.#window += more;
    this.outbox.write(wordsFrame(FRAME.windowUpdate, 0, 0, more));
  }

  /** Bytes from the peer, which are only lent. Never throws for what the peer does. */
  receive(bytes: Buffer, start: number, end: number): void {
    if (this.#isOver) return;
    try {
      this.#reader.push(bytes, start, end);
    } catch (thrown) {
      if (!(thrown instanceof Http2Error)) throw thrown;
      this.fail(thrown);
    }
    this.sending.pump();
    if (this.outbox.unsentBytes > UNREAD_BYTES_MAX) this.destroy();
  }

  /** Ends one stream, telling the peer why. */
  resetStream(streamId: number, code: number): void {
    this.sending.drop(streamId);
    this.outbox.write(wordsFrame(FRAME.rstStream, 0, streamId, code));
  }

  /** Lets the peer send so many bytes more on a stream. */
  widenStream(streamId: number, bytes: number): void {
    this.outbox.write(wordsFrame(FRAME.windowUpdate, 0, streamId, bytes));
  }

  /** The peer broke the rules on one stream. */
  failStream(streamId: number, code: number): void {
    this.calm.spend(2);
    this.resetStream(streamId, code);
    this.#streams.failed(streamId, code);
  }

  /** Asks the peer for a sign of life. */
  ping(): void {
    this.outbox.write(frame(FRAME.ping, 0, 0, PING_PAYLOAD));
  }

  /** Asks the peer to begin no stream above `lastStreamId`. */
  goAway(lastStreamId: number, code: number): void {
    this.outbox.write(wordsFrame(FRAME.goaway, 0, 0, lastStreamId, code));
  }

  /** Ends the connection, telling the peer why. */
  fail(error: Http2Error): void {
    if (this.#isOver) return;
    this.goAway(this.#streams.lastPeerStream, error.code);
    this.end();
    this.#streams.closed(error.message);
  }

  /** Sends what waits and closes. */
  end(): void {
    this.#isOver = true;
    this.outbox.flush();
    this.outbox.discard();
    this.#endWithin(FLUSH_MS_MAX);
    this.#socket.end(() => this.#endWithin(LINGER_MS_MAX));
  }

  destroy(): void {
    this.#isOver = true;
    this.outbox.discard();
    this.#socket.destroy();
  }

  dataBegins(streamId: number, length: number): void {
    this.#checkOrder();
    if (streamId === 0) throw new Http2Error(ERROR.protocol, 'data on no stream');
    this.#window -= length;
    if (this.#window < 0) throw new Http2Error(ERROR.flowControl, 'more data than the window of the connection');
    this.#consumed += length;
    if (this.#consumed >= this.limits.windowBytes / 2) {
      this.outbox.write(wordsFrame(FRAME.windowUpdate, 0, 0, this.#consumed));
      this.#window += this.#consumed;
      this.#consumed = 0;
    }
    if (length === 0) this.calm.spend();
    else this.calm.earn();
    this.#streams.dataBegins(streamId, length);
  }

  data(streamId: number, bytes: Buffer, start: number, end: number): void {
    this.#streams.data(streamId, bytes, start, end);
  }

  dataEnds(streamId: number, endsStream: boolean): void {
    this.#streams.dataEnds(streamId, endsStream);
  }

  headers(streamId: number, flags: number, payload: Buffer, start: number, end: number): void {
    this.#checkOrder();
    if (streamId === 0) throw new Http2Error(ERROR.protocol, 'headers on no stream');
    const endsStream = (flags & FLAG.endStream) !== 0;
    if ((flags & FLAG.endHeaders) !== 0) {
      this.#decode(streamId, endsStream, payload, start, end);
      return;
    }
    this.#blockStream = streamId;
    this.#blockEndsStream = endsStream;
    this.#blockSinceMs = this.#reader.partialSinceMs ?? performance.now();
    this.#keepFragment(payload, start, end);
  }

  continuation(streamId: number, flags: number, payload: Buffer, start: number, end: number): void {
    if (streamId === 0 || streamId !== this.#blockStream)
      throw new Http2Error(ERROR.protocol, 'a continuation of nothing');
    this.#keepFragment(payload, start, end);
    if ((flags & FLAG.endHeaders) === 0) return;
    const block = Buffer.concat(this.#block);
    this.#block = [];
    this.#blockBytes = 0;
    this.#blockStream = 0;
    this.#decode(streamId, this.#blockEndsStream, block, 0, block.length);
  }

  frame(type: number, flags: number, streamId: number, payload: Buffer, start: number, end: number): void {
    this.#checkOrder(type === FRAME.settings);
    const length = end - start;
    switch (type) {
      case FRAME.settings:
        return this.#settings(flags, streamId, payload, start, end);
      case FRAME.ping:
        checkShape(streamId === 0, length === 8);
        this.calm.spend();
        if ((flags & FLAG.ack) !== 0) return;
        this.outbox.write(
          wordsFrame(FRAME.ping, FLAG.ack, 0, payload.readUInt32BE(start), payload.readUInt32BE(start + 4)),
        );
        return;
      case FRAME.windowUpdate:
        checkShape(true, length === 4);
        return this.#widen(streamId, payload.readUInt32BE(start) & 0x7fff_ffff);
      case FRAME.rstStream:
        checkShape(streamId !== 0 && !this.#streams.isIdle(streamId), length === 4);
        this.calm.spend(2);
        this.sending.drop(streamId);
        return this.#streams.reset(streamId, payload.readUInt32BE(start));
      case FRAME.priority:
        return this.#priority(streamId, payload, start, length);
      case FRAME.goaway:
        checkShape(streamId === 0, length >= 8);
        this.calm.spend();
        return this.#streams.goingAway(payload.readUInt32BE(start) & 0x7fff_ffff, payload.readUInt32BE(start + 4));
      case FRAME.pushPromise:
        throw new Http2Error(ERROR.protocol, 'a push that nobody asked for');
      default:
        // What is not known is passed over (RFC 9113, 4.1).
        this.calm.spend();
    }
  }

  /** Inside a header block nothing else may come (RFC 9113, 6.10); in front of everything stand SETTINGS (3.4). */
  #checkOrder(isSettings = false): void {
    if (this.#blockStream !== 0) throw new Http2Error(ERROR.protocol, 'a header block is interrupted');
    if (!this.#hasSettings && !isSettings) throw new Http2Error(ERROR.protocol, 'the first frame is not SETTINGS');
  }

  #keepFragment(payload: Buffer, start: number, end: number): void {
    this.#block.push(Buffer.from(payload.subarray(start, end)));
    this.#blockBytes += end - start;
    if (this.#block.length > FRAGMENTS_MAX || this.#blockBytes > 2 * this.limits.headerListBytes)
      throw new Http2Error(ERROR.enhanceYourCalm, 'a header block without end');
  }

  #decode(streamId: number, endsStream: boolean, block: Buffer, start: number, end: number): void {
    this.#streams.headers(streamId, this.#decoder.decode(block, start, end), endsStream);
  }

  #settings(flags: number, streamId: number, payload: Buffer, start: number, end: number): void {
    const isAck = (flags & FLAG.ack) !== 0;
    checkShape(streamId === 0, isAck ? start === end : (end - start) % 6 === 0);
    this.calm.spend();
    if (isAck) {
      this.hasAcknowledged = true;
      return;
    }
    const { initialWindowSize, maxFrameSize, maxConcurrentStreams } = readSettings(payload, start, end);
    // In front of what the new window lets go.
    this.outbox.write(wordsFrame(FRAME.settings, FLAG.ack, 0));
    if (maxFrameSize !== undefined) this.sending.frameBytes = maxFrameSize;
    if (initialWindowSize !== undefined) this.sending.setInitialWindow(initialWindowSize);
    if (maxConcurrentStreams !== undefined) this.peerStreamsMax = maxConcurrentStreams;
    this.#hasSettings = true;
    this.#streams.settingsCame();
  }

  #widen(streamId: number, bytes: number): void {
    this.calm.spend();
    if (streamId !== 0 && this.#streams.isIdle(streamId)) throw new Http2Error(ERROR.protocol, 'a window of no stream');
    if (bytes > 0 && this.sending.widen(streamId, bytes)) return;
    const code = bytes > 0 ? ERROR.flowControl : ERROR.protocol;
    if (streamId === 0)
      throw new Http2Error(code, bytes > 0 ? 'the window is too large' : 'a window that does not grow');
    this.failStream(streamId, code);
  }

  #priority(streamId: number, payload: Buffer, start: number, length: number): void {
    // A stream that has not begun cannot be reset.
    checkShape(streamId !== 0, length === 5 || !this.#streams.isIdle(streamId));
    this.calm.spend();
    if (length !== 5) return this.failStream(streamId, ERROR.frameSize);
    if ((payload.readUInt32BE(start) & 0x7fff_ffff) !== streamId) return;
    if (this.#streams.isIdle(streamId)) throw new Http2Error(ERROR.protocol, 'a stream that depends on itself');
    this.failStream(streamId, ERROR.protocol);
  }

  #halfClosed(): void {
    if (this.#isOver) return;
    this.#endWithin(HALF_CLOSED_MS_MAX);
    this.#streams.peerEnded();
    this.sending.windowsEnd();
  }

  #endWithin(ms: number): void {
    clearTimeout(this.#ending);
    if (this.#socket.destroyed) return;
    // The open socket keeps the process alive, as far as anything should.
    this.#ending = setTimeout(() => this.destroy(), ms).unref();
  }

  #gone(): void {
    this.#isOver = true;
    clearTimeout(this.#ending);
    this.outbox.discard();
    this.#streams.closed(this.#why);
  }
}

const PING_PAYLOAD = Buffer.alloc(8);

/** Throws what RFC 9113, 6 says of a frame on the wrong stream, or of the wrong length. */
function checkShape(isOnRightStream: boolean, hasRightLength: boolean): void {
  if (!hasRightLength) throw new Http2Error(ERROR.frameSize, 'a frame of another length than it must have');
  if (!isOnRightStream) throw new Http2Error(ERROR.protocol, 'a frame on a stream where it may not be');
}
