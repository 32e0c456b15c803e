import fc from 'fast-check';
import { createServer, type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { readPlainHead } from '../../../pipeline/http1/plain-head.ts';

const LINE = 'POST /v1/traces HTTP/1.1';
const FIELDS = ['host: x', 'content-length: 5'];
const head = (line: string, fields: readonly string[]) => readPlainHead([line, ...fields].join('\r\n'));
/** A head that is plain but for these fields. */
const withFields = (...fields: readonly string[]) => head(LINE, [...FIELDS, ...fields]);
/** One that has these in place of its content-length. */
const withLength = (...fields: readonly string[]) => head(LINE, ['host: x', ...fields]);

describe('what is plain', () => {
  test('as the SDKs send it', () => {
    const fields = [
      'Host: localhost:4318',
      'User-Agent: OTel-OTLP-Exporter-Python/1.27.0',
      'Accept-Encoding: gzip, deflate',
      'Accept: */*',
      'Connection: keep-alive',
      'Content-Type: application/x-protobuf',
      'Content-Length: 1234',
    ];
    expect(head(LINE, fields)).toEqual({
      path: '/v1/traces',
      contentLength: 1234,
      headers: Object.assign(Object.create(null), {
        host: 'localhost:4318',
        'user-agent': 'OTel-OTLP-Exporter-Python/1.27.0',
        'accept-encoding': 'gzip, deflate',
        accept: '*/*',
        connection: 'keep-alive',
        'content-type': 'application/x-protobuf',
        'content-length': '1234',
      }),
    });
  });

  test.each([
    ['none', 'x:', ''],
    ['none but white space', 'x: \t ', ''],
    ['one character', 'x:y', 'y'],
    ['white space around it', 'x:\t  a  b \tc\t ', 'a  b \tc'],
    ['a colon in it', 'x: http://a:1/', 'http://a:1/'],
    ['a comma in it', 'x: a, b', 'a, b'],
    ['all of ASCII that can be seen', `x: ${visible()}`, visible()],
  ])('a value: %s', (_, field, value) => {
    expect(withFields(field)?.headers['x']).toBe(value);
  });

  test.each([
    ['upper case', 'X-API-KEY: y', 'x-api-key'],
    ['every character of a token', "!#$%&'*+-.^_`|~09azAZ: y", "!#$%&'*+-.^_`|~09azaz"],
    ['__proto__', '__proto__: y', '__proto__'],
    ['constructor', 'constructor: y', 'constructor'],
    ['hasOwnProperty', 'hasOwnProperty: y', 'hasownproperty'],
  ])('a name: %s', (_, field, name) => {
    const headers = withFields(field)?.headers;
    expect(Object.keys(headers ?? {})).toEqual(['host', 'content-length', name]);
    expect(headers?.[name]).toBe('y');
  });

  test('nobody has a field that was not sent', () => {
    const headers = withFields()?.headers;
    for (const name of ['__proto__', 'constructor', 'toString', 'expect', 'content-type'])
      expect(headers?.[name]).toBeUndefined();
    expect(({} as Record<string, unknown>)['host']).toBeUndefined();
  });

  test.each(['/', '/v1/traces', '/v1/traces?a=b&c', '//', '/%00', '/a:b@c', '/~!$&\'()*+,;=[]{}|\\^`"<>#'])(
    'the target %s',
    (path) => {
      expect(head(`POST ${path} HTTP/1.1`, FIELDS)?.path).toBe(path);
    },
  );

  test.each([
    ['content-length: 0', 0],
    ['content-length: 00005', 5],
    ['CONTENT-LENGTH:5', 5],
    ['content-length: \t5 \t', 5],
    ['content-length: 999999999999999', 999_999_999_999_999],
  ])('%s', (field, length) => {
    expect(withLength(field)?.contentLength).toBe(length);
  });

  test.each(['keep-alive', 'Keep-Alive', 'KEEP-ALIVE'])('connection: %s', (value) => {
    expect(withFields(`connection: ${value}`)).toBeDefined();
  });

  test('64 fields; an empty host', () => {
    const many = Array.from({ length: 62 }, (_, i) => `x-${i}: y`);
    expect(Object.keys(withFields(...many)?.headers ?? {})).toHaveLength(64);
    expect(head(LINE, ['host:', 'content-length: 5'])).toBeDefined();
  });
});

describe('what is not', () => {
  test.each([
    'GET /v1/traces HTTP/1.1',
    'post /v1/traces HTTP/1.1',
    'POSTS /v1/traces HTTP/1.1',
    ' POST /v1/traces HTTP/1.1',
    '\r\nPOST /v1/traces HTTP/1.1',
    'POST /v1/traces HTTP/1.0',
    'POST /v1/traces HTTP/2.0',
    'POST /v1/traces HTTP/1.10',
    'POST /v1/traces http/1.1',
    'POST /v1/traces HTTP/1.1 ',
    'POST /v1/traces',
    'POST  /v1/traces HTTP/1.1',
    'POST /v1/traces  HTTP/1.1',
    'POST /v1/traces\tHTTP/1.1',
    'POST /v1 /traces HTTP/1.1',
    'POST HTTP/1.1',
    'POST  HTTP/1.1',
    'POST v1/traces HTTP/1.1',
    'POST * HTTP/1.1',
    'POST http://x/v1/traces HTTP/1.1',
    'POST x:80 HTTP/1.1',
    'POST /v1/tr\xe4ces HTTP/1.1',
    'POST /v1/tr\0ces HTTP/1.1',
    'POST /v1/tr\x7fces HTTP/1.1',
    'POST /v1/traces HTTP/1.1\nx: y',
    'POST /v1/traces HTTP/1.1\rx: y',
    'PRI * HTTP/2.0',
    '',
  ])('the request line %j', (line) => {
    expect(head(line, FIELDS)).toBeUndefined();
  });

  test.each([
    ['a line that goes on (obs-fold)', 'x: y\r\n z'],
    ['the same with a tab', 'x: y\r\n\tz'],
    ['a bare LF between two fields', 'x: y\nz: 1'],
    ['a bare CR between two fields', 'x: y\rz: 1'],
    ['a bare LF at the end', 'x: y\n'],
    ['a bare CR at the end', 'x: y\r'],
    ['an empty line', ''],
    ['white space before the colon', 'x : y'],
    ['a tab before the colon', 'x\t: y'],
    ['white space before the name', ' x: y'],
    ['white space in the name', 'x y: z'],
    ['no colon', 'x'],
    ['no name', ': y'],
    ['a name with what is no token', 'x(y): z'],
    ['a name beyond ASCII', 'x\xe4: y'],
    ['a value beyond ASCII', 'x: \xe4'],
    ['a value with NUL', 'x: a\0b'],
    ['a value with a control character', 'x: a\x01b'],
    ['a value that ends with one', 'x: a\x0b'],
    ['a value with DEL', 'x: a\x7fb'],
  ])('%s', (_, field) => {
    expect(withFields(field)).toBeUndefined();
    // Where it is the last it may look like the end of the head.
    expect(head(LINE, ['host: x', field, 'content-length: 5'])).toBeUndefined();
  });

  test.each([
    ['the same', ['content-length: 5', 'content-length: 5']],
    ['another', ['content-length: 5', 'Content-Length: 6']],
    ['none', []],
    ['+5', ['content-length: +5']],
    ['-5', ['content-length: -5']],
    ['0x5', ['content-length: 0x5']],
    ['5e0', ['content-length: 5e0']],
    ['5.0', ['content-length: 5.0']],
    ['5_0', ['content-length: 5_0']],
    ['5, 5', ['content-length: 5, 5']],
    ['5 5', ['content-length: 5 5']],
    ['empty', ['content-length:']],
    ['16 digits', ['content-length: 1000000000000000']],
    ['16 digits, most of them 0', ['content-length: 0000000000000005']],
    ['digits of another script', ['content-length: \xb2']],
  ])('a content-length twice, or wrong: %s', (_, fields) => {
    expect(withLength(...fields)).toBeUndefined();
  });

  test.each([
    'transfer-encoding: chunked',
    'Transfer-Encoding: identity',
    'transfer-encoding:',
    'expect: 100-continue',
    'Expect: x',
    'upgrade: h2c',
    'trailer: x',
    'te: trailers',
    'http2-settings: AAMAAABkAAQAAP__',
    'connection: close',
    'connection: upgrade',
    'connection: keep-alive, close',
    'connection: keep-alive, x',
    'connection:',
    'proxy-connection: a\r\nproxy-connection: b',
    'Host: y',
    'x: y\r\nX: y',
    '__proto__: y\r\n__proto__: y',
  ])('%j', (field) => {
    expect(withFields(field)).toBeUndefined();
  });

  test('no host; 65 fields', () => {
    expect(head(LINE, ['content-length: 5'])).toBeUndefined();
    expect(withFields(...Array.from({ length: 63 }, (_, i) => `x-${i}: y`))).toBeUndefined();
  });
});

/** The requests that `node:http` sees in these bytes, with their bodies. */
function seenByNode(bytes: string): Promise<[IncomingMessage, string][]> {
  const seen: [IncomingMessage, string][] = [];
  const socket = new Duplex({ read() {}, write: (_piece, _encoding, done) => done() });
  return new Promise((resolve) => {
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (piece: Buffer) => (body += piece.toString('latin1')));
      request.on('end', () => seen.push([request, body]));
      response.end();
    });
    server.on('clientError', () => socket.destroy());
    socket.on('close', () => resolve(seen));
    server.emit('connection', socket);
    socket.push(Buffer.from(bytes, 'latin1'));
    socket.push(null);
  });
}

test('what is plain node:http understands in the same way, to its last byte', async () => {
  const name = fc.constantFrom(
    'x',
    'X-Y',
    'accept',
    'Keep-Alive',
    '__proto__',
    'cookie',
    'host',
    'te',
    'transfer-encoding',
  );
  const value = fc.constantFrom(
    '',
    'y',
    ' y',
    'y, z',
    '\t y z ',
    '"\\"',
    '0',
    '5',
    'chunked',
    '\xe4',
    'a\rb',
    'a\nb',
    'a\0',
  );
  const field = fc.tuple(name, fc.constantFrom(':', ':', ': ', ':\t ', ' :'), value).map((parts) => parts.join(''));
  const length = fc.constantFrom('0', '1', '7', '07', ' 7', '7 ', '+7', '7,7', '0x7');
  const target = fc.constantFrom(
    '/',
    '/v1/traces?a=b',
    '/a#b',
    '/a"<>\\^`{|}',
    '//x',
    '/%0d',
    '*',
    'http://x/',
    '/\xe4',
  );
  const method = fc.constantFrom('POST', 'POST', 'POST', 'GET', 'post');
  const parts = fc.record({ method, target, length, fields: fc.array(field, { maxLength: 4 }), place: fc.nat() });
  // What stands anywhere in between, most often nothing.
  const odd = fc.oneof(
    { weight: 6, arbitrary: fc.constant('') },
    fc.constantFrom(' ', '\t', '\r', '\n', '\0', '\x7f', ':', 'x'),
  );
  let plain = 0;
  await fc.assert(
    fc.asyncProperty(parts, odd, async ({ method, target, length, fields, place }, odd) => {
      const lines = [`${method} ${target} HTTP/1.1`, 'host: x', ...fields, `content-length:${length}`];
      const all = lines.join('\r\n');
      const text = all.slice(0, place % all.length) + odd + all.slice(place % all.length);
      const head = readPlainHead(text);
      if (head === undefined) return;
      plain++;
      const body = 'b'.repeat(head.contentLength);
      const seen = await seenByNode(`${text}\r\n\r\n${body}POST /next HTTP/1.1\r\nhost: x\r\n\r\n`);
      expect(seen.map(([{ url }, got]) => [url, got])).toEqual([
        [head.path, body],
        ['/next', ''],
      ]);
      // Its `headers` know no __proto__.
      const raw = seen[0]?.[0].rawHeaders.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text));
      expect(Object.entries(head.headers).flat()).toEqual(raw);
    }),
    { numRuns: 10_000 },
  );
  expect(plain).toBeGreaterThan(200);
});

/** The characters that a value may hold beside white space. */
function visible(): string {
  return String.fromCharCode(...Array.from({ length: 0x7f - 0x21 }, (_, i) => 0x21 + i));
}
