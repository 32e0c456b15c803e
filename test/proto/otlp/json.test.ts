import { describe, expect, it } from 'vitest';
import { JSON_LEVELS_MAX, JSON_VALUES_MAX } from '../../../proto/otlp/json-bounds.ts';
import { decodeToJson } from '../../../proto/otlp/json-decode.ts';
import { encodeJson, JsonError, jsonToProtobuf, parseJson } from '../../../proto/otlp/json.ts';
import { requestType } from '../../../proto/otlp/schema.ts';
import { WireError } from '../../../proto/wire/reader.ts';

const TRACE_ID = '5b8efff798038103d269b633813fc60c';
const SPAN_ID = 'eee19b7ec3c1b174';

function spans(...list: unknown[]): unknown {
  return { resourceSpans: [{ scopeSpans: [{ spans: list }] }] };
}

function attributes(...values: unknown[]): unknown {
  return spans({ attributes: values.map((value) => ({ key: 'k', value })) });
}

/** Through protobuf and back. */
function roundTrip(value: unknown): unknown {
  return decodeToJson('traces', encodeJson('traces', value));
}

function problem(value: unknown): string {
  try {
    encodeJson('traces', value);
  } catch (error) {
    expect(error).toBeInstanceOf(JsonError);
    return (error as JsonError).message;
  }
  return 'no problem';
}

describe('OTLP/JSON to protobuf', () => {
  it('reads ids in any case and writes them in lower case', () => {
    const upper = spans({ traceId: TRACE_ID.toUpperCase(), spanId: SPAN_ID.toUpperCase(), parentSpanId: '' });
    expect(roundTrip(upper)).toEqual(spans({ traceId: TRACE_ID, spanId: SPAN_ID }));
  });

  it('accepts the names of the .proto files', () => {
    const snake = {
      resource_spans: [{ scope_spans: [{ spans: [{ trace_id: TRACE_ID, start_time_unix_nano: '5' }] }] }],
    };
    expect(roundTrip(snake)).toEqual(spans({ traceId: TRACE_ID, startTimeUnixNano: '5' }));
  });

  it('accepts enums by name and by number, unknown numbers too', () => {
    const kinds = [{ kind: 'SPAN_KIND_SERVER' }, { kind: 3 }, { kind: 99 }, { status: { code: 'STATUS_CODE_ERROR' } }];
    expect(roundTrip(spans(...kinds))).toEqual(spans({ kind: 2 }, { kind: 3 }, { kind: 99 }, { status: { code: 2 } }));
  });

  it('keeps every digit of 64-bit integers, quoted or not', () => {
    const text = JSON.stringify(
      spans({ startTimeUnixNano: '18446744073709551615', attributes: [{ key: 'k', value: { intValue: '@' } }] }),
    ).replace('"@"', '-9223372036854775808');
    expect(decodeToJson('traces', jsonToProtobuf('traces', text))).toEqual(
      spans({
        startTimeUnixNano: '18446744073709551615',
        attributes: [{ key: 'k', value: { intValue: '-9223372036854775808' } }],
      }),
    );
  });

  it('accepts integers in the other forms of JSON numbers', () => {
    const forms = [1e3, '1e3', '1000.0', 1000n, '1000', '0001000'];
    expect(roundTrip(attributes(...forms.map((intValue) => ({ intValue }))))).toEqual(
      attributes(...forms.map(() => ({ intValue: '1000' }))),
    );
  });

  it('keeps values that are set to their default', () => {
    const defaults = [
      { stringValue: '' },
      { intValue: '0' },
      { boolValue: false },
      { doubleValue: 0 },
      { bytesValue: '' },
      { arrayValue: {} },
      { kvlistValue: {} },
      {},
    ];
    expect(roundTrip(attributes(...defaults))).toEqual(attributes(...defaults));
  });

  it('takes null as absent and passes over what it does not know', () => {
    const odd = spans({ name: null, attributes: null, status: null, unheardOf: { deep: [1] }, kind: 1 });
    expect(roundTrip(odd)).toEqual(spans({ kind: 1 }));
    expect(roundTrip(attributes({ stringValue: null, intValue: 1 }))).toEqual(attributes({ intValue: '1' }));
  });

  it('reads NaN, infinities and quoted doubles', () => {
    const values = ['NaN', 'Infinity', '-Infinity', '1.5', 2.5].map((doubleValue) => ({ doubleValue }));
    const back = ['NaN', 'Infinity', '-Infinity', 1.5, 2.5].map((doubleValue) => ({ doubleValue }));
    expect(roundTrip(attributes(...values))).toEqual(attributes(...back));
  });

  it('reads both alphabets of base64, padded or not', () => {
    const values = ['-_8', '+/8=', '+/8'].map((bytesValue) => ({ bytesValue }));
    expect(roundTrip(attributes(...values))).toEqual(attributes(...values.map(() => ({ bytesValue: '+/8=' }))));
  });

  it('mends lone surrogates, which UTF-8 cannot hold', () => {
    expect(roundTrip(spans({ name: 'a\ud800b' }))).toEqual(spans({ name: 'a\ufffdb' }));
  });

  it('accepts bytes with a byte order mark', () => {
    expect(parseJson(Buffer.from('\ufeff{"a":1}'))).toEqual({ a: 1 });
  });
});

describe('OTLP/JSON problems', () => {
  const span = 'resourceSpans[0].scopeSpans[0].spans[0]';
  const value = `${span}.attributes[0].value`;

  it.each([
    [
      spans({ traceId: Buffer.alloc(16).toString('base64') }),
      `${span}.traceId: must be 32 hex characters; this looks like base64`,
    ],
    [spans({ traceId: 'abc' }), `${span}.traceId: must be 32 hex characters; this has 3 characters`],
    [spans({ traceId: 'z'.repeat(32) }), `${span}.traceId: must be 32 hex characters; this has other characters`],
    [spans({ traceId: '' }), `${span}.traceId: must be 32 hex characters; this is empty`],
    [spans({ spanId: 7 }), `${span}.spanId: must be 16 hex characters, not a number`],
    [
      spans({ kind: 'SERVER' }),
      `${span}.kind: must be a number or one of SPAN_KIND_UNSPECIFIED, SPAN_KIND_INTERNAL, SPAN_KIND_SERVER, SPAN_KIND_CLIENT, SPAN_KIND_PRODUCER, SPAN_KIND_CONSUMER`,
    ],
    [spans({ name: 5 }), `${span}.name: must be a string, not a number`],
    [spans({ startTimeUnixNano: -1 }), `${span}.startTimeUnixNano: must be from 0 to 18446744073709551615`],
    [spans({ startTimeUnixNano: 'now' }), `${span}.startTimeUnixNano: must be a whole number, or one in a string`],
    [spans({ startTimeUnixNano: '9'.repeat(401) }), `${span}.startTimeUnixNano: must not have more than 400 digits`],
    [spans({ startTimeUnixNano: true }), `${span}.startTimeUnixNano: must be a whole number, not a boolean`],
    [spans({ startTimeUnixNano: 1.5 }), `${span}.startTimeUnixNano: must be a whole number`],
    [spans({ droppedEventsCount: 2 ** 32 }), `${span}.droppedEventsCount: must be from 0 to 4294967295`],
    [spans({ attributes: {} }), `${span}.attributes: must be an array, not an object`],
    [spans(null), `${span}: must be an object, not null`],
    [
      attributes({ intValue: '9223372036854775808' }),
      `${value}.intValue: must be from -9223372036854775808 to 9223372036854775807`,
    ],
    [attributes({ boolValue: 'true' }), `${value}.boolValue: must be true or false, not a string`],
    [attributes({ bytesValue: '*' }), `${value}.bytesValue: must be base64`],
    [
      attributes({ doubleValue: 'x' }),
      `${value}.doubleValue: must be a number, one in a string, "NaN", "Infinity" or "-Infinity", not a string`,
    ],
    [attributes({ stringValue: 'a', intValue: 1 }), `${value}.stringValue: must not be there together with intValue`],
    [[], 'must be an object, not an array'],
  ])('%#: names the place and what is wrong', (request, message) => {
    expect(problem(request)).toBe(message);
  });

  it('limits the nesting of messages', () => {
    let nested: unknown = { intValue: 1 };
    for (let i = 0; i < 60; i++) nested = { arrayValue: { values: [nested] } };
    expect(problem(attributes(nested))).toMatch(/is nested deeper than 100 messages$/);
  });

  it('survives absurd nesting', () => {
    const bomb = `{"a":${'['.repeat(200_000)}12345678901234567${']'.repeat(200_000)}}`;
    expect(() => parseJson(bomb)).toThrow('not taken: it is nested too deeply');
    // Too short to be looked through beforehand.
    const short = `{"a":${'['.repeat(100_000)}12345678901234567${']'.repeat(100_000)}}`;
    expect(() => parseJson(short)).toThrow('not valid JSON: it is nested too deeply');
  });

  it.each([
    ['lists in lists', '['.repeat(2 ** 20), 'it is nested too deeply'],
    ['objects in objects', '{"":'.repeat(2 ** 20), 'it is nested too deeply'],
    ['empty objects', `[${'{},'.repeat(JSON_VALUES_MAX / 2)}{}]`, `it holds more than ${JSON_VALUES_MAX} values`],
    ['numbers', `[${'1,'.repeat(JSON_VALUES_MAX)}1]`, `it holds more than ${JSON_VALUES_MAX} values`],
  ])('is not made to take far more memory than its text: %s', (_, bomb, problem) => {
    expect(() => parseJson(bomb)).toThrow(`not taken: ${problem}`);
  });

  it('refuses whole numbers that no double holds, as it does 1e400', () => {
    const attribute = `{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":{"doubleValue":${'9'.repeat(350)}}}]}}]}`;
    expect(problem(parseJson(attribute))).toMatch(/doubleValue: is too large for a double$/);
  });

  it('is not kept busy by digits without end', () => {
    const digits = '9'.repeat(4_000_000);
    expect(problem(attributes({ doubleValue: `${digits}x` }))).toMatch(/must be a number, one in a string/);
    expect(problem(attributes({ intValue: `${digits}x` }))).toMatch(/must be a whole number, or one in a string$/);
    expect(problem(attributes({ intValue: digits }))).toMatch(/must not have more than 400 digits$/);
    expect(parseJson(`[${digits},${'9'.repeat(400)}]`)).toEqual([Infinity, 10n ** 400n - 1n]);
  });

  it('takes a long text for what it is', () => {
    const quoted = ['[{,'.repeat(2 * JSON_VALUES_MAX), '\\', '"['.repeat(1000), '\\"'];
    expect(parseJson(JSON.stringify(quoted))).toEqual(quoted);
    const levels = `${'['.repeat(JSON_LEVELS_MAX)}${']'.repeat(JSON_LEVELS_MAX)}`;
    const wide = `[${'0,'.repeat(200_000)}${'[[]],'.repeat(10_000)}0]`;
    for (const text of [levels.padEnd(300_000), wide]) expect(JSON.stringify(parseJson(text))).toBe(text.trim());
  });

  it('never quotes the content of broken JSON', () => {
    for (const broken of [
      '{"card":"4111"',
      '"card 4111',
      'card 4111',
      '{"card" 4111}',
      '{"card":4111}card',
      '[4111,]',
    ]) {
      expect(() => parseJson(broken)).toThrow(/^not valid JSON: /);
      expect(() => parseJson(broken)).not.toThrow(/4111|card/);
    }
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(() => parseJson(Buffer.from([0x7b, 0xff, 0x7d]))).toThrow('not valid UTF-8');
  });
});

describe('protobuf to OTLP/JSON', () => {
  it('merges a message that comes twice and takes the last member of a oneof', () => {
    const type = requestType('traces');
    const first = type.encode({ resourceSpans: [{ resource: { attributes: [{ key: 'a' }] } }] }).finish();
    const second = type.encode({ resourceSpans: [{ resource: { droppedAttributesCount: 1 } }] }).finish();
    // Two requests one after the other are one request with both groups.
    expect(decodeToJson('traces', Buffer.concat([first, second]))).toEqual({
      resourceSpans: [{ resource: { attributes: [{ key: 'a' }] } }, { resource: { droppedAttributesCount: 1 } }],
    });
    // One group (field 1) with its resource (field 1) in two parts: dropped count 1, then 2.
    expect(decodeToJson('traces', Buffer.from([10, 8, 10, 2, 16, 1, 10, 2, 16, 2]))).toEqual({
      resourceSpans: [{ resource: { droppedAttributesCount: 2 } }],
    });
    // An AnyValue with a string and then a bool.
    const value = [10, 1, 0x61, 16, 0];
    const attribute = [18, value.length, ...value];
    const resource = [10, attribute.length, ...attribute];
    const group = [10, resource.length, ...resource];
    expect(decodeToJson('traces', Buffer.from([10, group.length, ...group]))).toEqual({
      resourceSpans: [{ resource: { attributes: [{ value: { boolValue: false } }] } }],
    });
  });

  it('reads repeated numbers packed and unpacked', () => {
    const bucket = Buffer.alloc(9);
    bucket[0] = (6 << 3) | 1;
    bucket.writeBigUInt64LE(7n, 1);
    const wrap = (field: number, bytes: Uint8Array) =>
      Buffer.concat([Buffer.from([(field << 3) | 2, bytes.length]), bytes]);
    const unpacked = [1, 2, 2, 9, 1].reduceRight<Uint8Array>((bytes, field) => wrap(field, bytes), bucket);
    expect(decodeToJson('metrics', unpacked)).toEqual({
      resourceMetrics: [{ scopeMetrics: [{ metrics: [{ histogram: { dataPoints: [{ bucketCounts: ['7'] }] } }] }] }],
    });
  });

  it('passes over unknown fields and fields of another wire type', () => {
    expect(decodeToJson('traces', Buffer.from([0x98, 0x06, 1, 8, 1]))).toEqual({});
  });

  it('throws a WireError on broken bytes', () => {
    for (const bytes of [[10], [10, 5, 1], [10, 2, 10, 1], [10, 3, 18, 9, 1], [255, 255]]) {
      expect(() => decodeToJson('traces', Buffer.from(bytes))).toThrow(WireError);
    }
  });
});
