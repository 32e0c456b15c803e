import fc from 'fast-check';
import { existsSync, readdirSync } from 'node:fs';
import { type ClientHttp2Session, connect } from 'node:http2';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { FLAG, FRAME, frame, SETTING, settingsFrame, wordsFrame } from '../../../pipeline/http2/protocol.ts';
import { headerBlock } from '../../../pipeline/http2/header-encoder.ts';
import { type Http2TestServer, http2Server } from '../../support/http2-server.ts';
import { RawHttp2 } from '../../support/http2-raw.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function started(...options: Parameters<typeof http2Server>): Promise<Http2TestServer> {
  const server = await http2Server(...options);
  cleanups.push(() => server.close());
  return server;
}

function raw({ port }: Http2TestServer): RawHttp2 {
  const client = new RawHttp2(port);
  cleanups.push(() => client.close());
  return client;
}

function session({ port }: Http2TestServer, initialWindowSize: number): ClientHttp2Session {
  const made = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize } });
  made.on('error', () => {});
  cleanups.push(() => made.destroy());
  return made;
}

/** Sends a body in pieces and gives back what was answered, and the trailers. */
function echo(from: ClientHttp2Session, body: Buffer, pieceBytes = body.length || 1): Promise<[Buffer, unknown]> {
  return new Promise((resolve, reject) => {
    const stream = from.request({ ':method': 'POST', ':path': '/' });
    const got: Buffer[] = [];
    let done: unknown;
    stream.on('data', (piece: Buffer) => got.push(piece));
    stream.on('trailers', (trailers) => (done = trailers['x-done']));
    stream.on('error', reject);
    stream.on('close', () => resolve([Buffer.concat(got), done]));
    for (let at = 0; at < body.length; at += pieceBytes) stream.write(body.subarray(at, at + pieceBytes));
    stream.end();
  });
}

/** Bytes that show where they belong. */
function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) * 7 + seed) & 0xff;
  return bytes;
}

/** Linux tells of the open files of a process. */
const OPEN_FILES = '/proc/self/fd';
const soon = { timeout: 5000, interval: 10 };

describe('bodies, both ways, through node:http2', () => {
  test('of any size, under any windows, several at once', async () => {
    const server = await started({ windowBytes: 100_000 });
    const size = fc.oneof(fc.constantFrom(0, 1, 16_384, 16_385, 65_535, 65_536), fc.nat({ max: 600_000 }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(size, { minLength: 1, maxLength: 5 }),
        fc.constantFrom(1, 1000, 65_535, 1_000_000),
        fc.constantFrom(777, 50_000, 1_000_000),
        async (sizes, window, pieceBytes) => {
          // One byte at a time is a round trip each.
          const bodies = sizes.map((bytes, i) => pattern(window === 1 ? bytes % 200 : bytes, i));
          const client = session(server, window);
          const answers = await Promise.all(bodies.map((body) => echo(client, body, pieceBytes)));
          client.destroy();
          answers.forEach(([body, done], i) => {
            expect(done).toBe('yes');
            expect(Buffer.compare(body, bodies[i] as Buffer)).toBe(0);
          });
        },
      ),
      { numRuns: 25 },
    );
  });

  test('several MiB, while the window changes', async () => {
    const client = session(await started({ unreadBytes: 16 * 1024 * 1024 }), 300_000);
    const body = pattern(6 * 1024 * 1024);
    const windows = [1, 2_000_000, 1000, 65_535, 0, 800_000];
    const change = setInterval(() => client.settings({ initialWindowSize: windows.shift() ?? 500_000 }), 5);
    const answers = await Promise.all([echo(client, body), echo(client, body), echo(client, Buffer.from('small'))]);
    clearInterval(change);
    expect(answers.map(([got]) => got.length)).toEqual([body.length, body.length, 5]);
    expect(Buffer.compare(answers[1]?.[0] as Buffer, body)).toBe(0);
  });
});

describe('windows', () => {
  test('one that falls below 0 holds the answer back until it is above again', async () => {
    const client = raw(await started({}, pattern(1000)));
    client.hello([SETTING.initialWindowSize, 600]).request(1);
    await vi.waitFor(() => expect(client.body(1)).toHaveLength(600), soon);
    client.send(settingsFrame([[SETTING.initialWindowSize, 100]])).widen(1, 500);
    await expect(
      vi.waitFor(() => expect(client.body(1).length).toBeGreaterThan(600), { timeout: 150 }),
    ).rejects.toThrow();
    client.widen(1, 400);
    await vi.waitFor(() => expect(client.isAnswered(1)).toBe(true), soon);
    expect(Buffer.compare(client.body(1), pattern(1000))).toBe(0);
  });

  test('an empty answer needs none, even if it is closed', async () => {
    const client = raw(await started({}, Buffer.alloc(0)));
    client.hello([SETTING.initialWindowSize, 0]).request(1);
    await vi.waitFor(() => expect(client.isAnswered(1)).toBe(true), soon);
  });

  test('an answer to HEAD has none, nor trailers', async () => {
    const client = raw(await started({}, Buffer.from('body'))).hello();
    const head = headerBlock({ ':method': 'HEAD', ':scheme': 'http', ':path': '/', ':authority': 'test' });
    client.send(frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, head)).request(3);
    await vi.waitUntil(() => client.isAnswered(3), soon);
    expect([client.isAnswered(1), client.of(FRAME.headers, 1).length, client.body(1)]).toEqual([
      true,
      1,
      Buffer.alloc(0),
    ]);
    expect(client.body(3).toString()).toBe('body');
  });

  test('no frame is larger than the client allows', async () => {
    const client = raw(await started({}, pattern(60_000)));
    client.hello([SETTING.initialWindowSize, 100_000]).request(1);
    await vi.waitFor(() => expect(client.isAnswered(1)).toBe(true), soon);
    expect(Math.max(...client.of(FRAME.data).map(({ payload }) => payload.length))).toBeLessThanOrEqual(16_384);
  });

  test('padding counts, and comes back', async () => {
    const server = await started({ windowBytes: 65_535 });
    const client = raw(server).hello();
    const padded = Buffer.concat([Buffer.from([200]), Buffer.from('x'), Buffer.alloc(200)]);
    client.request(1, Buffer.alloc(0), false);
    for (let i = 0; i < 400; i++) client.send(frame(FRAME.data, FLAG.padded, 1, padded));
    client.data(1, Buffer.alloc(0), true);
    await vi.waitFor(() => expect(client.isAnswered(1)).toBe(true), soon);
    expect(client.body(1)).toEqual(Buffer.alloc(400, 'x'));
    const given = (id: number) =>
      client.of(FRAME.windowUpdate, id).reduce((sum, one) => sum + one.payload.readUInt32BE(0), 0);
    expect(given(0)).toBeGreaterThan(32_000);
    expect(given(1)).toBeGreaterThan(32_000);
  });

  test('more than the window of a stream ends that stream', async () => {
    const client = raw(await started({ windowBytes: 10_000 })).hello();
    client.request(1, undefined, false).data(1, Buffer.alloc(10_001), true).request(3, Buffer.alloc(10_000));
    await vi.waitFor(() => expect(client.isAnswered(3)).toBe(true), soon);
    expect(client.resetCode(1)).toBe(3);
  });

  test('WINDOW_UPDATE and RST_STREAM on a stream that is over are late, no fault', async () => {
    const client = raw(await started({}, Buffer.from('x')))
      .hello()
      .request(1);
    await vi.waitFor(() => expect(client.isAnswered(1)).toBe(true), soon);
    client
      .widen(1, 10)
      .send(wordsFrame(FRAME.rstStream, 0, 1, 8))
      .request(3);
    await vi.waitFor(() => expect(client.isAnswered(3)).toBe(true), soon);
    expect(client.goaway()).toBeUndefined();
  });
});

describe('requests that are wrong', () => {
  const pseudo = { ':method': 'POST', ':scheme': 'http', ':path': '/' };
  test.each([
    ['a line break in a value', headerBlock({ ...pseudo, 'x-a': 'a\r\nb: c' })],
    ['a colon in a name', headerBlock({ ...pseudo, 'a:b': 'c' })],
    ['a header of the connection', headerBlock({ ...pseudo, connection: 'close' })],
    ['content that was announced and does not come', headerBlock({ ...pseudo, 'content-length': '5' })],
    ['a content-length that is no number', headerBlock({ ...pseudo, 'content-length': '0x0' })],
  ])('%s', async (_, block) => {
    const server = await started();
    const client = raw(server).hello();
    client.send(frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, block));
    await vi.waitFor(() => expect(client.resetCode(1)).toBe(1), soon);
    expect(client.request(3)).toBeDefined();
    await vi.waitFor(() => expect(client.isAnswered(3)).toBe(true), soon);
  });

  test('less content than announced, and more', async () => {
    const server = await started();
    const client = raw(server).hello();
    const block = headerBlock({ ...pseudo, 'content-length': '5' });
    for (const [id, bytes] of [
      [1, 4],
      [3, 6],
      [5, 5],
    ] as const) {
      client.send(frame(FRAME.headers, FLAG.endHeaders, id, block)).data(id, Buffer.alloc(bytes), true);
    }
    await vi.waitFor(() => expect(client.isAnswered(5)).toBe(true), soon);
    expect([client.resetCode(1), client.resetCode(3)]).toEqual([1, 1]);
    expect(server.requests.map(({ isComplete }) => isComplete)).toEqual([false, false, true]);
  });

  test('trailers that do not end it, and trailers with pseudo-headers', async () => {
    const client = raw(await started()).hello();
    client.request(1, undefined, false).send(frame(FRAME.headers, FLAG.endHeaders, 1, headerBlock({ a: 'b' })));
    client.request(3, undefined, false).send(frame(FRAME.headers, 5, 3, headerBlock({ ':path': '/' })));
    client.request(5, Buffer.from('5'), false).send(frame(FRAME.headers, 5, 5, headerBlock({ a: 'b' })));
    await vi.waitFor(() => expect(client.isAnswered(5)).toBe(true), soon);
    expect([client.resetCode(1), client.resetCode(3)]).toEqual([1, 1]);
  });

  test('the reason is told though the client goes on sending', async () => {
    const client = raw(await started()).hello();
    client.send(frame(FRAME.pushPromise, 0, 1, Buffer.alloc(8)));
    for (let i = 0; i < 50; i++) client.send(Buffer.alloc(100_000));
    await vi.waitFor(() => expect(client.goaway()).toBe(1), soon);
    await vi.waitFor(() => expect(client.isClosed).toBe(true), soon);
  });
});

describe('more streams than allowed', () => {
  test('are refused, whatever of them is under way, and those that are served go on', async () => {
    const server = await started({ streamsMax: 2 });
    const client = raw(server).hello();
    for (let id = 1; id < 4000; id += 2) client.request(id, undefined, false);
    for (let id = 1; id < 4000; id += 2) client.data(id, Buffer.from('x'), true);
    await vi.waitFor(() => expect(client.isAnswered(1) && client.isAnswered(3)).toBe(true), soon);
    await vi.waitFor(() => expect(client.resetCode(3999)).toBe(7), soon);
    client.request(4001, Buffer.from('again'));
    await vi.waitFor(() => expect(client.body(4001).toString()).toBe('again'), soon);
    expect(client.goaway()).toBeUndefined();
  });
});

describe('the end', () => {
  test('GOAWAY: what is under way is answered, what comes after it is left to another connection', async () => {
    const server = await started();
    const client = raw(server).hello().request(1, Buffer.from('first'), false);
    await vi.waitFor(() => expect(client.of(FRAME.settings)).toHaveLength(2), soon);
    const closed = server.close();
    await vi.waitFor(() => expect(client.goaway()).toBe(0), soon);
    expect(client.of(FRAME.goaway)[0]?.payload.readUInt32BE(0)).toBe(1);
    // The client had begun these when the GOAWAY came.
    client.request(3, Buffer.from('late')).request(5, undefined, false);
    client
      .data(5, Buffer.from('x'))
      .widen(5, 10)
      .send(wordsFrame(FRAME.rstStream, 0, 5, 8));
    client.data(1, Buffer.from(' part'), true);
    await vi.waitFor(() => expect(client.isAnswered(1)).toBe(true), soon);
    expect(client.body(1).toString()).toBe('first part');
    expect(client.isAnswered(3)).toBe(false);
    await closed;
    expect(server.requests).toHaveLength(1);
  });

  test('a client that closes its side still gets its answer, and the connection ends', async () => {
    const server = await started({}, undefined, 100);
    const client = raw(server).hello().request(1, Buffer.from('the last'));
    client.socket.end();
    await vi.waitFor(() => expect(client.isAnswered(1)).toBe(true), soon);
    expect(client.body(1).toString()).toBe('the last');
    await vi.waitFor(() => expect(client.isClosed).toBe(true), soon);
  });

  test('a client that closes its side in the middle of a request', async () => {
    const server = await started();
    const client = raw(server).hello().request(1, Buffer.from('half'), false);
    client.socket.end();
    await vi.waitFor(() => expect(client.isClosed).toBe(true), soon);
    await vi.waitFor(() => expect(server.requests.map(({ isComplete }) => isComplete)).toEqual([false]), soon);
  });

  test.skipIf(!existsSync(OPEN_FILES))('no file descriptor is left, however connections end', async () => {
    const server = await started({}, Buffer.alloc(300_000));
    const openFiles = () => readdirSync(OPEN_FILES).length;
    const before = openFiles();
    const ends: ((client: RawHttp2) => unknown)[] = [
      ({ socket }) => socket.end(),
      ({ socket }) => socket.destroy(),
      ({ socket }) => socket.resetAndDestroy(),
      (client) => client.send(Buffer.from('nonsense, and more of it')),
      (client) => client.request(1).socket.end(),
      (client) => client.request(1).socket.resetAndDestroy(),
    ];
    for (let round = 0; round < 5; round++) {
      for (const end of ends) {
        const client = new RawHttp2(server.port);
        await vi.waitFor(() => expect(client.frames.length).toBeGreaterThan(0), soon);
        end(round % 2 === 0 ? client.hello() : client);
      }
    }
    // The answers of 300 KB do not fit into the windows of those who closed their side: what does not is given up.
    await vi.waitFor(() => expect(openFiles()).toBeLessThanOrEqual(before), soon);
  });

  test('close during traffic: every request is answered or surely not begun', async () => {
    const server = await started({ unreadBytes: 16 * 1024 * 1024 });
    const client = session(server, 65_535);
    const outcomes: Promise<string>[] = [];
    let failed = 0;
    client.on('goaway', () => (failed = outcomes.length));
    const body = pattern(100_000);
    for (let i = 0; i < 60; i++) {
      outcomes.push(
        echo(client, body).then(
          ([got]) => (got.length === body.length ? 'answered' : `${got.length} bytes`),
          () => 'failed',
        ),
      );
      if (i === 30) void server.close();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const all = await Promise.all(outcomes);
    expect(failed).toBeGreaterThan(0);
    const answered = all.filter((outcome) => outcome === 'answered').length;
    expect(answered).toBeGreaterThan(0);
    expect(server.requests.filter(({ isComplete }) => isComplete)).toHaveLength(answered);
  });
});
