/** Connections: what a peer sends, in any pieces. */
import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { PlainConnection } from '../../../pipeline/http1/plain-connection.ts';
import { ClientConnection } from '../../../pipeline/http2/client-connection.ts';
import { headerBlock } from '../../../pipeline/http2/header-encoder.ts';
import { FRAME, frame, PREFACE, settingsFrame } from '../../../pipeline/http2/protocol.ts';
import { ServerConnection } from '../../../pipeline/http2/server-connection.ts';
import { decodeStatus } from '../../../proto/google/status.ts';
import { WireError } from '../../../proto/wire/reader.ts';
import { encodeStatus } from '../../../proto/google/status.ts';
import { allowing, type Target } from '../target.ts';

const LIMITS = { windowBytes: 65_535, headerListBytes: 16_384, streamsMax: 4, helloMs: 60_000 };
const OK = headerBlock({ ':status': '200' });
const CALL = headerBlock({ ':method': 'POST', ':scheme': 'http', ':path': '/x', ':authority': 'y', te: 'trailers' });

/** A socket that takes everything. */
function sink(): Duplex {
  return new Duplex({ read() {}, write: (_piece, _encoding, done) => done() });
}

/** In pieces whose lengths the input itself decides, so that the same input is always cut alike. */
function inPieces(input: Uint8Array, receive: (bytes: Buffer, start: number, end: number) => void): void {
  const bytes = Buffer.from(input);
  for (let start = 0; start < bytes.length; ) {
    const end = Math.min(bytes.length, start + 1 + (((bytes[start] ?? 0) * 7 + start) % 300));
    receive(bytes, start, end);
    start = end;
  }
}

const settings = settingsFrame([[4, 65_535]]);
const hello = [PREFACE, settings];

const server: Target = {
  name: 'HTTP/2, at the server',
  seeds: [
    [...hello, frame(FRAME.headers, 4, 1, CALL), frame(FRAME.data, 1, 1, Buffer.from('body'))],
    [...hello, frame(FRAME.headers, 0, 1, CALL.subarray(0, 5)), frame(FRAME.continuation, 4, 1, CALL.subarray(5))],
    [
      ...hello,
      frame(FRAME.headers, 5, 1, CALL),
      frame(FRAME.rstStream, 0, 1, Buffer.alloc(4)),
      frame(FRAME.ping, 0, 0, Buffer.alloc(8)),
    ],
    [
      ...hello,
      frame(FRAME.headers, 5, 1, CALL),
      frame(FRAME.windowUpdate, 0, 1, Buffer.from([0, 0, 1, 0])),
      frame(FRAME.goaway, 0, 0, Buffer.alloc(8)),
    ],
  ].map((pieces) => Buffer.concat(pieces)),
  run(input) {
    const socket = sink();
    const connection = new ServerConnection(socket, LIMITS, (stream) => {
      stream.listen({ data() {}, end: () => stream.answer(OK, Buffer.from('answer'), OK), closed() {} });
    });
    // Its timers would keep the process, and what it holds, until they end.
    inPieces(input, (bytes, start, end) => connection.receive(bytes, start, end));
    connection.destroy();
  },
};

const client: Target = {
  name: 'HTTP/2, at the client',
  seeds: [
    [
      settings,
      frame(FRAME.headers, 4, 1, OK),
      frame(FRAME.data, 0, 1, Buffer.from('body')),
      frame(FRAME.headers, 5, 1, OK),
    ],
    [settings, frame(FRAME.headers, 5, 1, OK), frame(FRAME.goaway, 0, 0, Buffer.alloc(8))],
  ].map((pieces) => Buffer.concat(pieces)),
  run(input) {
    const connection = new ClientConnection(sink(), LIMITS, { onSettings() {}, onOver() {} });
    connection.receive(settings, 0, settings.length);
    const { answer } = connection.request(CALL, [Buffer.from('body')]);
    answer.catch(() => {});
    inPieces(input, (bytes, start, end) => connection.receive(bytes, start, end));
    connection.destroy('the end of the input');
  },
};

const POST = 'POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: ';

const plain: Target = {
  name: 'HTTP/1.1, plain requests',
  seeds: [`${POST}4\r\n\r\nbody`, `${POST}0\r\n\r\n${POST}1\r\n\r\nx`, `GET / HTTP/1.1\r\nhost: x\r\n\r\n`].map(
    (text) => Buffer.from(text),
  ),
  words: [
    '\r\n',
    '\r\n\r\n',
    'content-length: 5\r\n',
    'transfer-encoding: chunked\r\n',
    ' ',
    ':',
    'POST ',
    'HTTP/1.0',
    'connection: close\r\n',
  ],
  run(input) {
    let isOthers = false;
    const connection = new PlainConnection(
      sink() as Socket,
      { requestMs: 1000, idleMs: 1000 },
      {
        request(request) {
          if (isOthers) throw new Error('a request of a connection that was handed over');
          const { contentLength } = request.head;
          let came = 0;
          request.listen({
            data: (_, start, end) => (came += end - start),
            end() {
              if (came !== contentLength) throw new Error(`${came} bytes of a body of ${contentLength}`);
              request.answer('HTTP/1.1 200 OK\r\n', '');
            },
            closed() {},
          });
        },
        other: () => (isOthers = true),
      },
    );
    inPieces(input, (bytes, start, end) => connection.receive(bytes, start, end));
    connection.closed();
  },
};

const status: Target = {
  name: 'google.rpc.Status of an answer',
  seeds: [
    encodeStatus({ code: 14, message: 'wait', retryDelayMs: 2500 }),
    encodeStatus({ code: 3, message: 'no', violations: [{ field: 'a', description: 'b' }] }),
  ],
  run: (input) => allowing([WireError], () => void decodeStatus(input)),
};

export const http: readonly Target[] = [server, client, plain, status];
