import {
  createServer as createHttp2,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ConnectError, DeadlineError, Http2Client } from '../../../pipeline/http2/client.ts';
import { type ClientAnswer, StreamError } from '../../../pipeline/http2/client-stream.ts';
import { headerBlock } from '../../../pipeline/http2/header-encoder.ts';
import { FLAG, FRAME, frame, SETTING, settingsFrame, wordsFrame } from '../../../pipeline/http2/protocol.ts';
import { http2Server } from '../../support/http2-server.ts';

const HEADERS = headerBlock({ ':method': 'POST', ':scheme': 'http', ':path': '/', ':authority': 'test' });
const OK = headerBlock({ ':status': '200' });
const soon = { timeout: 5000, interval: 10 };
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

function clientTo(port: number): Http2Client {
  const client = new Http2Client({ host: '127.0.0.1', port });
  cleanups.push(() => client.close());
  return client;
}

function post(client: Http2Client, body: Uint8Array = Buffer.from('hello'), timeoutMs = 5000): Promise<ClientAnswer> {
  return client.request(HEADERS, [body], timeoutMs, new AbortController().signal);
}

async function failure(attempt: Promise<unknown>): Promise<Error> {
  return attempt.then(
    () => expect.unreachable('it succeeded'),
    (error: Error) => error,
  );
}

async function listening(server: Server | Http2Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** A server of node:http2 that answers as told, and its sessions. */
async function nodeServer(onStream: (stream: ServerHttp2Stream, session: ServerHttp2Session) => void, settings = {}) {
  const server = createHttp2({ settings });
  const sessions: ServerHttp2Session[] = [];
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => {});
    cleanups.push(() => session.destroy());
  });
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    onStream(stream, sessions.at(-1) as ServerHttp2Session);
  });
  return { port: await listening(server), sessions };
}

/** A server that says what it is told, byte for byte, and understands nothing. */
async function rawServer(onConnection: (socket: Socket) => void): Promise<number> {
  return listening(
    createTcp((socket) => {
      socket.on('error', () => {});
      cleanups.push(() => socket.destroy());
      onConnection(socket);
    }),
  );
}

function echo(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200 }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-done': 'yes' }));
  stream.pipe(stream);
}

function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) * 7) & 0xff;
  return bytes;
}

describe('bodies', () => {
  test.each([1, 1000, 65_535, 1_000_000])('arrive through windows of %i bytes, several at once', async (window) => {
    const arrived = new Map<number, Buffer>();
    const { port } = await nodeServer(
      (stream) => {
        const pieces: Buffer[] = [];
        stream.on('data', (piece: Buffer) => pieces.push(piece));
        stream.on('end', () => {
          const body = Buffer.concat(pieces);
          arrived.set(body.length, body);
          stream.respond({ ':status': 200 }, { endStream: true });
        });
      },
      { initialWindowSize: window },
    );
    const client = clientTo(port);
    const scale = window === 1 ? 100 : 1_000_000;
    const bodies = [0, 1, 1.5, 3].map((factor) => pattern(factor * scale));
    await Promise.all(bodies.map((body) => post(client, body)));
    for (const body of bodies) expect(Buffer.compare(arrived.get(body.length) as Buffer, body)).toBe(0);
  });

  test('much telemetry through small windows is no flood of WINDOW_UPDATE', async () => {
    const { port } = await nodeServer((stream) => {
      stream.resume();
      stream.on('end', () => stream.respond({ ':status': 200 }, { endStream: true }));
    });
    const client = clientTo(port);
    const body = Buffer.alloc(16 * 1024 * 1024);
    for (let i = 0; i < 10; i++) expect((await post(client, body)).status).toBe(200);
  });

  test('answers, their trailers and what is kept of them', async () => {
    const { port } = await nodeServer(echo);
    const answer = await post(clientTo(port), pattern(3_000_000));
    expect(answer.trailers['x-done']).toBe('yes');
    expect(Buffer.compare(answer.body, pattern(3_000_000).subarray(0, 65_536))).toBe(0);
  });

  test('to a server of our own', async () => {
    const server = await http2Server();
    cleanups.push(() => server.close());
    const answer = await post(clientTo(server.port), pattern(30_000));
    expect(Buffer.compare(answer.body, pattern(30_000))).toBe(0);
  });
});

describe('one stream at a time', () => {
  test('the others wait for their turn, and no request is refused', async () => {
    let open = 0;
    let most = 0;
    const { port } = await nodeServer(
      (stream) => {
        most = Math.max(most, ++open);
        stream.resume();
        setTimeout(() => {
          open--;
          stream.respond({ ':status': 200 }, { endStream: true });
        }, 2);
      },
      { maxConcurrentStreams: 1 },
    );
    const client = clientTo(port);
    const answers = await Promise.all(Array.from({ length: 40 }, () => post(client)));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(most).toBe(1);
  });

  test('none at all, until the server changes its mind', async () => {
    const { port, sessions } = await nodeServer(echo, { maxConcurrentStreams: 0 });
    const client = clientTo(port);
    expect(await failure(post(client, undefined, 100))).toBeInstanceOf(DeadlineError);
    const answer = post(client);
    sessions[0]?.settings({ maxConcurrentStreams: 1 });
    expect((await answer).status).toBe(200);
  });

  test('whoever waits is told when the client is closed', async () => {
    const { port } = await nodeServer(() => {}, { maxConcurrentStreams: 1 });
    const client = clientTo(port);
    const attempts = [failure(post(client)), failure(post(client))];
    await new Promise((resolve) => setTimeout(resolve, 50));
    client.close();
    for (const attempt of attempts) expect(await attempt).toBeInstanceOf(StreamError);
  });
});

describe('GOAWAY', () => {
  test('what the server has taken is answered, the next request goes over another connection', async () => {
    const { port, sessions } = await nodeServer((stream, session) => {
      stream.resume();
      if (sessions.length === 1) session.close();
      setTimeout(() => stream.respond({ ':status': 200 }, { endStream: true }), 50);
    });
    const client = clientTo(port);
    expect((await post(client)).status).toBe(200);
    expect((await post(client)).status).toBe(200);
    expect(sessions).toHaveLength(2);
  });

  test('what it has not seen is sent again, and nobody is told', async () => {
    let connections = 0;
    const port = await rawServer((socket) => {
      const isFirst = ++connections === 1;
      socket.write(settingsFrame([]));
      let got = 0;
      socket.on('data', (bytes: Buffer) => {
        got += bytes.length;
        if (got < 150) return;
        if (isFirst) socket.end(wordsFrame(FRAME.goaway, 0, 0, 0, 0));
        else socket.write(frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, OK));
      });
    });
    expect((await post(clientTo(port), Buffer.alloc(200))).status).toBe(200);
    expect(connections).toBe(2);
  });

  test('a server that sends every connection away is left alone after a few', async () => {
    let connections = 0;
    const port = await rawServer((socket) => {
      connections++;
      socket.end(Buffer.concat([settingsFrame([]), wordsFrame(FRAME.goaway, 0, 0, 0, 0)]));
    });
    expect(await failure(post(clientTo(port)))).toBeInstanceOf(Error);
    expect(connections).toBeLessThanOrEqual(3);
  });

  test('our own server, closing again and again under traffic: nothing is lost', async () => {
    let server = await http2Server();
    const { port } = server;
    const client = clientTo(port);
    for (let round = 0; round < 3; round++) {
      const answers = Promise.all(Array.from({ length: 20 }, () => post(client, pattern(20_000))));
      await new Promise((resolve) => setTimeout(resolve, 3));
      const closing = server.close();
      const outcomes = await answers.then(
        (all) => all.length,
        (error: Error) => error,
      );
      // Those that had not begun find nobody who listens; none breaks off in the middle.
      if (typeof outcomes !== 'number') expect(outcomes).toBeInstanceOf(ConnectError);
      await closing;
      server = await http2Server({}, undefined, 0, port);
    }
    cleanups.push(() => server.close());
  });
});

describe('resets', () => {
  test('a stream that is refused is sent again, not for ever', async () => {
    let requests = 0;
    const { port } = await nodeServer((stream) => {
      requests++;
      stream.close(7);
    });
    const error = await failure(post(clientTo(port)));
    expect(error).toMatchObject({ name: 'StreamError', isUnseen: true });
    expect(requests).toBe(3);
  });

  test('before the answer: a failure of that request alone', async () => {
    let first = true;
    const { port, sessions } = await nodeServer((stream) => {
      if (!first) return echo(stream);
      first = false;
      stream.close(2);
    });
    const client = clientTo(port);
    expect(await failure(post(client))).toBeInstanceOf(StreamError);
    expect((await post(client)).status).toBe(200);
    expect(sessions).toHaveLength(1);
  });

  test('an answer that comes before the request is complete ends it', async () => {
    const { port } = await nodeServer((stream) => stream.respond({ ':status': 413 }, { endStream: true }));
    expect((await post(clientTo(port), pattern(5_000_000))).status).toBe(413);
  });
});

describe('a server that is not there, or not as it should be', () => {
  test('nobody listens', async () => {
    const server = createTcp();
    const port = await listening(server);
    await new Promise((resolve) => server.close(resolve));
    expect(await failure(post(clientTo(port)))).toBeInstanceOf(ConnectError);
  });

  test('it accepts and says nothing: each request waits its time, and close cuts it', async () => {
    const sockets: Socket[] = [];
    const port = await rawServer((socket) => sockets.push(socket.resume()));
    const client = clientTo(port);
    expect(await failure(post(client, undefined, 50))).toBeInstanceOf(DeadlineError);
    expect(await failure(post(client, undefined, 50))).toBeInstanceOf(DeadlineError);
    expect(sockets).toHaveLength(1);
    client.close();
    await vi.waitFor(() => expect(sockets[0]?.destroyed).toBe(true), soon);
  });

  test('it speaks HTTP/1.1', async () => {
    const port = await rawServer((socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const error = await failure(post(clientTo(port)));
    expect(error).toBeInstanceOf(ConnectError);
    expect(error.message).toContain('HTTP/2');
  });

  test('it falls silent: it is asked for a sign of life, and given up', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    cleanups.push(() => vi.useRealTimers());
    let connections = 0;
    const got: Buffer[] = [];
    const port = await rawServer((socket) => {
      connections++;
      socket.write(settingsFrame([]));
      socket.on('data', (bytes: Buffer) => got.push(bytes));
    });
    const client = clientTo(port);
    const attempt = failure(post(client, undefined, 1000));
    await vi.waitFor(() => expect(Buffer.concat(got).includes('hello')).toBe(true), soon);
    await vi.advanceTimersByTimeAsync(1000);
    expect(await attempt).toBeInstanceOf(DeadlineError);
    await vi.advanceTimersByTimeAsync(5000);
    void failure(post(client));
    await vi.waitFor(() => expect(connections).toBe(2), soon);
  });

  test('it is slow, but there: the connection stays', async () => {
    const { port, sessions } = await nodeServer((stream) => {
      if (sessions[0] !== undefined && stream.id !== 1) echo(stream);
    });
    const client = clientTo(port);
    expect(await failure(post(client, undefined, 50))).toBeInstanceOf(DeadlineError);
    expect((await post(client)).status).toBe(200);
    expect(sessions).toHaveLength(1);
  });

  test('it closes in the middle: the request fails, the next one connects anew', async () => {
    let first = true;
    const { port } = await nodeServer((stream, session) => {
      if (!first) return echo(stream);
      first = false;
      session.socket.destroy();
    });
    const client = clientTo(port);
    expect(await failure(post(client))).toBeInstanceOf(StreamError);
    expect((await post(client)).status).toBe(200);
  });

  test.each<[string, Buffer]>([
    ['data without headers', frame(FRAME.data, FLAG.endStream, 1, Buffer.from('x'))],
    ['the end without headers', frame(FRAME.data, FLAG.endStream, 1, Buffer.alloc(0))],
    ['headers without a status', frame(FRAME.headers, 5, 1, headerBlock({ a: 'b' }))],
    ['a status that is none', frame(FRAME.headers, 5, 1, headerBlock({ ':status': '20' }))],
    ['an answer that is only announced', frame(FRAME.headers, 5, 1, headerBlock({ ':status': '100' }))],
    [
      'a part, and a reset without an error',
      Buffer.concat([frame(FRAME.headers, 4, 1, OK), wordsFrame(FRAME.rstStream, 0, 1, 0)]),
    ],
    ['a stream that nobody began', frame(FRAME.headers, 5, 3, OK)],
    ['a push', frame(FRAME.pushPromise, 4, 1, Buffer.alloc(8))],
  ])('it answers wrongly: %s', async (_, answer) => {
    const port = await rawServer((socket) => {
      socket.write(settingsFrame([[SETTING.maxConcurrentStreams, 10]]));
      socket.on('data', (bytes: Buffer) => {
        if (bytes.includes('hello')) socket.write(answer);
      });
    });
    expect(await failure(post(clientTo(port)))).toBeInstanceOf(StreamError);
  });
});

test('a request that is cancelled, before and after it begins', async () => {
  const closed: number[] = [];
  const { port } = await nodeServer((stream) => stream.on('close', () => closed.push(stream.rstCode)));
  const client = clientTo(port);
  await expect(client.request(HEADERS, [], 5000, AbortSignal.abort())).rejects.toThrow(StreamError);
  const cancel = new AbortController();
  const attempt = failure(client.request(HEADERS, [Buffer.alloc(1)], 5000, cancel.signal));
  setTimeout(() => cancel.abort(), 50);
  expect(await attempt).toBeInstanceOf(StreamError);
  await vi.waitFor(() => expect(closed).toEqual([8]), soon);
});
