/** OTLP/HTTP, JSON Protobuf Encoding: what the text of a request means. */
import { httpCame, wantOk } from '../answers.ts';
import { wantArrived } from '../arrival.ts';
import { type Case, type Clause, want } from '../clause.ts';
import { protobufOf, type Signal, SIGNALS } from '../wire/messages.ts';
import { ANY_VALUES, EVERYTHING, NEW_FIELDS } from '../wire/samples.ts';
import { type Json, newMark, type Parts, requestOf, SPAN_ID, TRACE_ID } from '../wire/telemetry.ts';
import { postBytes } from './http.ts';

const SECTION = 'JSON Protobuf Encoding';

/** How a request is written, where not as `JSON.stringify` does. */
type Spelling = (request: Json) => string;

/** A request in JSON that has to be taken, and to mean the same as `meant` in protobuf. */
function jsonCase(name: string, signal: Signal, sent: Parts, meant = sent, spelling: Spelling = JSON.stringify): Case {
  return {
    name,
    async run({ http, sink }) {
      const mark = newMark();
      const text = spelling(requestOf(signal, sent, mark));
      wantOk(await http.send(postBytes(signal, 'json', Buffer.from(text))), 'json');
      await wantArrived(sink, signal, protobufOf(signal, requestOf(signal, meant, mark)));
    },
  };
}

/** The same with one attribute of the item, whose value is written as `text`. */
function valueCase(name: string, text: string, meant: Json): Case {
  const item = (value: unknown): Parts => ({ item: { attributes: [{ key: 'value', value }] } });
  const spelling: Spelling = (request) => JSON.stringify(request).replace('"HERE"', () => text);
  return jsonCase(name, 'logs', item('HERE'), item(meant), spelling);
}

/** The same with one field of the item, whose value is written as `text`. */
function fieldCase(name: string, signal: Signal, field: string, text: string, meant: unknown, more: Json = {}): Case {
  const spelling: Spelling = (request) => JSON.stringify(request).replace('"HERE"', () => text);
  const item = (value: unknown): Parts => ({ item: { ...more, [field]: value } });
  return jsonCase(`${signal}, ${field} ${name}`, signal, item('HERE'), item(meant), spelling);
}

/** Keys in the opposite order, on every level. */
function backwards(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(backwards);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).reverse();
  return Object.fromEntries(entries.map(([key, inner]) => [key, backwards(inner)]));
}

const namesClause: Clause = {
  id: 'http.json-names',
  level: 'MUST',
  section: SECTION,
  sentence: 'Keys are the names of the fields in lowerCamelCase, in whatever order.',
  over: ['http'],
  cases: SIGNALS.flatMap((signal) => [
    jsonCase(`${signal}, every field`, signal, EVERYTHING[signal]),
    jsonCase(`${signal}, in the opposite order`, signal, EVERYTHING[signal], EVERYTHING[signal], (request) =>
      JSON.stringify(backwards(request)),
    ),
    jsonCase(`${signal}, over many lines`, signal, EVERYTHING[signal], EVERYTHING[signal], (request) =>
      JSON.stringify(request, null, '\t').replaceAll('\n', '\r\n'),
    ),
  ]),
};

const upper = (id: string): string => id.toUpperCase();
const mixed = (id: string): string =>
  id.replaceAll(/[a-f]/g, (letter, at: number) => (at % 2 ? letter : upper(letter)));

/** Every field that is an id, with its ids written as told. */
function idsCases(name: string, written: (id: string) => string): Case[] {
  const ids = (spell: (id: string) => string): Json => ({ traceId: spell(TRACE_ID), spanId: spell(SPAN_ID) });
  const itself = (id: string): string => id;
  const exemplars = (spell: (id: string) => string) => [{ ...ids(spell), asDouble: 1 }];
  const parts: [string, Signal, (spell: (id: string) => string) => Json][] = [
    ['span', 'traces', ids],
    ['parent', 'traces', (spell) => ({ parentSpanId: spell(SPAN_ID) })],
    ['link', 'traces', (spell) => ({ links: [ids(spell)] })],
    ['log record', 'logs', ids],
    ['exemplar', 'metrics', (spell) => ({ exemplars: exemplars(spell) })],
  ];
  return parts.map(([where, signal, item]) =>
    jsonCase(`${where}, ${name}`, signal, { item: item(written) }, { item: item(itself) }),
  );
}

const idsClause: Clause = {
  id: 'http.json-ids',
  level: 'MUST',
  section: SECTION,
  sentence: 'Trace and span ids are hex, in capitals or not.',
  over: ['http'],
  cases: [...idsCases('small letters', (id) => id), ...idsCases('capitals', upper), ...idsCases('both', mixed)],
};

const base64 = (id: string): string => Buffer.from(id, 'hex').toString('base64');
const WRONG_IDS: readonly (readonly [name: string, item: Json])[] = [
  ['a trace id in base64', { traceId: base64(TRACE_ID) }],
  ['a span id in base64', { spanId: base64(SPAN_ID) }],
  ['a trace id of 31 digits', { traceId: TRACE_ID.slice(1) }],
  ['a trace id of 16 digits', { traceId: SPAN_ID }],
  ['a span id of 32 digits', { spanId: TRACE_ID }],
  ['a trace id with a letter that is no digit', { traceId: `${TRACE_ID.slice(1)}x` }],
];

const wrongIdsClause: Clause = {
  id: 'http.json-wrong-ids',
  level: 'expected',
  section: SECTION,
  sentence: 'An id that is not hex, or not as long as it has to be, is answered with 400.',
  over: ['http'],
  cases: WRONG_IDS.flatMap(([name, item]) =>
    (['traces', 'logs'] as const).map((signal) => ({
      name: `${signal}, ${name}`,
      async run({ http }) {
        const body = Buffer.from(JSON.stringify(requestOf(signal, { item })));
        const answer = await http.send(postBytes(signal, 'json', body));
        want(answer.status === 400, 'HTTP 400', () => httpCame(answer));
      },
    })),
  ),
};

const range = (end: number): number[] => Array.from({ length: end + 1 }, (_, i) => i);
const sum = (aggregationTemporality: number): Parts => ({
  items: { metrics: [{ name: 'a', sum: { dataPoints: [{ asInt: '1' }], aggregationTemporality } }] },
});

const enumsClause: Clause = {
  id: 'http.json-enums',
  level: 'MUST',
  section: SECTION,
  sentence: 'Enums are integers.',
  over: ['http'],
  cases: [
    ...range(5).map((kind) => jsonCase(`kind ${kind}`, 'traces', { item: { kind } })),
    ...range(2).map((code) => jsonCase(`status ${code}`, 'traces', { item: { status: { code } } })),
    ...range(24).map((severityNumber) => jsonCase(`severity ${severityNumber}`, 'logs', { item: { severityNumber } })),
    ...range(2).map((temporality) => jsonCase(`temporality ${temporality}`, 'metrics', sum(temporality))),
  ],
};

/** Whole seconds of nanoseconds are exact in a double, so that no parser has an excuse. */
const TIME = `${Math.floor(Date.now() / 1000)}000000000`;
const histogram = (count: unknown, bucketCounts: readonly unknown[]): Parts => ({
  items: {
    metrics: [
      {
        name: 'a',
        histogram: { dataPoints: [{ count, bucketCounts, explicitBounds: [1] }], aggregationTemporality: 1 },
      },
    ],
  },
});

const integersClause: Clause = {
  id: 'http.json-integers',
  level: 'MUST',
  section: SECTION,
  sentence: 'Integers of 64 bits are decimal text or numbers.',
  over: ['http'],
  cases: [
    ...[`"${TIME}"`, TIME].flatMap((text) => [
      fieldCase(text, 'traces', 'startTimeUnixNano', text, TIME),
      fieldCase(text, 'metrics', 'timeUnixNano', text, TIME),
      fieldCase(text, 'logs', 'observedTimeUnixNano', text, TIME),
    ]),
    ...['7', '-7', '0'].flatMap((digits) => [
      valueCase(`intValue ${digits}`, `{"intValue":${digits}}`, { intValue: digits }),
      valueCase(`intValue "${digits}"`, `{"intValue":"${digits}"}`, { intValue: digits }),
    ]),
    valueCase('the largest', '{"intValue":"9223372036854775807"}', { intValue: '9223372036854775807' }),
    valueCase('the smallest', '{"intValue":"-9223372036854775808"}', { intValue: '-9223372036854775808' }),
    jsonCase('counts as text', 'metrics', histogram('3', ['1', '2'])),
    jsonCase('counts as numbers', 'metrics', histogram(3, [1, 2]), histogram('3', ['1', '2'])),
  ],
};

const digitsClause: Clause = {
  id: 'http.json-digits',
  level: 'expected',
  section: SECTION,
  sentence: 'A 64-bit integer that is a number loses none of its digits.',
  over: ['http'],
  cases: ['9223372036854775807', '-9223372036854775807', '1700000000123456789'].map((digits) =>
    valueCase(digits, `{"intValue":${digits}}`, { intValue: digits }),
  ),
};

const doublesClause: Clause = {
  id: 'http.json-doubles',
  level: 'MUST',
  section: `${SECTION} (ProtoJSON)`,
  sentence: 'Doubles are numbers, or the text NaN, Infinity and -Infinity.',
  over: ['http'],
  cases: (
    [
      ['1.5', 1.5],
      ['-0.25', -0.25],
      ['3', 3],
      ['1e3', 1000],
      ['2.5E-3', 0.0025],
      ['"NaN"', Number.NaN],
      ['"Infinity"', Number.POSITIVE_INFINITY],
      ['"-Infinity"', Number.NEGATIVE_INFINITY],
    ] as const
  ).flatMap(([text, double]) => [
    valueCase(`doubleValue ${text}`, `{"doubleValue":${text}}`, { doubleValue: double }),
    fieldCase(text, 'metrics', 'asDouble', text, double),
  ]),
};

const BYTES = Buffer.from([0, 1, 0xfb, 0xff, 0xfe, 0x3f, 0xbf]);

const bytesClause: Clause = {
  id: 'http.json-bytes',
  level: 'MUST',
  section: `${SECTION} (ProtoJSON)`,
  sentence: 'Bytes are base64.',
  over: ['http'],
  cases: [BYTES, BYTES.subarray(1), BYTES.subarray(2), Buffer.alloc(0)].map((bytes) => {
    const value = { bytesValue: bytes.toString('base64') };
    return valueCase(`${bytes.length} bytes`, JSON.stringify(value), value);
  }),
};

const alternativesClause: Clause = {
  id: 'http.json-alternatives',
  level: 'expected',
  section: 'ProtoJSON',
  sentence: 'Base64 may be of the URL alphabet, or without padding; doubles may be text.',
  over: ['http'],
  cases: [
    ...(
      [
        ['standard, without padding', BYTES.toString('base64').replaceAll('=', '')],
        ['URL, with padding', `${BYTES.toString('base64url')}==`],
        ['URL, without padding', BYTES.toString('base64url')],
      ] as const
    ).map(([name, text]) =>
      valueCase(`base64 ${name}`, JSON.stringify({ bytesValue: text }), { bytesValue: BYTES.toString('base64') }),
    ),
    ...(['1.5', '-2', '1e3'] as const).map((text) =>
      fieldCase(`"${text}"`, 'metrics', 'asDouble', `"${text}"`, Number(text)),
    ),
  ],
};

const anyValueClause: Clause = {
  id: 'http.json-any-value',
  level: 'MUST',
  section: 'common.proto, since 1.9',
  sentence: 'An attribute may have a value of any kind.',
  over: ['http'],
  cases: SIGNALS.flatMap((signal) =>
    ANY_VALUES.map(([name, value]) =>
      jsonCase(`${signal}, ${name}`, signal, { item: { attributes: [{ key: 'any', value }] } }),
    ),
  ),
};

const newFieldsClause: Clause = {
  id: 'http.json-new-fields',
  level: 'MUST',
  section: 'Future Versions and Interoperability',
  sentence: 'What later versions added to the schema is taken.',
  over: ['http'],
  cases: NEW_FIELDS.map(([name, signal, parts]) => jsonCase(`${signal}, ${name}`, signal, parts)),
};

const UNKNOWN = {
  fromTomorrow: 'text',
  numberFromTomorrow: 7,
  flagFromTomorrow: true,
  nothingFromTomorrow: null,
  listFromTomorrow: [1, 'two', { three: [] }],
  objectFromTomorrow: { key: { stringValue: 'a' }, traceId: 'not an id' },
};

const LEVELS: readonly (readonly [name: string, parts: (more: Json) => Parts])[] = [
  ['the request', (request) => ({ request })],
  ['the resource and its scopes', (besideResource) => ({ besideResource })],
  ['the scope and its items', (besideScope) => ({ besideScope })],
  ['the scope', (scope) => ({ scope })],
  ['the item', (item) => ({ item })],
  ['an attribute', (more) => ({ item: { attributes: [{ key: 'a', value: { stringValue: 'b' }, ...more }] } })],
  ['a value', (more) => ({ item: { attributes: [{ key: 'a', value: { stringValue: 'b', ...more } }] } })],
];

const unknownFieldsClause: Clause = {
  id: 'http.json-unknown-fields',
  level: 'MUST',
  section: SECTION,
  sentence: 'Keys that the schema does not have, whatever their values, change nothing.',
  over: ['http'],
  cases: SIGNALS.flatMap((signal) =>
    LEVELS.map(([level, parts]) => jsonCase(`${signal}, in ${level}`, signal, parts(UNKNOWN), parts({}))),
  ),
};

const nullsClause: Clause = {
  id: 'http.json-null',
  level: 'expected',
  section: 'ProtoJSON',
  sentence: 'A field that is null is as if it were not there.',
  over: ['http'],
  cases: (
    [
      ['text', 'traces', { traceState: null }],
      ['an enum', 'traces', { kind: null }],
      ['a 32-bit integer', 'traces', { droppedAttributesCount: null }],
      ['a 64-bit integer', 'traces', { endTimeUnixNano: null }],
      ['a message', 'traces', { status: null }],
      ['a list', 'traces', { links: null, events: null, attributes: null }],
      ['an id', 'logs', { traceId: null, spanId: null }],
      ['a value', 'logs', { body: null }],
      ['a list of points', 'metrics', { exemplars: null }],
    ] as const
  ).map(([name, signal, item]) => {
    const absent = Object.fromEntries(Object.keys(item).map((key) => [key, undefined]));
    return jsonCase(`${name}, in ${signal}`, signal, { item }, { item: absent });
  }),
};

const TEXTS: readonly (readonly [name: string, text: string, meant: string])[] = [
  ['letters beyond ASCII as they are', '"é 漢 😀"', 'é 漢 😀'],
  ['escaped letters', String.raw`"\u00e9 \u6F22"`, 'é 漢'],
  ['an escaped pair of surrogates', String.raw`"\ud83d\ude00"`, '😀'],
  ['the short escapes', String.raw`"\" \\ \/ \b \f \n \r \t"`, '" \\ / \b \f \n \r \t'],
  ['an escaped NUL', String.raw`"a\u0000b"`, 'a\0b'],
];

const textsClause: Clause = {
  id: 'http.json-text',
  level: 'MUST',
  section: `${SECTION} (RFC 8259, 7)`,
  sentence: 'Text may have letters of any alphabet, as they are or escaped.',
  over: ['http'],
  cases: TEXTS.map(([name, text, meant]) => valueCase(name, `{"stringValue":${text}}`, { stringValue: meant })),
};

export const jsonClauses: readonly Clause[] = [
  namesClause,
  idsClause,
  wrongIdsClause,
  enumsClause,
  integersClause,
  digitsClause,
  doublesClause,
  bytesClause,
  alternativesClause,
  anyValueClause,
  newFieldsClause,
  unknownFieldsClause,
  nullsClause,
  textsClause,
];
