/** What a client may keep a server waiting for, and how long; and what a client of ours waits for, however long. */
import { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ClientConnection } from '../../../pipeline/http2/client-connection.ts';
import { headerBlock } from '../../../pipeline/http2/header-encoder.ts';
import { FLAG, FRAME, frame, PREFACE, SETTING, settingsFrame, wordsFrame } from '../../../pipeline/http2/protocol.ts';
import { ServerConnection } from '../../../pipeline/http2/server-connection.ts';
import type { ServerStream } from '../../../pipeline/http2/server-stream.ts';
import { REQUEST } from '../../support/http2-raw.ts';

const HELLO_MS = 30_000;
const LIMITS = { windowBytes: 1024 * 1024, headerListBytes: 16_384, streamsMax: 256, helloMs: HELLO_MS };
const OK = headerBlock({ ':status': '404' });
const CALM = 11;
const MIB = 1024 * 1024;
const NO_WINDOW = settingsFrame([[SETTING.initialWindowSize, 0]]);
const PING = frame(FRAME.ping, 0, 0, Buffer.alloc(8));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A server's connection with what it sends; each request is answered with `answer` at once. */
class Served {
  readonly sent: Buffer[] = [];
  readonly connection: ServerConnection;
  readonly socket: Duplex;
  /** Reads what the client has been sent last, where it does not by itself. */
  read: () => void = () => {};
  begun = 0;

  constructor(answer: (stream: ServerStream) => void, settings = NO_WINDOW, isRead = true) {
    this.socket = new Duplex({
      read() {},
      write: (piece: Buffer, _encoding, done) => {
        this.sent.push(Buffer.from(piece));
        if (isRead) done();
        else this.read = done;
      },
    });
    this.connection = new ServerConnection(this.socket, LIMITS, (stream) => {
      this.begun++;
      stream.listen({ data() {}, end: () => answer(stream), closed() {} });
    });
    this.receive(PREFACE, settings);
  }

  receive(...pieces: Buffer[]): this {
    const bytes = Buffer.concat(pieces);
    this.connection.receive(bytes, 0, bytes.length);
    return this;
  }

  /** Requests from stream `first` on, in one read. */
  request(count: number, first = 1): this {
    const flags = FLAG.endHeaders | FLAG.endStream;
    return this.receive(
      ...Array.from({ length: count }, (_, i) => frame(FRAME.headers, flags, first + 2 * i, REQUEST)),
    );
  }

  /** The code of the GOAWAY with which it has ended; undefined where it has not. */
  get goaway(): number | undefined {
    const bytes = Buffer.concat(this.sent);
    for (let at = 0; at < bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
      if (bytes[at + 3] === FRAME.goaway) return bytes.readUInt32BE(at + 13);
    }
    return undefined;
  }
}

describe('answers behind a window that stays closed', () => {
  const small = (stream: ServerStream): void => stream.answer(OK, Buffer.alloc(1000));

  test('end the connection after the time that a request has, and are let go', () => {
    const served = new Served(small).request(10);
    vi.advanceTimersByTime(HELLO_MS - 1);
    // That it lives is not that it takes anything.
    served.receive(PING);
    expect([served.goaway, served.connection.openStreams]).toEqual([undefined, 10]);
    vi.advanceTimersByTime(1);
    expect([served.goaway, served.connection.openStreams]).toEqual([CALM, 0]);
  });

  test('end it wherever they were made late', () => {
    const streams: ServerStream[] = [];
    const served = new Served((stream) => void streams.push(stream)).request(2);
    vi.advanceTimersByTime(10 * HELLO_MS);
    for (const stream of streams) small(stream);
    vi.advanceTimersByTime(HELLO_MS - 1);
    expect(served.goaway).toBeUndefined();
    vi.advanceTimersByTime(1);
    expect(served.goaway).toBe(CALM);
  });

  test('do not as long as some of them is taken, however slowly', () => {
    const served = new Served(small).request(1);
    for (let i = 0; i < 20; i++) {
      vi.advanceTimersByTime(HELLO_MS - 1);
      served.receive(wordsFrame(FRAME.windowUpdate, 0, 1, 50));
    }
    vi.advanceTimersByTime(2 * HELLO_MS);
    expect([served.goaway, served.connection.openStreams]).toEqual([undefined, 0]);
  });

  test('of more than may be unread end it at once', () => {
    const served = new Served((stream) => stream.answer(OK, Buffer.alloc(MIB)));
    served.request(4);
    expect(served.socket.destroyed).toBe(false);
    served.receive(wordsFrame(FRAME.rstStream, 0, 1, 8), wordsFrame(FRAME.rstStream, 0, 3, 8)).request(2, 9);
    expect(served.socket.destroyed).toBe(false);
    served.request(1, 13);
    expect(served.socket.destroyed).toBe(true);
  });
});

test('answers that are not read end the connection within the read that asked for them', () => {
  const long = headerBlock({ ':status': '404', why: 'x'.repeat(8000) });
  const served = new Served((stream) => stream.answer(long), settingsFrame([]), false).request(3000);
  expect(served.socket.destroyed).toBe(true);
  expect(served.begun).toBeLessThan(700);
});

test('answers that are read do not, however many one read asks for', () => {
  const long = headerBlock({ ':status': '404', why: 'x'.repeat(8000) });
  const served = new Served((stream) => stream.answer(long), settingsFrame([])).request(3000);
  expect([served.begun, served.socket.destroyed]).toEqual([3000, false]);
});

describe('answers that are not read', () => {
  const short = (stream: ServerStream): void => stream.answer(OK);

  test('end the connection after the time that a request has, however few they are', () => {
    const served = new Served(short, settingsFrame([]), false).request(1);
    vi.advanceTimersByTime(HELLO_MS - 1);
    // That it asks for more is not that it reads anything.
    served.request(1, 3);
    expect(served.socket.destroyed).toBe(false);
    vi.advanceTimersByTime(1);
    expect(served.socket.destroyed).toBe(true);
  });

  test('do not as long as some of them is read, however slowly', () => {
    const served = new Served(short, settingsFrame([]), false);
    vi.advanceTimersByTime(1);
    for (let i = 0; i < 20; i++) {
      served.request(1, 1 + 2 * i);
      vi.advanceTimersByTime(HELLO_MS - 2);
      // What was asked for last is still unread when what was before it is read.
      served.read();
      expect([served.socket.destroyed, served.socket.writableLength > 0]).toEqual([false, true]);
    }
    vi.advanceTimersByTime(HELLO_MS);
    expect(served.socket.destroyed).toBe(true);
  });
});

describe('a head that does not end', () => {
  const begin = (flags = 0): Buffer => frame(FRAME.headers, flags, 1, REQUEST.subarray(0, 3));
  const more = frame(FRAME.continuation, 0, 1, REQUEST.subarray(3, 4));
  const served = (): Served => {
    const made = new Served((stream) => stream.answer(OK, Buffer.alloc(0)));
    // Long after its settings: a connection may be idle.
    vi.advanceTimersByTime(10 * HELLO_MS);
    expect(made.goaway).toBeUndefined();
    return made;
  };

  test.each([
    ['without its continuation', begin()],
    ['within its frame', begin(FLAG.endHeaders).subarray(0, 11)],
    ['within its continuation', Buffer.concat([begin(), more.subarray(0, 10)])],
  ])('%s ends the connection after the time that a request has', (_, bytes) => {
    const one = served().receive(bytes);
    vi.advanceTimersByTime(HELLO_MS - 1);
    expect(one.goaway).toBeUndefined();
    vi.advanceTimersByTime(1);
    expect(one.goaway).toBe(CALM);
  });

  test('gains no time by a byte now and then, nor by a fragment', () => {
    const one = served();
    const bytes = Buffer.concat([begin(), more, more]);
    // It begins with what is behind the first nine bytes, which only say that a frame comes.
    const step = Math.ceil(HELLO_MS / (bytes.length - 9));
    for (const byte of bytes) {
      one.receive(Buffer.from([byte]));
      vi.advanceTimersByTime(step);
    }
    expect(one.goaway).toBe(CALM);
  });

  test('that ends in time is answered, and the next has as long again', () => {
    const one = served();
    for (let id = 1; id < 9; id += 2) {
      one.receive(frame(FRAME.headers, FLAG.endStream, id, REQUEST.subarray(0, 3)));
      vi.advanceTimersByTime(HELLO_MS - 1);
      one.receive(frame(FRAME.continuation, FLAG.endHeaders, id, REQUEST.subarray(3)));
    }
    vi.advanceTimersByTime(10 * HELLO_MS);
    expect([one.goaway, one.begun, one.connection.openStreams]).toEqual([undefined, 4, 0]);
  });
});

test('requests of ours wait for a window as long as they are told to, and as many bytes', async () => {
  const socket = new Duplex({ read() {}, write: (_piece, _encoding, done) => done() });
  const over: string[] = [];
  const events = { onSettings: () => {}, onOver: (why: string) => void over.push(why) };
  const connection = new ClientConnection(socket, LIMITS, events);
  const receive = (bytes: Buffer): void => connection.receive(bytes, 0, bytes.length);
  receive(NO_WINDOW);
  const requests = [1, 2, 3].map(() => connection.request(REQUEST, [Buffer.alloc(4 * MIB)]));
  for (const { answer } of requests) answer.catch(() => {});
  for (let i = 0; i < 20; i++) {
    vi.advanceTimersByTime(HELLO_MS);
    receive(PING);
  }
  expect([over, connection.openStreams, socket.destroyed]).toEqual([[], 3, false]);
  connection.destroy('the end of the test');
});
