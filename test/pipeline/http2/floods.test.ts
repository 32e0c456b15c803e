/** What a peer can do at little cost to itself: each ends its connection, or is bounded; others are served meanwhile. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { FLAG, FRAME, frame, PREFACE, SETTING, settingsFrame, wordsFrame } from '../../../pipeline/http2/protocol.ts';
import { headerBlock } from '../../../pipeline/http2/header-encoder.ts';
import { floodsOf } from '../../support/http2-floods.ts';
import { type Http2TestServer, http2Server } from '../../support/http2-server.ts';
import { RawHttp2, REQUEST } from '../../support/http2-raw.ts';

const CALM = 11;
const soon = { timeout: 10_000, interval: 10 };
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

async function expectServed(server: Http2TestServer): Promise<void> {
  const client = raw(server).hello().request(1, Buffer.from('me too'));
  await vi.waitFor(() => expect(client.body(1).toString()).toBe('me too'), soon);
  client.close();
}

const MIB = 1024 * 1024;
const NOTHING = Buffer.alloc(0);

describe('frames that carry nothing end the connection', () => {
  test.each(floodsOf(REQUEST))('%s', async (_, flood) => {
    const server = await started();
    const client = raw(server).hello().send(flood);
    await vi.waitFor(() => expect(client.goaway()).toBe(CALM), soon);
    await expectServed(server);
    await vi.waitFor(() => expect(client.isClosed).toBe(true), soon);
  });
});

describe('headers', () => {
  test('a bomb, of an entry that is named a thousand times, is refused; what follows is understood', async () => {
    const server = await started();
    const client = raw(server).hello();
    // One entry of 4000 bytes, then 10 000 times the same by its index: 40 MB of headers in 14 KB.
    const entry = Buffer.concat([Buffer.from([0x40, 1, 0x78, 0x7f, 0xa1, 0x1e]), Buffer.alloc(4000, 'x')]);
    const bomb = Buffer.concat([REQUEST, entry, Buffer.alloc(10_000, 0xbe)]);
    const before = process.memoryUsage().heapUsed;
    for (let id = 1; id < 400; id += 2) client.send(frame(FRAME.headers, 5, id, bomb));
    await vi.waitFor(() => expect(client.resetCode(399)).toBe(CALM), soon);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100 * MIB);
    client.request(401, Buffer.from('fine'));
    await vi.waitFor(() => expect(client.body(401).toString()).toBe('fine'), soon);
  });
});

describe('memory stays bounded', () => {
  /** A client that reads nothing. */
  function deaf(server: Http2TestServer): RawHttp2 {
    const client = raw(server);
    client.socket.pause();
    return client;
  }

  test('answers that are never read: no more of them than streams may be open', async () => {
    const server = await started();
    const client = deaf(server)
      .hello([SETTING.initialWindowSize, 2 ** 31 - 1])
      .widen(0, 2 ** 31 - 65_536);
    let id = 1;
    const body = Buffer.alloc(16_384);
    const sending = setInterval(() => {
      for (let i = 0; i < 20; i++, id += 2) client.request(id, body);
    }, 2);
    cleanups.push(() => clearInterval(sending));
    await vi.waitFor(() => expect(client.isClosed || server.requests.length > 50).toBe(true), soon);
    await new Promise((resolve) => setTimeout(resolve, 500));
    clearInterval(sending);
    expect(process.memoryUsage().arrayBuffers).toBeLessThan(200 * MIB);
    await expectServed(server);
  });

  test('frames of ours that are never read end the connection, though an answer waits', async () => {
    const server = await started({}, Buffer.alloc(100_000));
    const client = deaf(server).hello([SETTING.initialWindowSize, 0]).request(1);
    const flood = setInterval(() => {
      const pieces: Buffer[] = [];
      for (let i = 0; i < 150; i++)
        pieces.push(frame(FRAME.ping, 0, 0, Buffer.alloc(8)), frame(FRAME.data, 0, 3, Buffer.alloc(1)));
      client.send(...pieces);
    }, 1);
    client.request(3, undefined, false);
    cleanups.push(() => clearInterval(flood));
    await vi.waitFor(() => expect(client.isClosed).toBe(true), { timeout: 50_000, interval: 50 });
  });

  test('streams that are cut are not remembered for ever', async () => {
    const server = await started({ streamsMax: 1 });
    const client = raw(server).send(PREFACE, settingsFrame([])).request(1, undefined, false);
    await vi.waitFor(() => expect(client.of(FRAME.settings).length).toBe(2), soon);
    const before = process.memoryUsage().heapUsed;
    for (let id = 3; id < 100_000; id += 2) client.request(id, undefined, false);
    await vi.waitFor(() => expect(client.resetCode(99_999)).toBe(7), { timeout: 20_000, interval: 100 });
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(200 * MIB);
    client.data(1, Buffer.from('here'), true);
    await vi.waitFor(() => expect(client.body(1).toString()).toBe('here'), soon);
  });
});

describe('slow ones', () => {
  test.each<[string, (client: RawHttp2) => unknown]>([
    ['nothing at all', () => {}],
    ['half a preface', (client) => client.send(PREFACE.subarray(0, 10))],
    ['a preface without settings', (client) => client.send(PREFACE)],
    ['half of the settings', (client) => client.send(PREFACE, settingsFrame([[1, 1]]).subarray(0, 12))],
  ])('%s: closed after a while', async (_, begin) => {
    const server = await started({ helloMs: 100 });
    const client = raw(server);
    begin(client);
    await expectServed(server);
    await vi.waitFor(() => expect(client.isClosed).toBe(true), soon);
  });
});

test('a busy connection is no flood', async () => {
  const server = await started();
  const client = raw(server).hello([SETTING.initialWindowSize, 65_535]);
  const ping = frame(FRAME.ping, 0, 0, Buffer.alloc(8));
  const block = headerBlock({ ':method': 'POST', ':scheme': 'http', ':path': '/' });
  for (let id = 1; id < 10_000; id += 2) {
    client.send(frame(FRAME.headers, FLAG.endHeaders, id, block), frame(FRAME.data, 0, id, Buffer.alloc(100)));
    client.send(frame(FRAME.data, FLAG.endStream, id, NOTHING), wordsFrame(FRAME.windowUpdate, 0, 0, 100), ping);
    if (id % 200 === 1) await vi.waitFor(() => expect(client.isAnswered(id)).toBe(true), soon);
  }
  expect(client.goaway()).toBeUndefined();
});
