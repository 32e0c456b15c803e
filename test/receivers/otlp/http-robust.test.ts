/** What a client of the HTTP port can do that no honest one does: bounded, answered where it can be, and no harm to others. */
import { connect, type Socket } from 'node:net';
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { HEAD_BYTES_MAX } from '../../../pipeline/http1/plain-connection.ts';
import { readPlainHead } from '../../../pipeline/http1/plain-head.ts';
import { headerBlock } from '../../../pipeline/http2/header-encoder.ts';
import { FRAME, frame, PREFACE } from '../../../pipeline/http2/protocol.ts';
import { JSON_VALUES_MAX } from '../../../proto/otlp/json-bounds.ts';
import { decodeToJson } from '../../../proto/otlp/json-decode.ts';
import { decodeStatus } from '../../../proto/google/status.ts';
import { counted } from '../../support/context.ts';
import { floodsOf } from '../../support/http2-floods.ts';
import { RawHttp2 } from '../../support/http2-raw.ts';
import { requestBytes } from '../../support/otlp-requests.ts';
import { type Started, started } from './started.ts';

const MIB = 1024 * 1024;
const REQUEST_MS = 300;
const soon = { timeout: 15_000, interval: 10 };
const spans = Buffer.from(requestBytes('traces', 10));

let at: Started;
beforeEach(async () => {
  at = await started({ max_request_size: '16MiB', request_timeout: `${REQUEST_MS}ms` }, { max_in_flight: '64MiB' });
  const { receiver } = at;
  onTestFinished(() => receiver.stop(AbortSignal.timeout(5000)));
});

/** A client that says what it is told to, and keeps its side open until told otherwise. */
class Talk {
  readonly socket: Socket;
  said = '';
  /** Whether the server has ended its side. */
  isEnded = false;
  isClosed = false;

  constructor(port = Number(at.http.split(':')[1])) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    this.socket.on('data', (piece: Buffer) => (this.said += piece.toString('latin1')));
    this.socket.on('error', () => {}).on('end', () => (this.isEnded = true));
    this.socket.on('close', () => (this.isClosed = true));
    onTestFinished(() => void this.socket.destroy());
  }

  /** Piece by piece, each a read of its own as far as that can be had. */
  async send(...pieces: readonly (string | Buffer)[]): Promise<void> {
    for (const piece of pieces) {
      this.socket.write(piece);
      await pause(1);
    }
  }

  /** Sends a byte of it now and then, as long as the server listens; far more often than it may be silent. */
  async dribble(bytes: Buffer): Promise<void> {
    for (const byte of bytes) {
      if (this.isEnded || this.isClosed || this.said !== '') return;
      this.socket.write(Buffer.from([byte]));
      await pause(REQUEST_MS / 30);
    }
  }

  get statuses(): string {
    return (this.said.match(/(?<=HTTP\/1.1 )\d+/g) ?? []).join(' ');
  }

  /** Waits for as many answers; rejects where they are others. */
  async answers(statuses: string): Promise<void> {
    await vi.waitUntil(() => this.statuses.length >= statuses.length, soon).catch(() => {});
    if (this.statuses !== statuses) throw new Error(`answered ${this.statuses}, where ${statuses} was expected`);
  }

  ended = () => vi.waitUntil(() => this.isEnded, soon);
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const FIELDS = 'host: x\r\ncontent-type: application/x-protobuf\r\n';
const head = (more: string, version = '1.1') => `POST /v1/traces HTTP/${version}\r\n${FIELDS}${more}\r\n`;
const plain = Buffer.concat([Buffer.from(head(`content-length: ${spans.length}\r\n`)), spans]);
const CHUNKED = 'transfer-encoding: chunked\r\n';
const chunk = Buffer.concat([Buffer.from(`${spans.length.toString(16)}\r\n`), spans, Buffer.from('\r\n0\r\n\r\n')]);
const chunked = Buffer.concat([Buffer.from(head(CHUNKED)), chunk]);

const refused = (reason: string, transport = 'http') =>
  counted(at.context, 'windback_receiver_refused_requests_total', { transport, signal: 'traces', reason });
/** The server knows of no connection any more. */
const noneOpen = () => vi.waitFor(() => expect(at.receiver.load()).toEqual([]), soon);

async function expectServed(): Promise<void> {
  const other = new Talk();
  await other.send(plain);
  await other.answers('200');
  other.socket.destroy();
}

test('a target may be absolute, as proxies are sent it', async () => {
  const client = new Talk();
  await client.send(Buffer.from(plain.toString('latin1').replace('/v1', 'http://x:4318/v1'), 'latin1'));
  await client.answers('200');
});

test('no field takes long to refuse', () => {
  // Where a pattern could split the white space in two ways, these would take minutes.
  const value = `x:${' \t'.repeat(HEAD_BYTES_MAX / 2)}`;
  for (let i = 0; i < 4000; i++) {
    expect(readPlainHead(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n${value}\x01`)).toBeUndefined();
    expect(readPlainHead(`POST / HTTP/1.1\r\n${'x'.repeat(HEAD_BYTES_MAX)}`)).toBeUndefined();
  }
});

describe('a preface of HTTP/2', () => {
  test('counts as the first bytes', async () => {
    const talk = new Talk();
    await talk.send(
      PREFACE.subarray(0, 3),
      PREFACE.subarray(3, 10),
      PREFACE.subarray(10),
      frame(FRAME.settings, 0, 0, Buffer.alloc(0)),
    );
    await vi.waitFor(() => expect(talk.said.charCodeAt(3)).toBe(FRAME.settings), soon);
  });

  test.each([
    ['a plain request', plain],
    ['one of node:http', chunked],
  ])('is garbage behind %s', async (_, first) => {
    const talk = new Talk();
    await talk.send(first, PREFACE);
    await talk.answers('200 400');
    await talk.ended();
  });

  test('is garbage behind requests whose answers come first', async () => {
    at.sink.answer = async () => void (await pause(20));
    const talk = new Talk();
    // In one read, and more of it later: the end of the connection is not the sooner for that.
    await talk.send(Buffer.concat([chunked, chunked, PREFACE]), PREFACE, PREFACE);
    await talk.answers('200 200 400');
    await talk.ended();
    expect(at.sink.items('traces')).toBe(20);
  });

  test('is garbage with one byte of another', async () => {
    const talk = new Talk();
    await talk.send('PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n');
    await talk.answers('400');
  });
});

describe('a connection that node:http takes over', () => {
  test('ends with its next answer where it was to leave before', async () => {
    const talk = new Talk();
    await talk.send(plain);
    await talk.answers('200');
    for (const { id } of at.receiver.load()) at.receiver.shed(id);
    await talk.send(chunked);
    await talk.answers('200 200');
    expect(talk.said.split('HTTP/1.1')[2]).toMatch(/\r\nconnection: close\r\n/i);
    await talk.ended();
  });

  test('stop does not wait for the rest of a head', async () => {
    const talk = new Talk();
    await talk.send(chunked, 'POST /v1/tra');
    await talk.answers('200');
    const deadline = AbortSignal.timeout(10_000);
    await at.receiver.stop(deadline);
    expect(deadline.aborted).toBe(false);
    await vi.waitFor(() => expect(talk.isClosed || talk.isEnded).toBe(true), soon);
    expect(talk.statuses).toBe('200');
  });

  test('a client that has closed its side gets its answers', async () => {
    at.sink.answer = async () => void (await pause(50));
    const talk = new Talk();
    talk.socket.end(Buffer.concat([chunked, plain, chunked]));
    await talk.ended();
    expect(talk.statuses).toBe('200 200 200');
    await noneOpen();
  });

  test('garbage is answered, and its sender, who never goes, is thrown out', async () => {
    const talk = new Talk();
    await talk.send(chunked, 'hello\r\n\r\n');
    await talk.answers('200 400');
    await talk.ended();
    expect(talk.socket.writable).toBe(true);
    expect(at.receiver.load()).toHaveLength(1);
    await noneOpen();
  });
});

test('a connection that is to leave while it is not read from ends behind its answer', async () => {
  let release = (): void => {};
  at.sink.answer = () => new Promise((resolve) => (release = resolve));
  const talk = new Talk();
  // What comes behind the first is held, and then nothing more is read.
  await talk.send(plain, plain, plain);
  await vi.waitFor(() => expect(at.receiver.load()[0]?.bytes).toBeGreaterThan(plain.length), soon);
  for (const { id } of at.receiver.load()) at.receiver.shed(id);
  talk.socket.end(plain);
  release();
  await talk.ended();
  expect(talk.statuses).toBe('200');
  expect(talk.said).toMatch(/\r\nconnection: close\r\n/);
  await noneOpen();
});

describe('Expect: 100-continue', () => {
  const told = `content-length: ${spans.length}\r\n`;

  test.each(['expect: 100-continue', 'Expect: 100-Continue', 'EXPECT: 100-CONTINUE'])('%s', async (field) => {
    const talk = new Talk();
    await talk.send(head(`${told}${field}\r\n`));
    await talk.answers('100');
    await talk.send(spans);
    await talk.answers('100 200');
  });

  test('is nothing to HTTP/1.0', async () => {
    const talk = new Talk();
    await talk.send(head(`${told}expect: 100-continue\r\n`, '1.0'));
    await pause(50);
    expect(talk.said).toBe('');
    await talk.send(spans);
    await talk.answers('200');
  });
});

describe('who sends a byte now and then', () => {
  test('of a head: 408, and the end', async () => {
    const talk = new Talk();
    await talk.dribble(Buffer.from(head(`x: ${'y'.repeat(1000)}\r\n`)));
    await talk.answers('408');
    await talk.ended();
  });

  test('of a head of node:http: the same', async () => {
    const talk = new Talk();
    await talk.send('GET /v1/traces HTTP/1.1\r\nhost: x\r\n');
    // Node looks every five seconds.
    await talk.dribble(Buffer.from('x: '.padEnd(3000, 'y')));
    await talk.answers('408');
    await talk.ended();
  });

  test.each([
    ['HTTP/1.1', head('content-length: 100000\r\n'), Buffer.alloc(3000)],
    ['HTTP/1.1 in chunks', head(CHUNKED), Buffer.from('1\r\nx\r\n'.repeat(500))],
  ])('of a body over %s: 504, and nothing of it is held', async (_, begin, body) => {
    const talk = new Talk();
    await talk.send(begin);
    await talk.dribble(body);
    await talk.answers('504');
    expect(talk.said).toMatch(/\r\nretry-after: 1\r\n/i);
    expect(await refused('timeout')).toBe(1);
    await expectServed();
  });

  test('of a body over HTTP/2: 504', async () => {
    const client = new RawHttp2(Number(at.http.split(':')[1])).hello();
    onTestFinished(() => client.close());
    client.send(frame(FRAME.headers, 4, 1, POST));
    const dribbling = setInterval(() => client.data(1, Buffer.alloc(1)), REQUEST_MS / 30);
    onTestFinished(() => clearInterval(dribbling));
    await vi.waitFor(() => expect(client.of(FRAME.headers, 1)).toHaveLength(1), soon);
    expect(await refused('timeout')).toBe(1);
  });
});

describe('bombs', () => {
  async function post(body: Buffer, more: string, type = 'application/json'): Promise<[status: string, said: string]> {
    const talk = new Talk();
    const length = `content-length: ${body.length}\r\n`;
    await talk.send(`POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\n${length}${more}\r\n`, body);
    await vi.waitFor(() => expect(talk.statuses).not.toBe(''), soon);
    const said = talk.said.slice(talk.said.indexOf('\r\n\r\n') + 4);
    return [talk.statuses, type === 'application/json' ? said : decodeStatus(Buffer.from(said, 'latin1')).message];
  }
  const encoded = (encoding: string) => `content-encoding: ${encoding}\r\n`;
  const large = Buffer.alloc(256 * MIB);

  test.each([
    ['gzip', 'gzip', gzipSync(large)],
    ['deflate', 'deflate', deflateSync(large)],
    ['zstd', 'zstd', zstdCompressSync(large)],
    [
      'zstd, of many frames',
      'zstd',
      Buffer.concat(Array.from({ length: 20 }, () => zstdCompressSync(large.subarray(0, MIB)))),
    ],
  ])('%s: 413 at the limit', async (_, encoding, bomb) => {
    expect(bomb.length).toBeLessThan(MIB);
    const before = process.memoryUsage().arrayBuffers;
    const [status, said] = await post(bomb, encoded(encoding));
    expect([status, said]).toEqual(['413', expect.stringContaining(`more than ${16 * MIB}`)]);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(128 * MIB);
    await expectServed();
  });

  test('a hundred thousand empty frames of zstd: 400', async () => {
    const empty = zstdCompressSync(Buffer.alloc(0));
    const [status, said] = await post(Buffer.concat(Array.from({ length: 100_000 }, () => empty)), encoded('zstd'));
    expect([status, said]).toEqual(['400', expect.stringContaining('too many frames')]);
  });

  test.each([
    ['a body in chunks', head(CHUNKED), 'chunks'],
    ['a body in chunks, of a limit that no buffer is as large as', head(CHUNKED), 'odd'],
  ])('%s goes no further than the limit', async (_, begin, kind) => {
    const own = await started({ max_request_size: kind === 'odd' ? '1100000B' : '1MiB' });
    onTestFinished(() => own.receiver.stop(AbortSignal.timeout(5000)));
    const talk = new Talk(Number(own.http.split(':')[1]));
    const limit = kind === 'odd' ? 1_100_000 : MIB;
    const more = Buffer.alloc(limit + 1 - spans.length, 0xff);
    const all = Buffer.concat([spans, more]);
    await talk.send(
      begin,
      Buffer.concat([Buffer.from(`${all.length.toString(16)}\r\n`), all, Buffer.from('\r\n0\r\n\r\n')]),
    );
    await talk.answers('413');
  });

  test.each([
    ['fields', Array.from({ length: 4000 }, (_, i) => `x${i}: y\r\n`).join('')],
    ['one field', `x: ${'y'.repeat(2 * HEAD_BYTES_MAX)}\r\n`],
    ['a target', undefined],
  ])('a head of too many bytes, %s: 431', async (_, fields) => {
    const talk = new Talk();
    const begin =
      fields === undefined ? `POST /${'x'.repeat(2 * HEAD_BYTES_MAX)} HTTP/1.1\r\n` : `POST /v1/traces HTTP/1.1\r\n`;
    await talk.send(`${begin}host: x\r\ncontent-length: 0\r\n${fields ?? ''}\r\n`);
    await talk.answers('431');
    await talk.ended();
  });

  test.each([
    ['lists', `{"a":${'['.repeat(8 * MIB)}`, 'nested too deeply'],
    ['objects', '{"a":'.repeat(2 * MIB), 'nested too deeply'],
    ['empty objects that do not end', `{"a":[${'{},'.repeat(5 * MIB)}{}`, `more than ${JSON_VALUES_MAX} values`],
    [
      'values of attributes',
      JSON.stringify({ resourceSpans: [{ resource: { attributes: [nested(60)] } }] }),
      'nested deeper than 100 messages',
    ],
  ])('JSON of %s: 400', async (_, text, problem) => {
    expect(await post(gzipSync(text), encoded('gzip'))).toEqual(['400', expect.stringContaining(problem)]);
    await expectServed();
  });

  test('values of attributes in protobuf: they pass as the bytes that they are, and are not written as JSON', async () => {
    const request = nestedProtobuf(10_000);
    const [status] = await post(request, '', 'application/x-protobuf');
    expect(status).toBe('200');
    expect(() => decodeToJson('traces', request)).toThrow('messages nested deeper than 100');
    await expectServed();
  });
});

/** An attribute of lists in lists. */
function nested(levels: number): object {
  let value: object = { intValue: 1 };
  for (let i = 0; i < levels; i++) value = { arrayValue: { values: [value] } };
  return { key: 'deep', value };
}

/** A request of one span of which an attribute is lists in lists. */
function nestedProtobuf(levels: number): Buffer {
  const field = (tag: number, content: Buffer) => Buffer.concat([Buffer.from([tag]), varint(content.length), content]);
  const varint = (value: number): Buffer =>
    value < 128 ? Buffer.from([value]) : Buffer.concat([Buffer.from([(value & 127) | 128]), varint(value >>> 7)]);
  let value = Buffer.alloc(0);
  for (let i = 0; i < levels; i++) value = field(0x2a, field(0x0a, value));
  const attribute = Buffer.concat([field(0x0a, Buffer.from('deep')), field(0x12, value)]);
  const resource = field(0x0a, field(0x0a, attribute));
  const one = requestBytes('traces', 1);
  return Buffer.concat([Buffer.from(one), field(0x0a, resource)]);
}

const POST = headerBlock({
  ':method': 'POST',
  ':scheme': 'http',
  ':path': '/v1/traces',
  ':authority': 'x',
  'content-type': 'application/x-protobuf',
});

describe('floods of HTTP/2 end the connection', () => {
  test.each(floodsOf(POST))('%s', async (_, flood) => {
    const client = new RawHttp2(Number(at.http.split(':')[1])).hello().send(flood);
    onTestFinished(() => client.close());
    await vi.waitFor(() => expect(client.goaway()).toBe(11), soon);
    await expectServed();
    await vi.waitFor(() => expect(client.isClosed).toBe(true), soon);
    await noneOpen();
  });
});
