import type { Duplex } from 'node:stream';
import { ClientStream, StreamError } from './client-stream.ts';
import { Connection, type ConnectionLimits, type Streams } from './connection.ts';
import type { HeaderList } from './header-decoder.ts';
import { ERROR, headerFrames, Http2Error, PREFACE, SETTING, settingsFrame } from './protocol.ts';

/** After so many streams the numbers run out (RFC 9113, 5.1.1); a new connection begins them anew. */
const STREAM_ID_MAX = 2 ** 31 - 3;
/** How long a server may say nothing at all, once it was asked for a sign of life. */
const PROBE_MS = 5000;

/** Who is told what becomes of a connection. */
export interface ClientEvents {
  /** The server has said hello, or how many requests may be under way. */
  readonly onSettings: () => void;
  /** Called once, when no new request can be sent here any more. */
  readonly onOver: (why: string) => void;
}

/** The client's side of one HTTP/2 connection. */
export class ClientConnection implements Streams {
  readonly #connection: Connection;
  readonly #limits: ConnectionLimits;
  readonly #events: ClientEvents;
  readonly #open = new Map<number, ClientStream>();
  #next = 1;
  #isClosing = false;
  #why: string | undefined;
  #probe: NodeJS.Timeout | undefined;
  /** The server begins no streams. */
  readonly lastPeerStream = 0;

  constructor(socket: Duplex, limits: ConnectionLimits, events: ClientEvents) {
    this.#limits = limits;
    this.#events = events;
    this.#connection = new Connection(socket, this, limits);
    this.#connection.outbox.write(PREFACE);
    this.#connection.outbox.write(
      settingsFrame([
        [SETTING.enablePush, 0],
        [SETTING.initialWindowSize, limits.windowBytes],
        [SETTING.maxHeaderListSize, limits.headerListBytes],
      ]),
    );
    this.#connection.openWindow();
  }

  get openStreams(): number {
    return this.#open.size;
  }

  /** Whether it takes no new requests any more. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Whether another request may be sent now; the server says how many may be under way. */
  get hasRoom(): boolean {
    return !this.#isClosing && this.#open.size < this.#connection.peerStreamsMax;
  }

  /** Bytes from the server, which are only lent. */
  receive(bytes: Buffer, start: number, end: number): void {
    clearTimeout(this.#probe);
    this.#probe = undefined;
    this.#connection.receive(bytes, start, end);
  }

  /** Begins a request; only while there is room. `headers` is a header block, the body's pieces are read until then. */
  request(headers: Buffer, pieces: readonly Uint8Array[]): ClientStream {
    const stream = new ClientStream(this.#next, this.#limits.windowBytes);
    this.#next += 2;
    if (this.#next > STREAM_ID_MAX) this.#finish('its stream numbers are used up');
    this.#open.set(stream.id, stream);
    this.#connection.sending.open(stream.id);
    this.#connection.outbox.write(headerFrames(stream.id, false, headers));
    this.#connection.sending.send(stream.id, pieces, undefined, () => {});
    return stream;
  }

  /** Ends a request that nobody waits for any more. */
  cancel(stream: ClientStream, why: string): void {
    if (!this.#open.has(stream.id)) return;
    this.#connection.resetStream(stream.id, ERROR.cancel);
    this.#over(stream);
    stream.fail(new StreamError(why));
  }

  /** Ends the connection unless the server shows that it is there. */
  probe(): void {
    if (this.#probe !== undefined || this.#connection.isOver) return;
    this.#connection.ping();
    this.#probe = setTimeout(() => this.destroy('the server is silent'), PROBE_MS).unref();
  }

  /** Cuts it, with the requests that are under way. */
  destroy(why: string): void {
    this.#finish(why);
    this.#connection.destroy();
    this.closed(why);
  }

  isIdle(streamId: number): boolean {
    return streamId % 2 === 0 || streamId >= this.#next;
  }

  headers(streamId: number, list: HeaderList, endsStream: boolean): void {
    if (this.isIdle(streamId)) throw new Http2Error(ERROR.protocol, 'headers on a stream that has not begun');
    const stream = this.#open.get(streamId);
    if (stream === undefined) return this.#connection.calm.spend();
    if (list.isTooLarge || !stream.takeHeaders(list.headers, endsStream))
      return this.#connection.failStream(streamId, ERROR.protocol);
    if (endsStream) this.#complete(stream);
  }

  dataBegins(streamId: number, length: number): void {
    if (this.isIdle(streamId)) throw new Http2Error(ERROR.protocol, 'data on a stream that has not begun');
    const stream = this.#open.get(streamId);
    if (stream === undefined) return;
    stream.window -= length;
    if (stream.window < 0) this.#connection.failStream(streamId, ERROR.flowControl);
    else if (!stream.hasHeaders) this.#connection.failStream(streamId, ERROR.protocol);
  }

  data(streamId: number, bytes: Buffer, start: number, end: number): void {
    this.#open.get(streamId)?.takeData(bytes, start, end);
  }

  dataEnds(streamId: number, endsStream: boolean): void {
    const stream = this.#open.get(streamId);
    if (stream === undefined) return;
    if (endsStream) return this.#complete(stream);
    const { windowBytes } = this.#limits;
    if (stream.window > windowBytes / 2) return;
    this.#connection.widenStream(streamId, windowBytes - stream.window);
    stream.window = windowBytes;
  }

  reset(streamId: number, code: number): void {
    const stream = this.#open.get(streamId);
    if (stream === undefined) return;
    this.#over(stream);
    // That it has surely not seen it, see RFC 9113, 8.7.
    stream.fail(new StreamError(`the stream was reset with code ${code}`, code === ERROR.refusedStream));
  }

  failed(streamId: number, code: number): void {
    const stream = this.#open.get(streamId);
    if (stream === undefined) return;
    this.#over(stream);
    stream.fail(new StreamError(`the answer breaks the rules of HTTP/2 (code ${code})`));
  }

  settingsCame(): void {
    this.#events.onSettings();
  }

  goingAway(lastStreamId: number, code: number): void {
    const why = `the server ended the connection (code ${code})`;
    this.#finish(why);
    for (const stream of this.#open.values()) {
      if (stream.id <= lastStreamId) continue;
      this.#over(stream);
      stream.fail(new StreamError(why, true));
    }
    this.#endIfDone();
  }

  peerEnded(): void {
    this.destroy(this.#why ?? 'the server closed the connection');
  }

  closed(why: string): void {
    clearTimeout(this.#probe);
    this.#finish(why);
    for (const stream of this.#open.values()) {
      this.#connection.sending.drop(stream.id);
      stream.fail(new StreamError(this.#why ?? why));
    }
    this.#open.clear();
  }

  #complete(stream: ClientStream): void {
    // It has answered before it had all: the rest is of no use to it.
    if (this.#connection.sending.isSending(stream.id)) this.#connection.resetStream(stream.id, ERROR.none);
    this.#over(stream);
    stream.complete();
  }

  #over(stream: ClientStream): void {
    this.#open.delete(stream.id);
    this.#connection.sending.drop(stream.id);
    this.#endIfDone();
  }

  #finish(why: string): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#why = why;
    this.#events.onOver(why);
  }

  #endIfDone(): void {
    if (this.#isClosing && this.#open.size === 0 && !this.#connection.isOver) this.#connection.end();
  }
}
