import type { Duplex } from 'node:stream';
import { Connection, type ConnectionLimits, type Streams, UNREAD_BYTES_MAX } from './connection.ts';
import type { HeaderList } from './header-decoder.ts';
import { Patience } from './patience.ts';
import { ERROR, Http2Error, PREFACE, SETTING, settingsFrame } from './protocol.ts';
import { checkRequest, checkTrailers } from './request-headers.ts';
import { ServerStream, type StreamEvents } from './server-stream.ts';

export interface ServerLimits extends ConnectionLimits {
  /** Requests under way at once on a connection; more are refused, and may be sent again. */
  readonly streamsMax: number;
  /** How long a client may take for its preface and its settings, for a head, and to take something of answers, ms. */
  readonly helloMs: number;
  /** What it may leave unread of answers, UNREAD_BYTES_MAX unless told otherwise. */
  readonly unreadBytes?: number;
}

/** Streams that are over and still remembered, to tell what comes late from what is wrong. */
const REMEMBERED_STREAMS = 256;

/** The server's side of one HTTP/2 connection, whose client begins with the preface. */
export class ServerConnection implements Streams {
  readonly #connection: Connection;
  readonly #limits: ServerLimits;
  readonly #onRequest: (stream: ServerStream) => void;
  readonly #open = new Map<number, ServerStream>();
  /** Streams that we ended before the client did: what it had sent by then may still come. */
  readonly #cut = new Set<number>();
  /** Up to here such streams have been forgotten: whatever comes for a closed one is taken as late. */
  #forgotten = 0;
  readonly #hello: NodeJS.Timeout;
  readonly #patience: Patience;
  readonly #events: StreamEvents = { onAnswer: () => this.#watch(), onOver: (stream) => this.#over(stream) };
  #prefaceLength = 0;
  #isClosing = false;
  /** The highest stream that was answered, or will be: what GOAWAY tells. */
  lastPeerStream = 0;
  /** The highest that the client began; beyond the other are those that came after our GOAWAY. */
  #highest = 0;

  constructor(socket: Duplex, limits: ServerLimits, onRequest: (stream: ServerStream) => void) {
    this.#limits = limits;
    this.#onRequest = onRequest;
    this.#patience = new Patience(
      limits.helloMs,
      () => this.#waitingSince(),
      () => this.#lose(),
    );
    this.#hello = setTimeout(() => this.#connection.destroy(), limits.helloMs);
    this.#connection = new Connection(socket, this, limits);
    this.#connection.outbox.write(
      settingsFrame([
        [SETTING.maxConcurrentStreams, limits.streamsMax],
        [SETTING.initialWindowSize, limits.windowBytes],
        [SETTING.maxHeaderListSize, limits.headerListBytes],
      ]),
    );
    this.#connection.openWindow();
  }

  /** Requests under way. */
  get openStreams(): number {
    return this.#open.size;
  }

  /** Bytes from the client, which are only lent. */
  receive(bytes: Buffer, start: number, end: number): void {
    let from = start;
    while (this.#prefaceLength < PREFACE.length && from < end) {
      if (bytes[from++] === PREFACE[this.#prefaceLength++]) continue;
      this.#connection.fail(new Http2Error(ERROR.protocol, 'the connection does not begin as HTTP/2'));
      return;
    }
    this.#connection.receive(bytes, from, end);
    this.#watch();
  }

  /** GOAWAY: requests under way are answered, then the connection ends. */
  close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#connection.goAway(this.lastPeerStream, ERROR.none);
    this.#endIfDone();
  }

  destroy(): void {
    this.#connection.destroy();
  }

  isIdle(streamId: number): boolean {
    return streamId > this.#highest || streamId % 2 === 0;
  }

  headers(streamId: number, list: HeaderList, endsStream: boolean): void {
    if (streamId % 2 === 0) throw new Http2Error(ERROR.protocol, 'a client began an even stream');
    const open = this.#open.get(streamId);
    if (open !== undefined) return this.#trailers(open, list, endsStream);
    if (this.#isLate(streamId)) return this.#connection.calm.spend();
    if (streamId === this.#highest) throw new Http2Error(ERROR.streamClosed, 'headers on a stream that is over');
    if (streamId < this.#highest) throw new Http2Error(ERROR.protocol, 'a new stream with an old number');
    this.#highest = streamId;
    // The client does not know of our GOAWAY yet. It will, and send this again somewhere else (RFC 9113, 6.8).
    if (this.#isClosing) return;
    this.lastPeerStream = streamId;
    if (this.#open.size >= this.#limits.streamsMax) this.#refuse(streamId, endsStream, ERROR.refusedStream);
    else if (list.isTooLarge) this.#refuse(streamId, endsStream, ERROR.enhanceYourCalm);
    else if (!checkRequest(list)) this.#refuse(streamId, endsStream, ERROR.protocol);
    else this.#begin(streamId, list, endsStream);
  }

  dataBegins(streamId: number, length: number): void {
    const stream = this.#open.get(streamId);
    if (stream !== undefined) return stream.dataBegins(length);
    if (this.isIdle(streamId)) throw new Http2Error(ERROR.protocol, 'data on a stream that has not begun');
    if (!this.#isLate(streamId)) throw new Http2Error(ERROR.streamClosed, 'data on a stream that is over');
  }

  data(streamId: number, bytes: Buffer, start: number, end: number): void {
    this.#open.get(streamId)?.data(bytes, start, end);
  }

  dataEnds(streamId: number, endsStream: boolean): void {
    if (endsStream) this.#cut.delete(streamId);
    this.#open.get(streamId)?.dataEnds(endsStream);
  }

  reset(streamId: number): void {
    this.#open.get(streamId)?.cut();
    // Nothing may follow its own end of the stream.
    this.#cut.delete(streamId);
  }

  failed(streamId: number): void {
    this.#open.get(streamId)?.cut();
  }

  settingsCame(): void {
    clearTimeout(this.#hello);
  }

  goingAway(): void {
    // The client begins nothing more; what it has under way is answered, and it closes.
  }

  peerEnded(): void {
    this.#isClosing = true;
    for (const stream of this.#open.values()) if (!stream.hasEnded) stream.cut();
    this.#endIfDone();
  }

  closed(): void {
    clearTimeout(this.#hello);
    this.#patience.end();
    for (const stream of this.#open.values()) stream.cut();
  }

  #begin(streamId: number, list: HeaderList, endsStream: boolean): void {
    this.#connection.calm.earn();
    const stream = new ServerStream(streamId, list.headers, this.#connection, this.#events);
    this.#open.set(streamId, stream);
    this.#connection.sending.open(streamId);
    if (endsStream && !stream.complete()) return;
    this.#onRequest(stream);
    if (endsStream) stream.tellEnd();
  }

  /** Headers behind the data must end the stream. */
  #trailers(stream: ServerStream, list: HeaderList, endsStream: boolean): void {
    if (stream.hasEnded) return this.#connection.failStream(stream.id, ERROR.streamClosed);
    if (!endsStream || !checkTrailers(list)) return this.#connection.failStream(stream.id, ERROR.protocol);
    stream.end();
  }

  #refuse(streamId: number, endsStream: boolean, code: number): void {
    if (!endsStream) this.#remember(streamId);
    // As long as the client cannot know how many streams there may be, more are no fault of its own.
    const isInnocent = code === ERROR.refusedStream && !this.#connection.hasAcknowledged;
    if (isInnocent) this.#connection.resetStream(streamId, code);
    else this.#connection.failStream(streamId, code);
  }

  #over(stream: ServerStream): void {
    this.#open.delete(stream.id);
    this.#connection.sending.drop(stream.id);
    if (!stream.hasEnded) this.#remember(stream.id);
    this.#endIfDone();
  }

  /** Looks whether the client takes what we answer, and ends what it has begun. Behind every read and every answer. */
  #watch(): void {
    const connection = this.#connection;
    if (connection.isOver) return;
    const max = this.#limits.unreadBytes ?? UNREAD_BYTES_MAX;
    if (this.#unreadBytes() > max) {
      // What has only waited for the end of this turn is no fault of the client's.
      connection.outbox.flush();
      if (this.#unreadBytes() > max) return connection.destroy();
    }
    this.#patience.watch();
  }

  /** Bodies count wholly, wherever they wait: a client that gives no window leaves them unread as well. */
  #unreadBytes(): number {
    const { outbox, sending } = this.#connection;
    return outbox.unsentBytes + sending.heldBytes;
  }

  /**
   * Since when the client has kept us waiting for the rest of a head, for a window, or to read what it asked for; undefined
   * where it does not.
   */
  #waitingSince(): number | undefined {
    const { unfinishedSinceMs = Infinity, sending, outbox } = this.#connection;
    const since = Math.min(unfinishedSinceMs, sending.stuckSinceMs ?? Infinity, outbox.stuckSinceMs ?? Infinity);
    return since === Infinity ? undefined : since;
  }

  /** Ends what the client takes too long for, and tells it, unless it reads nothing: that would wait, too. */
  #lose(): void {
    const { outbox } = this.#connection;
    outbox.flush();
    if (outbox.unsentBytes > 0) this.#connection.destroy();
    else this.#connection.fail(new Http2Error(ERROR.enhanceYourCalm, 'the client takes too long'));
  }

  /** Whether a stream that is not open may still get frames that the client sent before it knew. */
  #isLate(streamId: number): boolean {
    if (streamId > this.lastPeerStream) return streamId <= this.#highest;
    return streamId <= this.#forgotten || this.#cut.has(streamId);
  }

  #remember(streamId: number): void {
    if (this.#cut.size >= REMEMBERED_STREAMS) {
      const oldest = this.#cut.values().next().value as number;
      this.#cut.delete(oldest);
      this.#forgotten = Math.max(this.#forgotten, oldest);
    }
    this.#cut.add(streamId);
  }

  #endIfDone(): void {
    if (this.#isClosing && this.#open.size === 0 && !this.#connection.isOver) this.#connection.end();
  }
}
