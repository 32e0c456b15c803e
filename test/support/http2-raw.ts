import { connect, type Socket } from 'node:net';
import { FRAME, frame, PREFACE, settingsFrame, wordsFrame } from '../../pipeline/http2/protocol.ts';
import { headerBlock } from '../../pipeline/http2/header-encoder.ts';

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export const REQUEST = headerBlock({ ':method': 'POST', ':scheme': 'http', ':path': '/', ':authority': 'test' });
const END_HEADERS = 4;
const END_STREAM = 1;

/** A client that says on a connection whatever it is told to, byte for byte. */
export class RawHttp2 {
  readonly socket: Socket;
  readonly frames: RawFrame[] = [];
  /** Whether the server has ended the connection. */
  isEnded = false;
  isClosed = false;
  #unread = Buffer.alloc(0);

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
    this.socket.on('data', (bytes: Buffer) => this.#read(bytes));
    this.socket.on('error', () => {});
    this.socket.on('end', () => {
      this.isEnded = true;
      if (this.socket.writableEnded) return;
      this.socket.end();
    });
    this.socket.on('close', () => {
      this.isClosed = true;
    });
  }

  /** Preface and settings. */
  hello(...settings: readonly (readonly [number, number])[]): this {
    return this.send(PREFACE, settingsFrame(settings));
  }

  send(...pieces: readonly Uint8Array[]): this {
    this.socket.write(Buffer.concat(pieces));
    return this;
  }

  /** A request, with its body in one frame where there is one; ended unless told otherwise. */
  request(streamId: number, body?: Uint8Array, ends = true): this {
    const headersEnd = body === undefined && ends ? END_STREAM : 0;
    this.send(frame(FRAME.headers, END_HEADERS | headersEnd, streamId, REQUEST));
    return body === undefined ? this : this.data(streamId, body, ends);
  }

  data(streamId: number, body: Uint8Array, ends = false): this {
    return this.send(frame(FRAME.data, ends ? END_STREAM : 0, streamId, body));
  }

  widen(streamId: number, bytes: number): this {
    return this.send(wordsFrame(FRAME.windowUpdate, 0, streamId, bytes));
  }

  of(type: number, streamId?: number): RawFrame[] {
    return this.frames.filter((one) => one.type === type && (streamId === undefined || one.streamId === streamId));
  }

  /** What came as data on a stream. */
  body(streamId: number): Buffer {
    return Buffer.concat(this.of(FRAME.data, streamId).map(({ payload }) => payload));
  }

  /** Whether the server ended the stream with its answer. */
  isAnswered(streamId: number): boolean {
    return this.frames.some(
      ({ type, flags, streamId: id }) => id === streamId && type <= FRAME.headers && (flags & END_STREAM) !== 0,
    );
  }

  /** The code of the server's GOAWAY; undefined where none came. */
  goaway(): number | undefined {
    return this.of(FRAME.goaway).at(-1)?.payload.readUInt32BE(4);
  }

  /** The code with which a stream was reset. */
  resetCode(streamId: number): number | undefined {
    return this.of(FRAME.rstStream, streamId).at(0)?.payload.readUInt32BE(0);
  }

  close(): void {
    this.socket.destroy();
  }

  #read(bytes: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, bytes]);
    for (;;) {
      if (this.#unread.length < 9) return;
      const end = 9 + this.#unread.readUIntBE(0, 3);
      if (this.#unread.length < end) return;
      this.frames.push({
        type: this.#unread[3] as number,
        flags: this.#unread[4] as number,
        streamId: this.#unread.readUInt32BE(5),
        payload: this.#unread.subarray(9, end),
      });
      this.#unread = this.#unread.subarray(end);
    }
  }
}
