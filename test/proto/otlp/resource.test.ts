import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readAttributes, text, withAttributes } from '../../../proto/otlp/resource.ts';
import { messageType } from '../../../proto/otlp/schema.ts';
import { encodeTree, unknownField, type WireField, wireTree } from '../../support/otlp-wire.ts';
import { WORDS } from './otlp-words.ts';

const RESOURCE = messageType('opentelemetry.proto.resource.v1.Resource');

function encode(resource: object): Uint8Array {
  return RESOURCE.encode(RESOURCE.fromObject(resource)).finish();
}

function attributesOf(bytes: Uint8Array) {
  return readAttributes(bytes, 0, bytes.length);
}

const one = (value: object) => encode({ attributes: [{ key: 'k', value }] });

describe('reading', () => {
  test.each([
    ['text', { stringValue: 'ä' }, 'ä'],
    ['empty text', { stringValue: '' }, ''],
    ['a boolean', { boolValue: true }, true],
    ['false', { boolValue: false }, false],
    ['an integer', { intValue: 42 }, 42],
    ['a negative integer', { intValue: -1 }, -1],
    ['the lowest integer that is exact', { intValue: Number.MIN_SAFE_INTEGER }, Number.MIN_SAFE_INTEGER],
    ['a double', { doubleValue: 0.5 }, 0.5],
    [
      'a list',
      { arrayValue: { values: [{ stringValue: 'a' }, { arrayValue: { values: [{ intValue: 1 }] } }] } },
      ['a', [1]],
    ],
  ])('%s', (_, value, expected) => {
    expect(attributesOf(one(value)).get('k')).toEqual(expected);
  });

  test.each([
    ['a map', { kvlistValue: { values: [] } }],
    ['bytes', { bytesValue: Buffer.from('x') }],
    ['no value', {}],
  ])('%s is not read', (_, value) => {
    expect(attributesOf(one(value)).has('k')).toBe(false);
  });

  test('lists in lists are followed to a depth', () => {
    let value: object = { stringValue: 'deep' };
    for (let i = 0; i < 20; i++) value = { arrayValue: { values: [value] } };
    expect(JSON.stringify(attributesOf(one(value)).get('k'))).toBe('[[[[null]]]]');
  });

  test('the last of a key counts', () => {
    const bytes = encode({ attributes: ['1', '2'].map((stringValue) => ({ key: 'k', value: { stringValue } })) });
    expect(attributesOf(bytes).get('k')).toBe('2');
  });

  test('a value before its key, and attributes in another field than 1', () => {
    const attribute: WireField = {
      number: 6,
      value: [
        { number: 2, value: [{ number: 3, value: 7n }] },
        { number: 1, value: Buffer.from('k') },
      ],
    };
    const bytes = Buffer.concat([Buffer.alloc(3), encodeTree([attribute]), Buffer.alloc(2)]);
    expect(readAttributes(bytes, 3, bytes.length - 5, 6)).toEqual(new Map([['k', 7]]));
  });

  test('text at an offset of a buffer that is a part of another', () => {
    expect(text(Buffer.from('..ab ✓..').subarray(2), 1, 5)).toBe('b ✓');
  });
});

describe('writing', () => {
  const added = fc.array(fc.record({ key: fc.constantFrom('a', 'service.version'), value: fc.string() }), {
    maxLength: 2,
  });

  test('what was written is read, and what was there is kept', () => {
    fc.assert(
      fc.property(
        wireTree(RESOURCE, WORDS, 2).map(encodeTree),
        added,
        unknownField(),
        (resource, attributes, unknown) => {
          const before = Buffer.concat([resource, encodeTree([unknown])]);
          const after = withAttributes(before, attributes);
          const expected = new Map(attributesOf(before));
          for (const { key, value } of attributes) expected.set(key, value);
          expect(attributesOf(after)).toEqual(expected);
          expect(Buffer.from(after).includes(encodeTree([unknown]))).toBe(true);
        },
      ),
    );
  });

  test('lies in memory of its own, so that keeping it keeps nothing else', () => {
    const after = withAttributes(encode({}), [{ key: 'deployment.version', value: '1' }]);
    expect(after.buffer.byteLength).toBe(after.length);
  });
});
