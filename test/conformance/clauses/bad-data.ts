/** Requests that cannot be decoded, told from those that can by anybody's decoder. */
import { gzipSync } from 'node:zlib';
import { bytesField, tag, varint, varintField } from '../wire/bytes.ts';
import type { Signal } from '../wire/messages.ts';
import { type Json, NAMES, requestOf, TRACE_ID } from '../wire/telemetry.ts';

export interface BadData {
  readonly name: string;
  readonly body: Buffer;
}

/** `ResourceSpans.scope_spans` and the like: field 1 of the request, then field 2. */
const inScopes = (bytes: Buffer): Buffer => bytesField(1, bytesField(2, bytes));

export const BAD_PROTOBUF: readonly BadData[] = [
  { name: 'a field that ends after the message', body: Buffer.concat([tag(1, 2), varint(100n), Buffer.from('short')]) },
  { name: 'a nested field that ends after its message', body: inScopes(Buffer.concat([tag(2, 2), varint(50n)])) },
  { name: 'a varint that never ends', body: Buffer.alloc(11, 0xff) },
  { name: 'wire type 7, which there is not', body: Buffer.concat([tag(1, 7), Buffer.from([1])]) },
  { name: 'a field with the number 0', body: Buffer.concat([Buffer.from([2]), varint(0n)]) },
  { name: 'text', body: Buffer.from('this is not protobuf') },
];

/** JSON that is none, or whose values have types that no decoder of the schema can take. */
export function badJson(signal: Signal): BadData[] {
  const { resources, scopes, items } = NAMES[signal];
  const text = (json: unknown): Buffer => Buffer.from(JSON.stringify(json));
  const whole = text(requestOf(signal));
  return [
    { name: 'text', body: Buffer.from('this is not JSON') },
    { name: 'JSON that is cut off', body: whole.subarray(0, whole.length - 3) },
    { name: 'a list instead of an object', body: text([requestOf(signal)]) },
    { name: 'text instead of a list', body: text({ [resources]: 'none' }) },
    { name: 'a number instead of an item', body: text({ [resources]: [{ [scopes]: [{ [items]: [7] }] }] }) },
    {
      name: 'an object instead of text',
      body: text({ [resources]: [{ [scopes]: [{ scope: { name: { first: 'a' } } }] }] }),
    },
  ];
}

/** What says that it is gzip, and cannot be inflated to a whole. */
export function badGzip(message: Uint8Array): BadData[] {
  const whole = gzipSync(message);
  const corrupt = Buffer.from(whole);
  corrupt.writeUInt32LE((corrupt.readUInt32LE(corrupt.length - 8) ^ 1) >>> 0, corrupt.length - 8);
  return [
    { name: 'no gzip at all', body: Buffer.from(message) },
    { name: 'gzip that is cut off', body: whole.subarray(0, whole.length >> 1) },
    { name: 'gzip with a wrong checksum', body: corrupt },
  ];
}

/** More than a server takes as one span, where it has a limit for that; `windback.yaml` has one of 768 KiB. */
const HUGE = 'x'.repeat(800 << 10);

/** Requests of a span that is right and one that is not, of which a server may or may not take the first alone. */
export const HALF_RIGHT: readonly { readonly name: string; readonly request: () => Json }[] = [
  { name: 'one whose trace id is 3 bytes long', request: () => besideRight({ traceId: '5b8eff' }) },
  {
    name: 'one of 800 KiB',
    request: () => besideRight({ attributes: [{ key: 'text', value: { stringValue: HUGE } }] }),
  },
];

function besideRight(item: Json): Json {
  const both = [item, { traceId: TRACE_ID }].map((each) => requestOf('traces', { item: each })['resourceSpans']);
  return { resourceSpans: both.flat() };
}

/** Fields that no version of the schema has, of every wire type, the highest number among them. */
export const UNKNOWN_FIELDS: readonly (readonly [name: string, bytes: Buffer])[] = [
  ['varint', varintField(900, 7)],
  ['64-bit', Buffer.concat([tag(901, 1), Buffer.alloc(8, 1)])],
  ['length-delimited', bytesField(902, 'from a later version')],
  ['32-bit', Buffer.concat([tag(903, 5), Buffer.alloc(4, 1)])],
  ['the highest field number', varintField(2 ** 29 - 1, 1)],
];
