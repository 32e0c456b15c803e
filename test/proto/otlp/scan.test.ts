import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type LogColumns, NO_STATUS, type SpanColumns, type TelemetrySignal } from '../../../proto/otlp/columns.ts';
import { entryBytesOf, GROUP_BYTES, GROUPS_MAX, ITEMS_MAX } from '../../../proto/otlp/growing.ts';
import { readAttributes, withAttributes } from '../../../proto/otlp/resource.ts';
import { scan } from '../../../proto/otlp/scan.ts';
import { requestType } from '../../../proto/otlp/schema.ts';
import { type Replacement, splice } from '../../../proto/otlp/splice.ts';
import { WireError } from '../../../proto/wire/reader.ts';
import { encodeTree, mutated, varint, type WireField, wireTree } from '../../support/otlp-wire.ts';
import { WORDS } from './otlp-words.ts';

const message = (number: number, ...fields: WireField[]): WireField => ({ number, value: fields });
const bytesField = (number: number, text: string): WireField => ({ number, value: Buffer.from(text) });
const integer = (number: number, value: number): WireField => ({ number, value: BigInt(value) });
/** A traces or logs request of one item. */
const one = (...item: WireField[]) => encodeTree([message(1, message(2, message(2, ...item)))]);

const header = (number: number, length: number) =>
  Buffer.concat([varint(BigInt(number) * 8n + 2n), varint(BigInt(length))]);

describe('what a request may look like', () => {
  test('an empty request has no resources and no items', () => {
    for (const signal of ['traces', 'metrics', 'logs'] as const) {
      const columns = scan(signal, new Uint8Array());
      expect([columns.count, columns.resources.count]).toEqual([0, 0]);
    }
  });

  test('an absent resource is at offset 0, an empty one is not', () => {
    const { resources } = scan('traces', encodeTree([message(1), message(1, message(1))]));
    expect([...resources.length]).toEqual([0, 0]);
    expect(resources.offset[0]).toBe(0);
    expect(resources.offset[1]).toBeGreaterThan(0);
  });

  test('more items than the scratch columns first hold', () => {
    const spans = Array.from({ length: 5000 }, (_, i) => message(2, bytesField(5, `span ${i}`)));
    const bytes = encodeTree([message(1, message(2, ...spans))]);
    const columns = scan('traces', bytes) as SpanColumns;
    const [offset, length] = [columns.operationOffset[4999] as number, columns.operationLength[4999] as number];
    expect(columns.count).toBe(5000);
    expect(bytes.toString('utf8', offset, offset + length)).toBe('span 4999');
  });

  test('an attribute without key and value at the end of a span, with another group behind it', () => {
    const bytes = encodeTree([
      message(1, message(2, message(2, integer(6, 2), bytesField(9, '')))),
      message(1, message(2, message(2, integer(6, 2)))),
    ]);
    expect(scan('traces', bytes).count).toBe(2);
  });

  test('field numbers up to the highest that protobuf has, on every level', () => {
    const high = { number: 2 ** 29 - 1, value: 7n };
    const bytes = encodeTree([high, message(1, high, message(2, high, message(2, high, message(9, high))))]);
    expect(scan('traces', bytes).count).toBe(1);
  });

  test('a Status in two parts keeps the code of the first, unless the second has one', () => {
    const statusOf = (...parts: WireField[][]) => {
      const columns = scan('traces', one(...parts.map((part) => message(15, ...part)))) as SpanColumns;
      return columns.status[0];
    };
    expect(statusOf([integer(3, 2)], [bytesField(2, 'why')])).toBe(2);
    expect(statusOf([integer(3, 2)], [integer(3, 1)])).toBe(1);
    expect(statusOf([integer(3, 2)], [integer(3, 0)])).toBe(0);
  });

  test.each([
    [2n ** 32n + 2n, 2],
    [2n ** 62n + 3n, 3],
    [300n, 255],
    [-1n, 255],
  ])('of an enum only the low 32 bits count: %d is %d', (value, expected) => {
    const span = one({ number: 6, value }, message(15, { number: 3, value }));
    const { kind, status } = scan('traces', span) as SpanColumns;
    expect([kind[0], status[0]]).toEqual([expected, expected]);
    expect((scan('logs', one({ number: 2, value })) as LogColumns).severity[0]).toBe(expected);
  });

  test('the key of an attribute may have a longer length than it needs, and the last of two keys counts', () => {
    const routeOf = (...keyValue: Buffer[]) => {
      const bytes = one(integer(6, 2), { number: 9, value: Buffer.concat(keyValue) });
      const { operationOffset, operationLength } = scan('traces', bytes) as SpanColumns;
      const at = operationOffset[0] as number;
      return bytes.toString('utf8', at, at + (operationLength[0] as number));
    };
    const value = encodeTree([message(2, bytesField(1, '/x'))]);
    const long = encodeTree([message(2, bytesField(1, 'x'.repeat(200)))]);
    const key = (text: string) => encodeTree([bytesField(1, text)]);
    expect(routeOf(Buffer.of(10, 10 | 0x80, 0), Buffer.from('http.route'), value)).toBe('/x');
    expect(routeOf(key('a'), key('http.route'), value)).toBe('/x');
    expect(routeOf(key('http.route'), key('a'), value)).toBe('');
    expect(routeOf(key('http.route'), value, key('a'))).toBe('');
    expect(routeOf(key('a'), value, key('http.route'))).toBe('/x');
    expect(routeOf(key('http.route'), long)).toBe('x'.repeat(200));
    expect(routeOf(key('http.route'), long, key('a'))).toBe('');
  });

  test('lengths and tags in more bytes than they need', () => {
    const span = one(bytesField(5, 'name'));
    const padded = Buffer.concat([
      Buffer.from([0x8a, 0x00]),
      Buffer.from([(span[1] as number) | 0x80, 0x80, 0x00]),
      span.subarray(2),
    ]);
    expect(scan('traces', padded).count).toBe(1);
  });

  test('the last event name of a record counts', () => {
    const columns = scan('logs', one(bytesField(12, 'deployment'), bytesField(12, 'login'))) as LogColumns;
    expect([...columns.isDeployment]).toEqual([0]);
  });

  test('ids that are empty or absent are all zeros, whatever stands before them', () => {
    const id = Buffer.alloc(8, 8);
    const bytes = one(bytesField(1, '\b'.repeat(16)), bytesField(2, ''), { number: 4, value: id });
    const { spanLow, spanHigh, parentLow, parentHigh } = scan('traces', bytes) as SpanColumns;
    expect([spanLow[0], spanHigh[0], parentLow[0], parentHigh[0]]).toEqual([0, 0, 0x08080808, 0x08080808]);
    const bare = scan('traces', one(bytesField(5, 'name'))) as SpanColumns;
    expect([bare.spanLow[0], bare.spanHigh[0], bare.parentLow[0], bare.parentHigh[0]]).toEqual([0, 0, 0, 0]);
  });

  test('whom a call went to is read of client and producer spans, wherever their kind stands', () => {
    const attribute = (key: string, text: string) => message(9, bytesField(1, key), message(2, bytesField(1, text)));
    const calleeOf = (...span: WireField[]) => {
      const bytes = one(...span);
      const { calleeOffset, calleeLength } = scan('traces', bytes) as SpanColumns;
      return bytes.toString('utf8', calleeOffset[0], (calleeOffset[0] as number) + (calleeLength[0] as number));
    };
    const both = [attribute('server.address', 'cart.local'), attribute('db.system.name', 'redis')];
    expect([3, 4].map((kind) => calleeOf(integer(6, kind), ...both))).toEqual(['cart.local', 'cart.local']);
    expect(calleeOf(...both, integer(6, 3))).toBe('cart.local');
    expect([1, 2, 5].map((kind) => calleeOf(integer(6, kind), ...both))).toEqual(['', '', '']);
    expect(calleeOf(integer(6, 3), ...both, integer(6, 2))).toBe('');
  });

  test('a status code of HTTP that no column can hold is none', () => {
    const attribute = message(9, bytesField(1, 'http.response.status_code'), message(2, integer(3, 70_000)));
    const columns = scan('traces', one(integer(6, 2), attribute)) as SpanColumns;
    expect(columns.httpStatus[0]).toBe(NO_STATUS);
  });
});

describe('what is refused', () => {
  test.each([
    [
      'a trace id of another length',
      'traces',
      one(bytesField(1, 'fifteen bytes..')),
      /span.trace_id is 15 bytes long, want 16/,
    ],
    ['a span id of another length', 'traces', one(bytesField(2, 'seven..')), /span.span_id is 7 bytes long, want 8/],
    ['a trace id of a record', 'logs', one(bytesField(9, 'fifteen bytes..')), /log_record.trace_id is 15 bytes long/],
    ['a length past the end', 'traces', Buffer.from([0x0a, 5, 0]), /length 5 reaches past the end, 1 bytes are left/],
    [
      'another message',
      'logs',
      encodeTree([integer(1, 5)]),
      /field 1 has wire type 0, want 2: is this an OTLP request/,
    ],
    ['a group of protobuf 1', 'traces', Buffer.from([0x13, 0x14]), /unsupported wire type 3/],
    ['a field 0', 'metrics', Buffer.from([0x02, 0x00]), /invalid field tag 2/],
    ['text', 'logs', Buffer.from('{"resourceLogs":[]}'), /./],
    ['a number that does not end', 'traces', Buffer.alloc(12, 0xff), /number longer than 10 bytes/],
    [
      'a status that reaches into the next field',
      'traces',
      one({ number: 15, value: Buffer.from([0x18]) }, integer(6, 2)),
      /truncated number/,
    ],
  ] as const)('%s', (_, signal, bytes, said) => {
    expect(() => scan(signal, bytes)).toThrow(WireError);
    expect(() => scan(signal, bytes)).toThrow(said);
  });

  test.each(['traces', 'metrics', 'logs'] as const)(
    '%s: more items, or groups, than one request may have',
    (signal) => {
      const request = (number: number, body: Buffer) => Buffer.concat([header(number, body.length), body]);
      const empty = (count: number, tag: number) => Buffer.alloc(count * 2, Buffer.from([tag, 0]));
      const items = (count: number) => {
        const points = signal === 'metrics' ? request(2, request(5, empty(count, 0x0a))) : empty(count, 0x12);
        return request(1, request(2, points));
      };
      expect(scan(signal, items(ITEMS_MAX)).count).toBe(ITEMS_MAX);
      expect(() => scan(signal, items(ITEMS_MAX + 1))).toThrow('more than 1048576 entries in one request');
      expect(scan(signal, empty(GROUPS_MAX, 0x0a)).resources.count).toBe(GROUPS_MAX);
      expect(() => scan(signal, empty(GROUPS_MAX + 1, 0x0a))).toThrow('more than 131072 entries in one request');
      expect(scan(signal, items(3)).count).toBe(3);
      const entryBytes = entryBytesOf(scan(signal, items(3)));
      expect(scan(signal, items(50), undefined, true, 50 * entryBytes).count).toBe(50);
      expect(() => scan(signal, items(51), undefined, true, 50 * entryBytes)).toThrow('more than 50 entries');
      expect(() => scan(signal, empty(3, 0x0a), undefined, true, 2 * GROUP_BYTES)).toThrow('more than 2 entries');
      expect(scan(signal, items(51)).count).toBe(51);
    },
  );

  test('a resource that the tagger could not read', () => {
    const broken = message(1, { number: 1, value: Buffer.from([0x0a, 9]) });
    expect(() => scan('traces', encodeTree([message(1, broken)]))).toThrow(WireError);
  });

  test('a deployment event whose attributes could not be read', () => {
    const record = [bytesField(12, 'deployment'), { number: 6, value: Buffer.from([0x0a, 9]) }];
    expect(() => scan('logs', one(...record))).toThrow(WireError);
    expect(scan('logs', one(record[1] as WireField)).count).toBe(1);
  });
});

describe('bytes that are not what they should be', () => {
  const signals = ['traces', 'metrics', 'logs'] as const;

  test.each(signals)('%s: changed requests are taken or refused, and what was taken can be tagged', (signal) => {
    const requests = wireTree(requestType(signal), WORDS).map(encodeTree);
    fc.assert(
      fc.property(mutated(requests), (bytes) => {
        takenOrRefused(signal, bytes);
      }),
      { numRuns: 800 },
    );
  });

  test.each(signals)('%s: random bytes', (signal) => {
    const byte = fc.oneof(fc.constantFrom(0x0a, 0x12, 0x08, 2, 4, 6, 0), fc.nat(255));
    const bytes = fc.array(byte, { maxLength: 60, size: 'max' }).map((values) => Uint8Array.from(values));
    fc.assert(
      fc.property(bytes, (random) => {
        takenOrRefused(signal, random);
      }),
      { numRuns: 5000 },
    );
  });
});

const ATTRIBUTES = [
  { key: 'deployment.version', value: '1.4.2' },
  { key: 'service.version', value: 'ä'.repeat(70) },
];

function takenOrRefused(signal: TelemetrySignal, bytes: Uint8Array): void {
  let columns: ReturnType<typeof scan>;
  try {
    columns = scan(signal, bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(WireError);
    return;
  }
  for (const name of [
    'offset',
    'operationOffset',
    'methodOffset',
    'calleeOffset',
    'nameOffset',
    'unitOffset',
  ] as const) {
    const offsets = (columns as unknown as Record<string, Uint32Array | undefined>)[name];
    const lengths = (columns as unknown as Record<string, Uint32Array>)[
      name.replace(/(o|O)ffset/, (o) => `${o[0] === 'o' ? 'l' : 'L'}ength`)
    ];
    offsets?.forEach((offset, i) => expect(offset + (lengths?.[i] as number)).toBeLessThanOrEqual(bytes.length));
  }
  const { offset, length, count } = columns.resources;
  const tagged = Array.from({ length: count }, (_, i): Replacement => {
    const start = offset[i] as number;
    const resource = bytes.subarray(start, start + (length[i] as number));
    readAttributes(resource, 0, resource.length);
    return { resource: withAttributes(resource, ATTRIBUTES) };
  });
  const onItems = Array.from({ length: count }, (): Replacement => ({ itemAttributes: ATTRIBUTES }));
  for (const replacements of [tagged, onItems]) {
    const again = scan(signal, splice(bytes, columns, replacements));
    expect([again.count, again.resources.count]).toEqual([columns.count, columns.resources.count]);
  }
}
