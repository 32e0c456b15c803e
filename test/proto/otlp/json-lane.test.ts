/** The one-pass conversion beside the one by way of objects, which says what is right. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TelemetrySignal } from '../../../proto/otlp/columns.ts';
import { convertJson } from '../../../proto/otlp/json-lane.ts';
import { JsonError, jsonToProtobuf } from '../../../proto/otlp/json.ts';
import { requestType } from '../../../proto/otlp/schema.ts';
import { mutated } from '../../fuzz/mutate.ts';
import { type Liberties, written } from '../../support/json-text.ts';
import { canonicalJson } from '../../support/otlp-arbitrary.ts';
import { requestJson } from '../../support/otlp-requests.ts';
import { Random } from '../../support/random.ts';

const SIGNALS = ['traces', 'metrics', 'logs'] as const;

/** Gives memory of just the size that was asked for, and tells what is out. */
class TightRooms {
  readonly out = new Set<Buffer>();
  largest = 0;

  readonly take = (bytes: number): Buffer => {
    const room = Buffer.alloc(bytes, 0xdb);
    this.out.add(room);
    this.largest = Math.max(this.largest, bytes);
    return room;
  };

  readonly give = (room: Buffer): void => {
    if (!this.out.delete(room)) throw new Error('given back what was not out');
    room.fill(0xdb);
  };
}

/** What the lane makes of a text; undefined where it gives up. Its memory must be out exactly where it does not. */
function converted(signal: TelemetrySignal, text: string | Uint8Array): Uint8Array | undefined {
  const rooms = new TightRooms();
  // At an odd place inside a larger buffer, as a body of a connection may be.
  const bytes = Buffer.concat([Buffer.from('{"'), Buffer.from(text), Buffer.from('"}]')]);
  const found = convertJson(signal, bytes.subarray(2, -3), rooms);
  expect([...rooms.out]).toEqual(found === undefined ? [] : [found.room]);
  if (found !== undefined) expect(found.bytes.buffer).toBe(found.room.buffer);
  return found?.bytes;
}

/** A message in one form for each meaning: fields in order, presence kept. */
function meaning(signal: TelemetrySignal, bytes: Uint8Array): string {
  const type = requestType(signal);
  return Buffer.from(type.encode(type.decode(bytes)).finish()).toString('hex');
}

/** Fails where the lane converts what objects would not, or to something else. Returns whether it converts. */
function checkAgreement(signal: TelemetrySignal, text: string | Uint8Array): boolean {
  const ours = converted(signal, text);
  if (ours === undefined) return false;
  const theirs = jsonToProtobuf(signal, text);
  if (meaning(signal, ours) !== meaning(signal, theirs)) expect(ours).toEqual(theirs);
  return true;
}

describe.each(SIGNALS)('random OTLP/JSON of %s', (signal) => {
  const messages = canonicalJson(requestType(signal));
  const seeds = fc.integer({ min: 0, max: 0xffff_ffff });

  function agrees(may: Liberties, isTaken: boolean): void {
    fc.assert(
      fc.property(messages, seeds, (message, seed) => {
        const isConverted = checkAgreement(signal, written(message, new Random(seed), may));
        if (isTaken) expect(isConverted).toBe(true);
      }),
      { numRuns: 300 },
    );
  }

  it('is always converted as JSON.stringify writes it', () => agrees({}, true));

  it('is always converted with spaces and escapes', () => {
    // An escape in an id, a number or base64 is odd; here all strings may have some, so it is not always converted.
    agrees({ spaces: true, unknown: true }, true);
    agrees({ spaces: true, escapes: true, unknown: true }, false);
  });

  it('means the same in any order and with any numbers', () => agrees({ shuffles: true, numbers: true }, false));

  it('means the same where it is odd', () => {
    agrees({ spaces: true, shuffles: true, escapes: true, numbers: true, unknown: true, odd: true }, false);
  });

  it('means the same, or is refused by both, after any change of bytes', () => {
    let count = 0;
    fc.assert(
      fc.property(messages, seeds, (message, seed) => {
        const random = new Random(seed);
        const text = Buffer.from(written(message, random, { spaces: random.chance(0.5), escapes: random.chance(0.2) }));
        for (let i = 0; i < 5; i++) {
          count += Number(checkAgreement(signal, changed(text, random)));
          checkAgreement(signal, mutated([text], WORDS, random));
        }
      }),
      { numRuns: 200 },
    );
    // Some changes leave it plain: else nothing was compared.
    expect(count).toBeGreaterThan(50);
  });
});

const WORDS = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ':',
  ',',
  'null',
  '-',
  '0',
  '.5',
  'e9',
  '\\',
  '\\u00',
  '\\ud83d',
  'true',
  ' ',
  'a',
];

/** With one thing put in or put in place of another. */
function changed(text: Uint8Array, random: Random): Buffer {
  const at = random.below(text.length + 1);
  const word = Buffer.from(WORDS[random.below(WORDS.length)] as string);
  return Buffer.concat([text.subarray(0, at), word, text.subarray(at + random.below(3))]);
}

const LIST = '"arrayValue":{"values":[{';
const MAP = '"kvlistValue":{"values":[{"key":"a","value":{';

const span = (fields: string): string => `{"resourceSpans":[{"scopeSpans":[{"spans":[{${fields}}]}]}]}`;
const attribute = (value: string): string => span(`"attributes":[{"key":"k","value":{${value}}}]`);
const histogram = (fields: string): string =>
  `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{${fields}}]}}]}]}]}`;

describe('is converted', () => {
  it.each([
    ['a request of nothing', '{}'],
    ['spaces everywhere', ' \t{ \r\n"resourceSpans" : [ { } , { } ] } \n'],
    ['empty lists', span('"attributes":[],"events":[ ]')],
    ['null for absent', span('"name":null,"attributes":null,"status":null')],
    ['names of the .proto files', '{"resource_spans":[{"scope_spans":[{"spans":[{"trace_state":"a=b"}]}]}]}'],
    ['ids in capitals', span('"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174"')],
    ['no parent', span('"parentSpanId":""')],
    ['enums by name', span('"kind":"SPAN_KIND_SERVER","status":{"code":"STATUS_CODE_ERROR"}')],
    ['enums that nobody knows', span('"kind":99,"status":{"code":-3}')],
    ['integers as numbers', span('"startTimeUnixNano":1700000000000000001,"endTimeUnixNano":18446744073709551615')],
    ['the ends of 64 bits', attribute('"intValue":"9223372036854775807"')],
    ['the other ends of 64 bits', attribute('"intValue":"-9223372036854775808"')],
    ['a word with nothing below it', attribute('"intValue":"-4294967296"')],
    ['doubles of 17 digits', attribute('"doubleValue":0.30000000000000004')],
    ['doubles with exponents', attribute('"doubleValue":-1.5E-7')],
    ['whole doubles beyond 2^53', attribute('"doubleValue":123456789012345678901234567890')],
    ['minus zero', attribute('"doubleValue":-0.0')],
    ['NaN', attribute('"doubleValue":"NaN"')],
    ['infinities', attribute('"doubleValue":"-Infinity"')],
    ['every escape', span('"name":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83d\\ude00"')],
    ['text of all lengths of UTF-8', span('"name":"aé€😀"')],
    ['long text', span(`"name":"${'x'.repeat(127)}","traceState":"${'é'.repeat(9000)}"`)],
    ['base64 with slashes of the other alphabet', attribute('"bytesValue":"-_8"')],
    ['values set to their defaults', attribute('"stringValue":""')],
    ['a value of nothing', attribute('')],
    ['attributes in lists of maps', attribute('"kvlistValue":{"values":[{"key":"a","value":{"arrayValue":{}}}]}')],
    ['fields that nobody knows', span('"a":{"b":[{},[],"\\ud800",-1.5e+3,true,false,null]},"name":"n"')],
    ['fields with names of every object', span('"constructor":1,"__proto__":{"name":"n"},"toString":""')],
  ])('%s', (_, text) => {
    expect(checkAgreement('traces', text)).toBe(true);
  });

  it('lists of numbers', () => {
    const fields = '"bucketCounts":["0",7,"18446744073709551615"],"explicitBounds":[0,-0.5,1e300,"Infinity"],"sum":0';
    expect(checkAgreement('metrics', histogram(fields))).toBe(true);
  });

  it('all that a log record may be', () => {
    const text =
      '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"a"},"traceId":"","flags":1}]}]}]}';
    expect(checkAgreement('logs', text)).toBe(true);
  });

  it.each(SIGNALS)('requests of %s of every size', (signal) => {
    for (const count of [0, 1, 2, 100, 1000]) {
      expect(checkAgreement(signal, JSON.stringify(requestJson(signal, count)))).toBe(true);
      expect(checkAgreement(signal, JSON.stringify(requestJson(signal, count), undefined, 2))).toBe(true);
    }
  });
});

describe('is left to objects', () => {
  it.each([
    ['nothing', ''],
    ['a list', '[]'],
    ['more behind the end', '{}{}'],
    ['a byte order mark', '\ufeff{}'],
    ['no end', '{"resourceSpans":[{"scopeSpans":['],
    ['an end too early', '{"resourceSpans":[}'],
    ['a key that does not end', '{"resourceSpans}'],
    ['a text that does not end', `{"resourceSpans":[],"a":"}`],
    ['a comma too many', span('"name":"a",')],
    ['a comma too many in a list', '{"resourceSpans":[{},]}'],
    ['a comma too few', span('"name":"a" "kind":1')],
    ['a key twice', span('"name":"a","name":"b"')],
    ['a key twice in both forms', span('"traceState":"a","trace_state":"b"')],
    ['an escape in a key', span('"n\\u0061me":"a"')],
    ['two values', attribute('"intValue":1,"stringValue":"a"')],
    ['a value before its key', span('"attributes":[{"value":{},"key":"k"}]')],
    ['null in a list', '{"resourceSpans":[null]}'],
    ['half a surrogate pair', span('"name":"\\ud800"')],
    ['the other half', span('"name":"\\udc00"')],
    ['two first halves', span('"name":"\\ud800\\ud800"')],
    ['a line end in text', span('"name":"a\nb"')],
    ['an escape that is none', span('"name":"\\x"')],
    ['a zero in front', span('"kind":01')],
    ['minus zero as integer', span('"kind":-0')],
    ['a plus', span('"kind":+1')],
    ['a fraction of nothing', attribute('"doubleValue":1.')],
    ['an exponent of nothing', attribute('"doubleValue":1e')],
    ['a double too large', attribute('"doubleValue":1e309')],
    ['an integer with a fraction', span('"kind":1.0')],
    ['an integer too large', span('"endTimeUnixNano":"18446744073709551616"')],
    ['an integer much too large', span('"endTimeUnixNano":"100000000000000000000000"')],
    ['a signed one too large', attribute('"intValue":"9223372036854775808"')],
    ['a signed one too small', attribute('"intValue":"-9223372036854775809"')],
    ['a small one too large', span('"kind":2147483648')],
    ['a count too large', span('"droppedLinksCount":4294967296')],
    ['a negative count', span('"flags":-1')],
    ['an enum in quotes', span('"kind":"2"')],
    ['an enum of another name', span('"kind":"SERVER"')],
    ['an id of other characters', span('"spanId":"eee19b7ec3c1b17g"')],
    ['a short id', span('"spanId":"eee19b7ec3c1b1"')],
    ['a long id', span('"spanId":"eee19b7ec3c1b17400"')],
    ['a span without its id', span('"spanId":""')],
    ['base64 of five digits', attribute('"bytesValue":"AAAAA"')],
    ['base64 of other characters', attribute('"bytesValue":"AA*="')],
    ['a number for text', span('"name":5')],
    ['text for a list', span('"attributes":"a"')],
    ['a nearly true', attribute('"boolValue":tru')],
  ])('%s', (_, text) => {
    expect(converted('traces', text)).toBeUndefined();
  });

  it('bytes that are not UTF-8', () => {
    const text = Buffer.from(span('"name":"a"'));
    text[text.lastIndexOf('a')] = 0xff;
    expect(converted('traces', text)).toBeUndefined();
    expect(() => jsonToProtobuf('traces', text)).toThrow(JsonError);
  });
});

describe('what it takes', () => {
  it('nests as deep as objects may, and no deeper', () => {
    const wrapped = (lists: number, maps: number): string => {
      const before = `${LIST.repeat(lists)}${MAP.repeat(maps)}`;
      return attribute(`${before}"intValue":1${'}}]}'.repeat(maps)}${'}]}'.repeat(lists)}`);
    };
    // The request, its group, scope, span, attribute and value; then two messages a list and three a map.
    for (const [lists, maps] of [
      [47, 0],
      [2, 30],
      [0, 31],
    ] as const) {
      expect(checkAgreement('traces', wrapped(lists, maps))).toBe(true);
    }
    for (const [lists, maps] of [
      [48, 0],
      [3, 30],
      [1, 31],
    ] as const) {
      expect(converted('traces', wrapped(lists, maps))).toBeUndefined();
      expect(() => jsonToProtobuf('traces', wrapped(lists, maps))).toThrow('is nested deeper than 100 messages');
    }
    expect(converted('traces', wrapped(1_000_000, 0))).toBeUndefined();
    expect(converted('traces', wrapped(0, 1_000_000))).toBeUndefined();
    expect(converted('traces', `{"a":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`)).toBeUndefined();
  });

  it.each([
    ['doubles', '"explicitBounds":[', '1', ','],
    ['fixed integers', '"bucketCounts":[', '1', ','],
    ['points', '', '"sum":1', '},{'],
    ['points with negative flags', '"attributes":[', '{"value":{"intValue":-1}}', ','],
    ['empty messages', '"exemplars":[', '{}', ','],
  ])('is at most four times the text: %s', (_, before, one, between) => {
    const text = histogram(`${before}${Array.from({ length: 50_000 }, () => one).join(between)}${before && ']'}`);
    const rooms = new TightRooms();
    const found = convertJson('metrics', Buffer.from(text), rooms);
    expect(found?.bytes.length).toBeLessThanOrEqual(4 * text.length);
    expect(rooms.largest).toBeLessThanOrEqual(4 * text.length + 4096);
    expect(rooms.out.size).toBe(1);
    expect(meaning('metrics', found?.bytes ?? Buffer.alloc(0))).toBe(
      meaning('metrics', jsonToProtobuf('metrics', text)),
    );
  });

  it('is given back where no more is to be had', () => {
    const rooms = new TightRooms();
    let left = 1;
    const take = (bytes: number): Buffer => {
      if (left-- === 0) throw new Error('no more');
      return rooms.take(bytes);
    };
    const text = Buffer.from(histogram(`"explicitBounds":[${'1,'.repeat(5000)}1]`));
    expect(() => convertJson('metrics', text, { take, give: rooms.give })).toThrow('no more');
    expect(rooms.out.size).toBe(0);
    // And the next request is converted as if nothing had been.
    expect(checkAgreement('metrics', histogram('"sum":1'))).toBe(true);
  });
});
