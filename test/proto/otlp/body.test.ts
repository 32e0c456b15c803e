import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Body, bodyRange, readBody } from '../../../proto/otlp/body.ts';
import { messageType } from '../../../proto/otlp/schema.ts';
import { WireError } from '../../../proto/wire/reader.ts';
import { encodeTree, mutated, wireTree } from '../../support/otlp-wire.ts';
import { WORDS } from './otlp-words.ts';

const TYPE = messageType('opentelemetry.proto.logs.v1.LogRecord');

function read(bytes: Uint8Array): Body | undefined {
  const range = bodyRange(bytes, 0, bytes.length);
  return range && readBody(bytes, ...range);
}

const bodyOf = (body: object) => read(TYPE.encode(TYPE.fromObject({ severityNumber: 9, body })).finish());
const map = (...entries: [string, object][]) => ({
  kvlistValue: { values: entries.map(([key, value]) => ({ key, value })) },
});

describe('the body of a record', () => {
  test.each<[object, Body]>([
    [{ stringValue: 'said' }, { kind: 'string', text: 'said' }],
    [{ stringValue: '' }, { kind: 'string', text: '' }],
    [{ intValue: 1 }, { kind: 'other' }],
    [{ boolValue: true }, { kind: 'other' }],
    [{ doubleValue: 1.5 }, { kind: 'other' }],
    [{ bytesValue: Buffer.from('x') }, { kind: 'other' }],
    [{ arrayValue: { values: [{ stringValue: 'x' }] } }, { kind: 'other' }],
    [{}, { kind: 'none' }],
    [map(), { kind: 'map', entries: new Map() }],
    [
      map(['b', { stringValue: 'x' }], ['a', { intValue: 1 }], ['c', map(['d', { stringValue: 'y' }])]),
      {
        kind: 'map',
        entries: new Map([
          ['b', 'x'],
          ['a', undefined],
          ['c', undefined],
        ]),
      },
    ],
  ])('%j', (body, expected) => {
    expect(bodyOf(body)).toEqual(expected);
  });

  test('is none where there is none', () => {
    expect(read(TYPE.encode(TYPE.fromObject({ severityNumber: 9 })).finish())).toBeUndefined();
  });
});

test('text of random records is what protobufjs reads', () => {
  fc.assert(
    fc.property(wireTree(TYPE, WORDS, 3).map(encodeTree), (bytes) => {
      const { body }: any = TYPE.toObject(TYPE.decode(bytes), { longs: String, arrays: true });
      const found = read(bytes);
      if (body === undefined) expect(found).toBeUndefined();
      else if (body.stringValue !== undefined) expect(found).toEqual({ kind: 'string', text: body.stringValue });
      else expect(found?.kind).not.toBe('string');
    }),
  );
});

test('changed records are read or refused', () => {
  fc.assert(
    fc.property(mutated(wireTree(TYPE, WORDS, 3).map(encodeTree)), (bytes) => {
      try {
        read(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
    }),
    { numRuns: 1000 },
  );
});
