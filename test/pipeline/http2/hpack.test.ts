import fc from 'fast-check';
import { connect, createServer, type Http2Server, type IncomingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HeaderDecoder, type HeaderList } from '../../../pipeline/http2/header-decoder.ts';
import { headerBlock } from '../../../pipeline/http2/header-encoder.ts';
import { Http2Client } from '../../../pipeline/http2/client.ts';
import { huffmanDecode } from '../../../pipeline/http2/huffman.ts';
import { http2Server } from '../../support/http2-server.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

function decode(decoder: HeaderDecoder, block: Buffer): HeaderList {
  return decoder.decode(block, 0, block.length);
}

function decodeAlone(block: string): Record<string, string | undefined> {
  return { ...decode(new HeaderDecoder(16_384), hex(block)).headers };
}

const EXAMPLE_REQUESTS = [
  { ':method': 'GET', ':scheme': 'http', ':path': '/', ':authority': 'www.example.com' },
  { ':method': 'GET', ':scheme': 'http', ':path': '/', ':authority': 'www.example.com', 'cache-control': 'no-cache' },
  {
    ':method': 'GET',
    ':scheme': 'https',
    ':path': '/index.html',
    ':authority': 'www.example.com',
    'custom-key': 'custom-value',
  },
];
const DATES = ['Mon, 21 Oct 2013 20:13:21 GMT', 'Mon, 21 Oct 2013 20:13:22 GMT'] as const;
const LOCATION = 'https://www.example.com';
const EXAMPLE_RESPONSES = [
  { ':status': '302', 'cache-control': 'private', date: DATES[0], location: LOCATION },
  { ':status': '307', 'cache-control': 'private', date: DATES[0], location: LOCATION },
  {
    ':status': '200',
    'cache-control': 'private',
    date: DATES[1],
    location: LOCATION,
    'content-encoding': 'gzip',
    'set-cookie': 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
  },
];

describe('the examples of RFC 7541, appendix C', () => {
  test.each([
    ['C.2.1', '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', { 'custom-key': 'custom-header' }],
    ['C.2.2', '040c 2f73 616d 706c 652f 7061 7468', { ':path': '/sample/path' }],
    ['C.2.3', '1008 7061 7373 776f 7264 0673 6563 7265 74', { password: 'secret' }],
    ['C.2.4', '82', { ':method': 'GET' }],
  ])('%s', (_, block, headers) => {
    expect(decodeAlone(block)).toEqual(headers);
  });

  test.each([
    [
      'C.3',
      EXAMPLE_REQUESTS,
      [
        '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        '8286 84be 5808 6e6f 2d63 6163 6865',
        '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
      ],
    ],
    [
      'C.4, with Huffman',
      EXAMPLE_REQUESTS,
      [
        '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
        '8286 84be 5886 a8eb 1064 9cbf',
        '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
      ],
    ],
  ])('%s: requests', (_, requests, blocks) => {
    const decoder = new HeaderDecoder(16_384);
    expect(blocks.map((block) => ({ ...decode(decoder, hex(block)).headers }))).toEqual(requests);
  });

  // Both say that the table is 256 bytes large, so that entries are evicted: so does a block in front of them here.
  test.each([
    [
      'C.5',
      [
        '4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        '4803 3330 37c1 c0bf',
        '88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31',
      ],
    ],
    [
      'C.6, with Huffman',
      [
        '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
        '4883 640e ffc1 c0bf',
        '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
      ],
    ],
  ])('%s: responses, of which entries are evicted', (_, blocks) => {
    const decoder = new HeaderDecoder(16_384);
    decode(decoder, hex('3fe101'));
    expect(blocks.map((block) => ({ ...decode(decoder, hex(block)).headers }))).toEqual(EXAMPLE_RESPONSES);
  });
});

describe('the dynamic table', () => {
  const entry = (name: string, value: string): Buffer =>
    Buffer.concat([
      Buffer.from([0x40, name.length]),
      Buffer.from(name),
      Buffer.from([value.length]),
      Buffer.from(value),
    ]);

  test('holds 128 of the smallest entries, and the oldest leaves for the next', () => {
    const decoder = new HeaderDecoder(1e6);
    // An empty name is no header, but an entry of 32 bytes all the same.
    decode(decoder, Buffer.concat(Array.from({ length: 128 }, () => entry('', ''))));
    // Index 189 is the last: 61 of the static table and 128.
    expect(decode(decoder, hex('ff3e')).names).toEqual(['']);
    decode(decoder, entry('a', ''));
    // 33 bytes more are two entries less.
    expect(decode(decoder, hex('ff3d')).names).toEqual(['']);
    expect(() => decode(decoder, hex('ff3e'))).toThrow(/no header 189/);
  });

  test('an entry larger than the table empties it', () => {
    const decoder = new HeaderDecoder(16_384);
    decode(decoder, entry('a', 'b'));
    const large = Buffer.alloc(4096, 'x');
    const block = Buffer.concat([Buffer.from([0x40, 1, 0x61, 0x7f, 0x81, 0x1f]), large]);
    expect(decode(decoder, block).headers['a']).toHaveLength(4096);
    expect(() => decode(decoder, hex('be'))).toThrow(/no header 62/);
  });

  test('is emptied by the size 0, and filled again behind the next one', () => {
    const decoder = new HeaderDecoder(16_384);
    decode(decoder, entry('a', 'b'));
    decode(decoder, Buffer.concat([hex('20 3fe11f'), entry('c', 'd')]));
    expect({ ...decode(decoder, hex('be')).headers }).toEqual({ c: 'd' });
    expect(() => decode(decoder, hex('bf'))).toThrow(/no header 63/);
  });

  test('a name of an entry that leaves for its own successor', () => {
    const decoder = new HeaderDecoder(16_384);
    decode(decoder, hex('3f09')); // 40 bytes: one entry
    decode(decoder, entry('abc', 'd'));
    expect({ ...decode(decoder, hex('7e 0165')).headers }).toEqual({ abc: 'e' });
    expect({ ...decode(decoder, hex('be')).headers }).toEqual({ abc: 'e' });
  });
});

describe('what is wrong', () => {
  test.each([
    ['index 0', '80'],
    ['an index beyond both tables', 'be'],
    ['a name beyond both tables', '7e 0161'],
    ['a table larger than allowed', '3fe21f'],
    ['a table resized behind a header', '82 20'],
    ['a number without end', 'ffffffffffffffffff01'],
    ['a number padded with zeros', 'ff80808080808000'],
    ['a number cut short', 'ff'],
    ['a string longer than the block', '00 01'],
    ['a string of which the length is missing', '00'],
    ['a value that is missing', '00 0161'],
    ['Huffman: padded by more than seven bits', '00 0161 82 1fff'],
    ['Huffman: padded with zeros', '00 0161 81 18'],
    ['Huffman: the end of strings', '00 0161 84 ffffffff'],
    ['Huffman: a whole byte of padding', '00 0161 81 ff'],
  ])('%s', (_, block) => {
    expect(() => decodeAlone(block)).toThrow(expect.objectContaining({ code: 9 }));
  });

  test('any bytes are headers, or end the connection', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const decoder = new HeaderDecoder(1000);
        try {
          decode(decoder, Buffer.from(bytes));
        } catch (error) {
          expect(error).toMatchObject({ name: 'Http2Error', code: 9 });
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('a block does not reach beyond its end, where other bytes of the same read lie', () => {
    const decoder = new HeaderDecoder(1000);
    for (const block of [hex('00'), hex('0001'), hex('ff'), hex('40')]) {
      const read = Buffer.concat([block, Buffer.alloc(50, 0x01)]);
      expect(() => decoder.decode(read, 0, block.length)).toThrow(expect.objectContaining({ code: 9 }));
    }
  });
});

test('a list that is too long is read to its end, so that the table stays in step', () => {
  const decoder = new HeaderDecoder(100);
  const many = Buffer.concat([hex('4001 61 01 62'), Buffer.alloc(1000, 0xbe)]);
  const list = decode(decoder, many);
  expect(list.isTooLarge).toBe(true);
  expect(list.names).toHaveLength(2);
  expect({ ...decode(decoder, hex('be')).headers }).toEqual({ a: 'b' });
});

test('every code of Huffman', () => {
  // Sixteen ones are the start of longer codes only; the shortest come first in the canonical order.
  const into = new Uint8Array(16);
  expect(huffmanDecode(hex('07'), 0, 1, into)).toBe(1);
  expect(into[0]).toBe('0'.charCodeAt(0));
  expect(huffmanDecode(hex('ffc7'), 0, 2, into)).toBe(1);
  expect(into[0]).toBe(0);
});

const name = fc.stringMatching(/^x-[a-z0-9_.-]{1,40}$/);
const value = fc.stringMatching(/^[!-~]([ -~]{0,200}[!-~])?$/);
const headers = fc.dictionary(name, value, { maxKeys: 12 });

describe('against node:http2', () => {
  let server: Http2Server;
  let seen: IncomingHttpHeaders = {};
  beforeAll(async () => {
    server = createServer();
    server.on('stream', (stream, got) => {
      seen = got;
      stream.respond({ ':status': 200 }, { endStream: true });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => void server.close());

  test('headers of its client arrive as they were, one request after the other', async () => {
    const ours = await http2Server();
    const session = connect(`http://127.0.0.1:${ours.port}`);
    await fc.assert(
      fc.asyncProperty(headers, async (sent) => {
        await new Promise<void>((resolve, reject) => {
          const stream = session.request({ ':method': 'POST', ':path': '/x', ...sent }, { endStream: true });
          stream.on('error', reject).on('close', resolve).resume();
        });
        const arrived: Record<string, unknown> = { ...ours.requests.at(-1)?.stream.headers };
        const pseudo = { ':method': 'POST', ':path': '/x', ':scheme': 'http' };
        expect(arrived).toEqual({ ...pseudo, ':authority': `127.0.0.1:${ours.port}`, ...sent });
      }),
      { numRuns: 150 },
    );
    session.close();
    await ours.close();
  });

  test('its server reads our headers as they were', async () => {
    const { port } = server.address() as AddressInfo;
    const client = new Http2Client({ host: '127.0.0.1', port });
    await fc.assert(
      fc.asyncProperty(headers, async (sent) => {
        const pseudo = { ':method': 'POST', ':scheme': 'http', ':path': '/y', ':authority': 'test' };
        const block = headerBlock({ ...pseudo, ...sent });
        await client.request(block, [], 5000, new AbortController().signal);
        expect(Object.fromEntries(Object.entries(seen))).toEqual({ ...pseudo, ...sent });
      }),
      { numRuns: 150 },
    );
    client.close();
  });

  test('a block that needs more than one frame', async () => {
    const { port } = server.address() as AddressInfo;
    const client = new Http2Client({ host: '127.0.0.1', port });
    const long = 'v'.repeat(20_000);
    const pseudo = { ':method': 'POST', ':scheme': 'http', ':path': '/z', ':authority': 'test' };
    await client.request(headerBlock({ ...pseudo, 'x-long': long }), [], 5000, new AbortController().signal);
    expect(seen['x-long']).toBe(long);
    client.close();
  });
});
