import fc from 'fast-check';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { ClientConnection } from '../../../pipeline/http2/client-connection.ts';
import { headerBlock } from '../../../pipeline/http2/header-encoder.ts';
import { FLAG, FRAME, frame, PREFACE, settingsFrame } from '../../../pipeline/http2/protocol.ts';
import { ServerConnection } from '../../../pipeline/http2/server-connection.ts';
import { REQUEST } from '../../support/http2-raw.ts';

const LIMITS = { windowBytes: 65_535, headerListBytes: 16_384, streamsMax: 4, helloMs: 60_000 };
const OK = headerBlock({ ':status': '200' });

/** A socket that takes everything. */
function sink(): Duplex {
  return new Duplex({ read() {}, write: (_piece, _encoding, done) => done() });
}

const blocks = [REQUEST, OK, headerBlock({ ':path': '/' }), headerBlock({ a: 'b' }), Buffer.from([0x80])];
const payload = fc.oneof(
  fc.constantFrom(...blocks),
  fc.uint8Array({ maxLength: 20 }),
  fc.constantFrom(4, 5, 6, 8, 3000).map((length) => Buffer.alloc(length)),
  fc.nat().map((word) => Buffer.from(Uint32Array.of(word % 2 ** 31).buffer)),
);
/** Frames that are nearly right, and often follow each other as they should. */
const anyFrame = fc
  .record({
    type: fc.constantFrom(0, 0, 0, 1, 1, 1, 3, 4, 6, 7, 8, 8, 9, ...Object.values(FRAME), 42),
    flags: fc.constantFrom(0, 1, 4, 5, 5, 8, 13, 37, 255),
    streamId: fc.constantFrom(0, 1, 1, 3, 3, 5, 7, 9, 11, 13, 2),
    payload,
  })
  .map(({ type, flags, streamId, payload: bytes }) => frame(type, flags, streamId, bytes));

describe('nothing that a peer sends throws', () => {
  test('at the server; each stream ends once, whatever is answered and when', () => {
    const step = fc.oneof({ weight: 8, arbitrary: anyFrame }, fc.constantFrom('answer', 'large', 'close'));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const open = new Map<number, (body: Buffer) => void>();
        let ended = 0;
        let begun = 0;
        const socket = sink();
        const connection = new ServerConnection(socket, LIMITS, (stream) => {
          begun++;
          open.set(stream.id, (body) => stream.answer(OK, body, OK));
          stream.listen({ data() {}, end() {}, closed: () => void ended++ });
        });
        const hello = Buffer.concat([PREFACE, settingsFrame([])]);
        connection.receive(hello, 0, hello.length);
        for (const one of steps) {
          if (one === 'close') connection.close();
          else if (one === 'answer') for (const answer of open.values()) answer(Buffer.from('x'));
          else if (one === 'large') for (const answer of open.values()) answer(Buffer.alloc(100_000));
          else connection.receive(one, 0, one.length);
        }
        expect(connection.openStreams).toBe(begun - ended);
        connection.closed();
        expect([ended, connection.openStreams]).toEqual([begun, 0]);
        socket.destroy();
      }),
      { numRuns: 2000 },
    );
  });

  test('at the client; each request settles once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyFrame, { maxLength: 30 }), async (frames) => {
        const socket = sink();
        let over = 0;
        const events = { onSettings: () => {}, onOver: () => void over++ };
        const connection = new ClientConnection(socket, LIMITS, events);
        connection.receive(settingsFrame([]), 0, 9);
        const requests = [Buffer.alloc(10), Buffer.alloc(200_000)].map((body) => connection.request(REQUEST, [body]));
        for (const one of frames) connection.receive(one, 0, one.length);
        connection.destroy('the end of the test');
        await Promise.allSettled(requests.map(({ answer }) => answer));
        expect([over, connection.openStreams]).toEqual([1, 0]);
      }),
      { numRuns: 1000 },
    );
  });

  test('data behind the end of a stream that is being answered', () => {
    const connection = new ServerConnection(sink(), LIMITS, (stream) =>
      stream.listen({ data() {}, end() {}, closed() {} }),
    );
    const bytes = Buffer.concat([
      PREFACE,
      settingsFrame([]),
      frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, REQUEST),
      frame(FRAME.data, 0, 1, Buffer.alloc(5)),
    ]);
    connection.receive(bytes, 0, bytes.length);
    expect(connection.openStreams).toBe(0);
    connection.closed();
  });
});

test('nothing is left behind that keeps the process alive', async () => {
  const folder = join(import.meta.dirname, '../../..');
  const script = `
    import { connect } from 'node:net';
    import { once } from 'node:events';
    import { http2Server } from '${folder}/test/support/http2-server.ts';
    import { Http2Client } from '${folder}/pipeline/http2/client.ts';
    import { headerBlock } from '${folder}/pipeline/http2/header-encoder.ts';
    const server = await http2Server({ helloMs: 60_000 });
    const client = new Http2Client({ host: '127.0.0.1', port: server.port });
    const block = headerBlock({ ':method': 'POST', ':scheme': 'http', ':path': '/' });
    const never = new AbortController().signal;
    const { body } = await client.request(block, [Buffer.from('hello')], 60_000, never);
    const silent = connect(server.port, '127.0.0.1');
    await once(silent, 'connect');
    silent.resume();
    const closing = server.close();
    await client.request(block, [Buffer.from('late')], 60_000, never).catch(() => {});
    client.close();
    await closing;
    process.stdout.write(body);
  `;
  const args = ['--input-type=module', '--no-warnings', '-e', script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 15_000 });
  expect(stdout).toBe('hello');
});
