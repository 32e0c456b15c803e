/**
 * Our HTTP/1 against `node:http` alone: whatever a client sends, and in whatever pieces, both answer the same and end the
 * connection with the same request. Left out is where they may differ:
 * - `date`, and how long each would wait for another request (`keep-alive`);
 * - what is wrong comes when nothing is under way: `node:http` drops the answers in front of it, we send them first;
 * - a head that is wrong is complete: `node:http` refuses it at its first wrong byte, we may wait for its end;
 * - the client closes its side when it has all answers: of half a request `node:http` says 400, we nothing;
 * - nothing counts behind an answer that says it is the last: `node:http` may send one more there;
 * - `proxy-connection`, which is nobody's: to `node:http` it is `connection`, to us a field like others.
 */
import fc from 'fast-check';
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TelemetrySignal } from '../../../pipeline/batch.ts';
import { type ErrorCode, PipelineError } from '../../../pipeline/errors.ts';
import { jsonToProtobuf } from '../../../proto/otlp/json.ts';
import { errorReply, type Form } from '../../../receivers/otlp/http-reply.ts';
import { requestBytes, requestJson } from '../../support/otlp-requests.ts';
import { type Started, started } from './started.ts';

const SIGNALS = ['traces', 'metrics', 'logs'] as const;
const PATHS = new Map<string, TelemetrySignal>(SIGNALS.map((signal) => [`/v1/${signal}`, signal]));
/** How long a server may say nothing where an answer is due. */
const SILENCE_MS_MAX = 3000;

/** Bodies by signal and form, of 0 to 3 items. */
const bodies = SIGNALS.flatMap((signal) =>
  [0, 1, 3].flatMap((items) => [
    { signal, items, form: 'protobuf' as Form, text: Buffer.from(requestBytes(signal, items)).toString('latin1') },
    { signal, items, form: 'json' as Form, text: JSON.stringify(requestJson(signal, items)) },
  ]),
);
/** How many items a body has, by its bytes. */
const itemsOf = new Map([['', 0], ...bodies.map(({ text, items }) => [text, items] as const)]);

/** The receiver's rules, as far as they are asked for here, on nothing but `node:http`. */
class Reference {
  /** Of each request that is no empty one. */
  readonly arrived: { readonly signal: TelemetrySignal; readonly items: number }[] = [];
  readonly server: Server;

  constructor() {
    const serve = (request: IncomingMessage, response: ServerResponse) => this.#serve(request, response);
    this.server = createServer({ keepAliveTimeout: 60_000, maxHeaderSize: 16 * 1024 }, serve);
    this.server.on('checkContinue', serve);
    this.server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
      if (!socket.writable) return void socket.destroy();
      const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
      const body = `{"code":3,"message":"the request is not HTTP as it should be: ${STATUS_CODES[status]}"}`;
      const fields = `content-type: application/json\r\nconnection: close\r\ncontent-length: ${body.length}`;
      socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${fields}\r\n\r\n${body}`);
    });
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { headers, method = '', url = '' } = request;
    const path = url.replace(/^http:\/\/x(?=\/)/, '').split('?', 1)[0] ?? '';
    const signal = PATHS.get(path);
    const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
    const form = ({ 'application/x-protobuf': 'protobuf', 'application/json': 'json' } as const)[type ?? ''];
    const refuse = (status: number, code: ErrorCode, detail: string, fields = {}) => {
      const reply = errorReply(new PipelineError(code, detail), form ?? 'json');
      response.writeHead(status, { ...reply.fields, ...fields }).end(reply.body);
      request.resume();
    };
    if (signal === undefined) return refuse(404, 'unknown_path', path);
    if (method !== 'POST') return refuse(405, 'bad_method', method, { allow: 'POST' });
    if (form === undefined) return refuse(415, 'bad_content_type', headers['content-type'] ?? 'there is none');
    if (headers.expect === '100-continue') response.writeContinue();
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('error', () => {});
    request.on('end', () => {
      const body = Buffer.concat(pieces);
      try {
        if (form === 'json') jsonToProtobuf(signal, body);
      } catch (error) {
        return refuse(400, 'malformed', (error as Error).message);
      }
      const items = itemsOf.get(body.toString('latin1')) ?? Number.NaN;
      if (items !== 0) this.arrived.push({ signal, items });
      const text = form === 'json' ? '{}' : '';
      response.writeHead(200, { 'content-type': type, 'content-length': text.length }).end(text);
    });
  }
}

let at: Started;
let reference: Reference;
beforeAll(async () => {
  at = await started();
  reference = new Reference();
  await new Promise<void>((resolve) => reference.server.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  reference.server.close();
  reference.server.closeAllConnections();
  await at.receiver.stop(AbortSignal.timeout(5000));
});

interface Answer {
  readonly status: number;
  readonly fields: Record<string, string>;
  readonly body: string;
}

/** One request of a client. */
interface Sent {
  readonly method: string;
  /** Latin-1. */
  readonly text: string;
  /** Nothing may be under way when it comes. */
  readonly isAlone: boolean;
  /** Its answer is awaited before anything else is sent. */
  readonly isAwaited: boolean;
}

/** A raw connection, and what is answered on it. */
class Talk {
  readonly #socket: Socket;
  readonly #methods: string[] = [];
  #said = '';
  isOver = false;
  /** Whether an answer was due that did not come. */
  isSilent = false;
  #wake = (): void => {};

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (piece: Buffer) => {
      this.#said += piece.toString('latin1');
      this.#wake();
    });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.isOver = true;
      this.#wake();
    });
  }

  /** All answers so far, interim ones among them. */
  get answers(): Answer[] {
    const methods = [...this.#methods];
    const head = /HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n/y;
    const answers: Answer[] = [];
    for (let found = head.exec(this.#said); found !== null; found = head.exec(this.#said)) {
      const [, status, lines = ''] = found;
      const fields = Object.fromEntries(
        lines.split('\r\n', lines.split('\r\n').length - 1).map((line) => {
          const [name = '', value = ''] = line.split(/: ?(.*)/s);
          return [name.toLowerCase(), value];
        }),
      );
      const isFinal = Number(status) >= 200;
      const hasBody = isFinal && methods.shift() !== 'HEAD';
      const start = head.lastIndex;
      const isChunked = fields['transfer-encoding'] === 'chunked';
      const end = isChunked
        ? this.#said.indexOf('0\r\n\r\n', start) + 5
        : start + Number(fields['content-length'] ?? 0);
      if (hasBody) head.lastIndex = end;
      if (head.lastIndex > this.#said.length) break;
      delete fields['date'];
      delete fields['keep-alive'];
      answers.push({ status: Number(status), fields, body: this.#said.slice(start, head.lastIndex) });
    }
    return answers;
  }

  /** Sends requests at once, cut at these places, and waits for their answers. */
  async send(requests: readonly Sent[], cuts: readonly number[]): Promise<void> {
    this.#methods.push(...requests.map(({ method }) => method));
    const all = requests.map(({ text }) => text).join('');
    const places = [...new Set(cuts.map((cut) => Math.floor(cut * all.length)))].toSorted((a, b) => a - b);
    for (const [i, place] of [...places, all.length].entries()) {
      if (this.isOver || this.isSilent) return;
      this.#socket.write(all.slice(places[i - 1] ?? 0, place), 'latin1');
      await new Promise((resolve) => setImmediate(resolve));
    }
    const isDone = () =>
      this.isOver || this.answers.filter(({ status }) => status >= 200).length >= this.#methods.length;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.isSilent = true;
        resolve();
      }, SILENCE_MS_MAX);
      this.#wake = () => {
        if (!isDone()) return;
        clearTimeout(timer);
        resolve();
      };
      this.#wake();
    });
  }

  /** Closes our side. Resolves to whether the other one does, too. */
  async end(): Promise<boolean> {
    this.#socket.end();
    return new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), SILENCE_MS_MAX);
      this.#wake = () => {
        if (!this.isOver) return;
        clearTimeout(timer);
        resolve(true);
      };
      this.#wake();
    });
  }
}

const often = <T>(usual: T, ...others: readonly T[]) =>
  fc.oneof({ weight: 2 * others.length, arbitrary: fc.constant(usual) }, fc.constantFrom(...others));

const plainFields = ['X: a\tb', 'X:', '__proto__: y', 'constructor: y', 'Accept: */*', 'Connection: Keep-Alive'];
const otherFields = [
  ['Connection: close', 'Connection: x', 'Connection:', 'Upgrade: websocket', 'Keep-Alive: 5', 'TE: trailers'],
  ['Trailer: x', 'Expect: x', 'Host: y', 'X: \xe9', Array.from({ length: 70 }, (_, i) => `X-${i}: y`).join('\r\n')],
].flat();

/** A request that is right, though its answer may be no success; one that stays with us, or any. */
const rightRequest = (isPlain: boolean) => {
  const mostly = <T>(usual: T, ...others: readonly T[]) => (isPlain ? fc.constant(usual) : often(usual, ...others));
  const fields = fc.constantFrom(...plainFields, ...(isPlain ? [] : otherFields));
  const parts = {
    before: mostly('', '\r\n'),
    method: mostly('POST', 'GET', 'HEAD', 'PUT', 'OPTIONS', 'DELETE'),
    origin: mostly('', 'http://x', '*'),
    version: mostly('1.1', '1.0'),
    framing: mostly('length', 'chunked', 'chunked', 'expect', 'none'),
    path: often('', '?a=b', '/', 'x'),
    body: fc.constantFrom(...bodies),
    type: often('', ';charset=utf-8', ' ; a=b', '+x', '-'),
    chunkBytes: fc.constantFrom(1, 7, 100, 10_000),
    letters: fc.constantFrom('asIs', 'lower', 'upper'),
    space: fc.tuple(often(' ', '', '  ', '\t', ' \t '), often('', ' ', '\t')),
    more: fc.uniqueArray(fields, { maxLength: 2, selector: (field) => field.split(':')[0]?.toLowerCase() }),
  };
  return fc.record(parts).map(written);
};

interface Parts {
  readonly before: string;
  readonly method: string;
  readonly origin: string;
  readonly version: string;
  readonly framing: string;
  readonly path: string;
  readonly body: (typeof bodies)[number];
  readonly type: string;
  readonly chunkBytes: number;
  readonly letters: string;
  readonly space: readonly [string, string];
  readonly more: readonly string[];
}

function written({ before, method, version, body, framing, space, more, ...parts }: Parts): Sent {
  // Of an HTTP/1.0 client nobody expects these.
  const how = version === '1.0' && framing !== 'none' ? 'length' : framing;
  const content = how === 'none' ? '' : body.text;
  const type = `application/${body.form === 'json' ? 'json' : 'x-protobuf'}${parts.type}`;
  const fields = [
    'Host: x',
    ...(parts.type === '-' ? [] : [`Content-Type: ${type}`]),
    ...(how === 'chunked' ? ['Transfer-Encoding: chunked'] : []),
    ...(how === 'length' || how === 'expect' ? [`Content-Length: ${content.length}`] : []),
    ...(how === 'expect' ? ['Expect: 100-continue'] : []),
    ...more,
  ];
  const lines = fields.join('\r\n').replaceAll(/^([^:\r\n]+): ?(.*?)$/gm, (_, name: string, value: string) => {
    const inLetters = { lower: name.toLowerCase(), upper: name.toUpperCase() }[parts.letters] ?? name;
    // Behind this value alone `node:http` takes no white space.
    return `${inLetters}:${space[0]}${value}${value === 'chunked' ? '' : space[1]}`;
  });
  const head = `${before}${method} ${parts.origin}/v1/${body.signal}${parts.path} HTTP/${version}\r\n${lines}\r\n\r\n`;
  const text = head + (how === 'chunked' ? chunked(content, parts.chunkBytes) : content);
  // Some of these end the connection. What follows then is looked at or not, as the pieces happen to come.
  const isAwaited = version === '1.0' || how === 'expect' || /connection|upgrade|expect/i.test(more.join());
  return { method, text, isAlone: false, isAwaited };
}

function chunked(content: string, chunkBytes: number): string {
  let text = '';
  for (let from = 0; from < content.length; from += chunkBytes) {
    const piece = content.slice(from, from + chunkBytes);
    text += `${piece.length.toString(16)}${from % 2 === 0 ? '' : ';a=b'}\r\n${piece}\r\n`;
  }
  return `${text}0\r\n${chunkBytes === 7 ? 'x: y\r\n' : ''}\r\n`;
}

const LINE = 'POST /v1/traces HTTP/1.1';
const wrongLines = [
  ['hello', '', ' ', `${LINE} `, ` ${LINE}`, `${LINE} x`, 'POST  /v1/traces HTTP/1.1', 'POST /v1 /traces HTTP/1.1'],
  ['POST /v1/traces', 'post / HTTP/1.1', 'POST / HTCPCP/1.1', 'POST / HTTP/1.2', 'POST / HTTP/2.0', 'POST x HTTP/1.1'],
  [
    'POST * HTTP/1.1',
    'POST /\xe4 HTTP/1.1',
    'POST /\0 HTTP/1.1',
    'CONNECT x:1 HTTP/1.1',
    `${LINE}\r\ncontent-length: 5`,
  ],
  // Behind one without content `node:http` may hang.
  [`${LINE}\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-length: 5`],
].flat();
const wrongFields = [
  ['x', ': y', 'x : y', ' x: y', 'x: y\r\n z', 'x: y\nz: 1', 'x: y\rz: 1', 'x: \0', 'x: \x7f', 'x\xe4: y', 'x(: y'],
  ['+5', '-5', '0x5', '5, 5', '', '5\r\ncontent-length: 6', '9'.repeat(30)].map((told) => `content-length: ${told}`),
  ['gzip', 'chunked, gzip', 'identity', ' ', 'chunked'].map((told) => `transfer-encoding: ${told}`),
  [`x: ${'y'.repeat(20_000)}`],
].flat();
/** What is wrong, or nearly so; a field beside a right content-length and without one. */
const wrongRequest = fc
  .oneof(
    fc.constantFrom(...wrongLines),
    fc
      .tuple(often('host: x\r\n', ''), fc.constantFrom(...wrongFields), fc.constantFrom('\r\ncontent-length: 5', ''))
      .map((fields) => `${LINE}\r\n${fields.join('')}`),
  )
  .map((head): Sent => ({ method: 'POST', text: `${head}\r\n\r\nbody!`, isAlone: true, isAwaited: true }));

const step = <T extends Sent>(request: fc.Arbitrary<T>) =>
  fc.record({
    request,
    isAwaited: fc.boolean(),
    cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 }),
  });
const sequence = fc
  .tuple(
    fc.array(step(rightRequest(true)), { maxLength: 4 }),
    fc.array(step(fc.oneof(rightRequest(true), rightRequest(false))), { maxLength: 4 }),
    fc.array(step(wrongRequest), { maxLength: 1 }),
  )
  .map((parts) => parts.flat());

const probe: Sent = {
  method: 'POST',
  text: `${LINE}\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n`,
  isAlone: true,
  isAwaited: true,
};

/** What comes of these requests on one connection. */
async function outcome(port: number, requests: readonly { request: Sent; isAwaited: boolean; cuts: number[] }[]) {
  const talk = new Talk(port);
  const together: Sent[] = [];
  const cuts: number[] = [];
  const flush = async () => {
    if (together.length > 0) await talk.send(together.splice(0), cuts.splice(0));
  };
  for (const { request, isAwaited, cuts: more } of requests) {
    if (request.isAlone) await flush();
    together.push(request);
    cuts.push(...more);
    if (isAwaited || request.isAwaited) await flush();
  }
  await flush();
  const { length } = talk.answers;
  await talk.send([probe], []);
  const isOpen = talk.answers.length > length;
  const last = talk.answers.findIndex(({ fields }) => fields['connection'] === 'close');
  const answers = talk.answers.slice(0, last < 0 ? length : Math.min(last + 1, length));
  const hasEnded = await talk.end();
  return { answers, isOpen, isSilent: talk.isSilent, hasEnded };
}

test('answers, and the end of the connection, are those of node:http', async () => {
  const ports = [Number(at.http.split(':')[1]), (reference.server.address() as AddressInfo).port] as const;
  await fc.assert(
    fc.asyncProperty(sequence, async (requests) => {
      at.sink.batches.splice(0);
      reference.arrived.splice(0);
      const [ours, theirs] = await Promise.all(ports.map((port) => outcome(port, requests)));
      expect(ours).toEqual(theirs);
      expect(ours).toMatchObject({ isSilent: false, hasEnded: true });
      for (const signal of SIGNALS) {
        const theirs = reference.arrived.filter((one) => one.signal === signal).map(({ items }) => items);
        expect(at.sink.telemetry(signal).map(({ items }) => items)).toEqual(theirs);
      }
    }),
    { numRuns: 2000, interruptAfterTimeLimit: 10_000 },
  );
});
