import fc from 'fast-check';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { HEAD_BYTES_MAX, PlainConnection } from '../../../pipeline/http1/plain-connection.ts';
import type { PlainRequest } from '../../../pipeline/http1/plain-request.ts';
import { readStatically } from '../../../pipeline/static-read.ts';

const LIMITS = { requestMs: 1000, idleMs: 60_000 };
const until = (is: () => boolean) => vi.waitUntil(is, { timeout: 5000, interval: 5 });
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
/** How far the time that connections see is ahead of ours. */
let aheadMs = 0;
const ourNow = performance.now.bind(performance);
vi.spyOn(performance, 'now').mockImplementation(() => ourNow() + aheadMs);

/** A request as its owner sees it. */
class Seen {
  readonly path: string;
  readonly events: string[] = [];
  readonly answer: (body?: string | Uint8Array) => void;
  body = '';

  constructor(request: PlainRequest, serve: Serve) {
    this.path = request.head.path;
    this.answer = (body = this.path) => request.answer(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n`, body);
    request.listen({
      data: (bytes, start, end) => (this.body += bytes.toString('latin1', start, end)),
      end: () => {
        this.events.push('end');
        serve(this, 'end');
      },
      closed: (isComplete) => this.events.push(`closed ${isComplete}`),
    });
    serve(this, 'begin');
  }
}

type Serve = (seen: Seen, event: 'begin' | 'end') => void;
const atEnd: Serve = (seen, event) => void (event === 'end' && seen.answer());
const later: Serve = (seen, event) => void (event === 'end' && setImmediate(seen.answer, undefined));
const atOnce: Serve = (seen, event) => void (event === 'begin' && seen.answer());
const never: Serve = () => {};

/** A connection, both sides of it. The client keeps its own open until told otherwise. */
class Talk {
  readonly client: Socket;
  said = '';
  /** Whether the client has seen the end. */
  isEnded = false;
  readonly socket: Socket;
  readonly plain: PlainConnection;
  readonly seen: Seen[] = [];
  readonly others: Buffer[] = [];
  readonly events: string[] = [];

  constructor(client: Socket, server: Server, accepted: Socket, serve: Serve) {
    this.client = client;
    client.on('end', () => (this.isEnded = true)).on('error', () => {});
    client.on('data', (piece: Buffer) => (this.said += piece.toString('latin1')));
    const read = readStatically(server, accepted, (bytes, start, end) => this.plain.receive(bytes, start, end));
    this.socket = read.socket;
    this.plain = new PlainConnection(this.socket, LIMITS, {
      request: (request) => this.seen.push(new Seen(request, serve)),
      other: (bytes) => {
        this.others.push(Buffer.from(bytes));
        read.asUsual(bytes);
      },
    });
    this.socket.on('error', () => {});
    this.socket.once('end', () => this.plain.peerEnded()).once('end', () => this.events.push('end'));
    this.socket.once('close', () => this.plain.closed()).once('close', () => this.events.push('close'));
  }

  /** The bodies of what was answered, in their order. */
  get answers(): string[] {
    const heads = [...this.said.matchAll(/HTTP\/1.1 200 OK\r\ncontent-length: (\d+)\r\n(?:.+\r\n)*\r\n/g)];
    return heads.map(({ 0: head, 1: length, index }) =>
      this.said.slice(index + head.length, index + head.length + Number(length)),
    );
  }

  /** Piece by piece, so that each is a read of its own. */
  async send(...pieces: readonly (string | Uint8Array)[]): Promise<void> {
    for (const piece of pieces) {
      this.client.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  answered = (count: number) => until(() => this.answers.length === count);
  ended = () => until(() => this.isEnded);
  closed = () => until(() => this.events.includes('close'));
  read = (bytes: number) => until(() => this.socket.bytesRead === bytes);
}

async function talk(serve: Serve, spoil: (accepted: Socket) => void = () => {}): Promise<Talk> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepting = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const { port } = server.address() as AddressInfo;
  const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const accepted = await accepting;
  spoil(accepted);
  const at = new Talk(client, server, accepted, serve);
  onTestFinished(() => void [server.close(), client.destroy(), at.socket.destroy()]);
  return at;
}

/** A request that is plain, as text. */
function post(path: string, body = '', length = body.length): string {
  return `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n${body}`;
}

describe('requests on one connection', () => {
  test('one after the other, in single bytes', async () => {
    const at = await talk(later);
    for (let i = 0; i < 3; i++) {
      await at.send(...post(`/${i}`, 'x'.repeat(i)));
      await at.answered(i + 1);
    }
    expect(at.answers).toEqual(['/0', '/1', '/2']);
    expect(at.seen.map(({ body }) => body)).toEqual(['', 'x', 'xx']);
    // What was answered is over: nobody hears of its connection.
    at.client.destroy();
    await at.closed();
    expect(at.seen.map(({ events }) => events)).toEqual([['end'], ['end'], ['end']]);
  });

  test('an answer is what was given first, and what the connection says', async () => {
    const clock = vi.spyOn(Date, 'now');
    onTestFinished(() => clock.mockRestore());
    const at = await talk((seen, event) => {
      if (event === 'begin') return;
      clock.mockReturnValue(seen.path === '/text' ? 1e12 : 1e12 + 1999);
      seen.answer(seen.path === '/text' ? 'ok' : Buffer.from([0, 255, 13, 10]));
      seen.answer('again');
    });
    await at.send(post('/text') + post('/bytes'));
    await at.answered(2);
    const fields = 'connection: keep-alive\r\nkeep-alive: timeout=60\r\ndate: Sun, 09 Sep 2001 01:46:';
    expect(at.said.split('HTTP/1.1 200 OK\r\ncontent-length: ').slice(1)).toEqual([
      `2\r\n${fields}40 GMT\r\n\r\nok`,
      `4\r\n${fields}41 GMT\r\n\r\n\0\xff\r\n`,
    ]);
  });

  test('in one read, answered later: one at a time, in order', async () => {
    let running = 0;
    const together: number[] = [];
    const at = await talk((seen, event) => {
      if (event === 'begin') together.push(++running);
      else setTimeout(() => seen.answer(`${running--}`), Number(seen.path.slice(1)) % 3);
    });
    const paths = Array.from({ length: 50 }, (_, i) => `/${50 - i}`);
    await at.send(paths.map((path) => post(path, path)).join(''));
    // Is read into the same memory.
    await (await talk(never)).send(post('/', 'x'.repeat(100_000)));
    await at.answered(50);
    expect(at.seen.map(({ path }) => path)).toEqual(paths);
    expect(new Set([...together.map(String), ...at.answers])).toEqual(new Set(['1']));
  });

  test('cut anywhere, and answered early, at their end or later', async () => {
    // In the bodies, too, where nobody may take them for any.
    const manyHeads = post('/in/a/body').repeat(10_000);
    const size = fc.oneof(fc.nat({ max: 20 }), fc.constantFrom(0, 1, 4, 70_000, 300_000));
    const requests = fc.array(fc.tuple(size, fc.constantFrom(atEnd, later, atOnce)), { minLength: 1, maxLength: 5 });
    const cuts = fc.array(fc.oneof(fc.nat({ max: 150 }), fc.nat({ max: 1_000_000 })), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(requests, cuts, async (requests, cuts) => {
        const at = await talk((seen, event) => requests[Number(seen.path.slice(1))]?.[1](seen, event));
        const bodies = requests.map(([bytes]) => manyHeads.slice(0, bytes));
        const all = bodies.map((body, i) => post(`/${i}`, body)).join('');
        const places = [...cuts.map((cut) => cut % all.length).sort((a, b) => a - b), all.length];
        await at.send(...places.map((place, i) => all.slice(places[i - 1] ?? 0, place)));
        await at.answered(requests.length);
        await at.read(all.length);
        expect(at.answers).toEqual(requests.map((_, i) => `/${i}`));
        expect(at.seen.map(({ body }) => body)).toEqual(bodies);
      }),
      { numRuns: 60 },
    );
  });
});

describe('a client that does not wait', () => {
  test.each([
    ['at once', (go: () => void) => go()],
    ['later', setImmediate],
  ])('nor read what is answered %s is cut off', async (_, when) => {
    const answer = Buffer.alloc(64 * 1024, 'a');
    let unsentMax = 0;
    const at = await talk((seen, event) => {
      if (event === 'begin') return;
      when(() => {
        seen.answer(answer);
        unsentMax = Math.max(unsentMax, at.socket.writableLength);
      });
    });
    at.client.pause();
    // More than all buffers of the system hold.
    at.client.write(post('/').repeat(4000));
    await at.closed();
    expect(unsentMax).toBeLessThanOrEqual(1024 * 1024 + 2 * answer.length);
    expect(at.seen.length).toBeLessThan(4000);
  });

  test('is not read from as long as it has no answer', async () => {
    let serve = never;
    const at = await talk((seen, event) => serve(seen, event));
    at.client.write(post('/', 'x'.repeat(10_000)).repeat(1000));
    await until(() => at.seen[0]?.events[0] === 'end');
    await pause(100);
    // A few reads of 128 KiB, of 10 MB.
    expect(at.socket.bytesRead).toBeLessThan(1024 * 1024);
    serve = later;
    at.seen[0]?.answer();
    await at.answered(1000);
    expect(at.seen.every(({ body }) => body.length === 10_000)).toBe(true);
  });
});

describe('leaving', () => {
  test.each([
    ['before it begins', '', post('/')],
    ['in its body', post('/', 'x', 10), 'x'.repeat(9)],
    ['before its answer', post('/', 'x'), ''],
  ])('with the answer of the next request: %s', async (_, start, rest) => {
    const at = await talk(never);
    await at.send(start);
    await at.read(start.length);
    at.plain.leave();
    if (start !== '') at.plain.endIdle();
    await pause(20);
    expect([at.said, at.isEnded]).toEqual(['', false]);
    await at.send(rest, post('/late'));
    await until(() => at.seen[0]?.events[0] === 'end');
    at.seen[0]?.answer();
    await at.ended();
    expect(at.said).toMatch(/^HTTP\/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\ndate: .*\r\n\r\n\/$/);
    expect(at.seen).toHaveLength(1);
  });

  test.each([
    ['before anything was said', '', 0],
    ['between two requests', post('/'), 1],
    ['in a head', 'POST / HT', 0],
  ])('at once where it is idle: %s', async (_, text, answers) => {
    const at = await talk(atEnd);
    await at.send(text);
    await at.answered(answers);
    at.plain.endIdle();
    await at.ended();
    // What comes now was sent before the client saw the end.
    await at.send(post('/late'));
    at.client.end();
    await at.closed();
    expect(at.seen).toHaveLength(answers);
  });

  test('while the rest of an answered request is thrown away: ends behind it', async () => {
    const at = await talk(atOnce);
    await at.send(post('/', 'x', 10));
    await at.answered(1);
    at.plain.leave();
    await pause(20);
    expect(at.isEnded).toBe(false);
    await at.send('x'.repeat(9));
    await at.ended();
  });
});

describe('a client that closes its side', () => {
  const closing = (client: Socket) => client.end();
  const breaking = (client: Socket) => client.resetAndDestroy();

  test.each([
    ['without a word', '', closing, []],
    ['in the middle of a head', 'POST /', closing, []],
    ['in the middle of a body', post('/', 'x', 2), closing, ['closed false']],
    ['in the middle of a body, by force', post('/', 'x', 2), breaking, ['closed false']],
    ['before its answer, by force', post('/'), breaking, ['end', 'closed true']],
  ])('%s gets no answer, and who listens hears of it once', async (_, text, close, events) => {
    const at = await talk(never);
    await at.send(text);
    await at.read(text.length);
    close(at.client);
    await at.closed();
    at.seen[0]?.answer();
    expect(at.said).toBe('');
    expect(at.seen.flatMap((seen) => seen.events)).toEqual(events);
    expect(at.isEnded).toBe(close === closing);
  });

  const muchLater: Serve = (seen, event) => void (event === 'end' && setTimeout(seen.answer, 20, undefined));
  test.each([
    ['a request', 1, muchLater],
    ['a request that is answered at once', 1, atEnd],
    ['several requests', 5, muchLater],
  ])('behind %s gets all answers, then the end', async (_, count, serve) => {
    const at = await talk(serve);
    at.client.end(post('/a').repeat(count));
    await at.ended();
    expect(at.answers).toEqual(Array.from({ length: count }, () => '/a'));
    expect(at.said.match(/connection: close/g)?.length).toBe(serve === atEnd ? undefined : 1);
  });
});

describe('what takes too long', () => {
  const SLOW = 'HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n';
  /** Looks at the connection when so many ms more have passed, and whether it is there after that. */
  const after = async (at: Talk, ms: number) => {
    aheadMs += ms;
    at.plain.check(performance.now());
    await pause(20);
    return !at.isEnded && !at.events.includes('close');
  };

  test.each([
    ['silence', '', LIMITS.requestMs, ''],
    ['a head', 'POST /v1', LIMITS.requestMs, SLOW],
    ['the next request', post('/'), LIMITS.idleMs, ''],
    ['the next head', `${post('/')}POST /v1`, LIMITS.requestMs, SLOW],
  ])('%s: the connection ends, and is gone soon', async (_, text, limitMs, said) => {
    const at = await talk(atEnd);
    await at.send(text);
    await at.read(text.length);
    expect(await after(at, limitMs - 500)).toBe(true);
    await after(at, 501);
    await at.ended();
    expect(at.said.replace(/^HTTP\/1.1 200 [^]*\r\n\r\n\//, '')).toBe(said);
    // The client keeps its side open: for that it has 2 s.
    await after(at, 1500);
    expect(at.events).toEqual([]);
    await after(at, 501);
    await at.closed();
  });

  test('a head that comes slowly', async () => {
    const at = await talk(atEnd);
    await at.send('P');
    await at.read(1);
    expect(await after(at, LIMITS.requestMs - 500)).toBe(true);
    await at.send('O');
    await at.read(2);
    await after(at, 501);
    await at.ended();
    expect(at.said).toBe(SLOW);
  });

  test.each([
    ['the rest of a request that was answered', atOnce, post('/', 'x', 10), false],
    ['not a request that has a listener', never, post('/', 'x', 10), true],
    ['not an answer', never, post('/'), true],
  ])('%s', async (_, serve, text, stays) => {
    const at = await talk(serve);
    await at.send(text);
    await at.read(text.length);
    expect(await after(at, LIMITS.requestMs - 500)).toBe(true);
    expect(await after(at, 1e9)).toBe(stays);
  });
});

/** Bytes that show where they belong. */
const PATTERN = Buffer.from(Uint32Array.from({ length: 750_000 }, (_, i) => i).buffer);
const withoutUserBuffer = (socket: Socket) =>
  Object.defineProperty((socket as unknown as { _handle: object })._handle, 'useUserBuffer', { value: undefined });

describe.each([
  ['read into one memory for all', () => {}],
  ['read as usual', withoutUserBuffer],
])('what is not plain, %s', (_, spoil) => {
  test.each([
    ['another method', 'GET /', ' HTTP/1.1\r\n\r\n'],
    ['an empty line', '\r\n\r\n', 'POST / HTTP/1.1\r\n'],
    ['more in its last line', 'POST / HTTP/1.1\r\nhost: x\r\nexpect: x\r\n\r\n', '0\r\n\r\n'],
    ['the beginning of HTTP/2', 'PRI *', ' HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a head that is too long', 'POST / HTTP/1.1\r\nx: '.padEnd(HEAD_BYTES_MAX + 1, 'y'), 'z\r\nhost: x\r\n'],
  ])('goes to somebody else as soon as that is clear: %s', async (__, clear, rest) => {
    const whole = clear + rest;
    for (const way of ['answered at once', 'answered later', 'alone']) {
      const isAlone = way === 'alone';
      const at = await talk(way === 'answered at once' ? atEnd : later, spoil);
      await at.send(post('/1', 'x') + post('/2') + (isAlone ? '' : whole));
      await at.answered(2);
      await at.send(...(isAlone ? clear : ''));
      await until(() => at.others.length === 1);
      // Nothing is lost, and nothing comes twice.
      await at.send(isAlone ? rest : '');
      at.client.end(PATTERN);
      await pause(20);
      expect(at.others.map(String)).toEqual([isAlone ? clear : whole]);
      const pieces: Buffer[] = [];
      at.socket.on('data', (piece: Buffer) => pieces.push(piece)).resume();
      await until(() => at.events[0] === 'end');
      expect(Buffer.compare(Buffer.concat(pieces), Buffer.concat([Buffer.from(whole), PATTERN]))).toBe(0);
      expect([at.answers, at.isEnded]).toEqual([['/1', '/2'], false]);
    }
  });
});
