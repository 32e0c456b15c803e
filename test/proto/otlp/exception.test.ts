import fc from 'fast-check';
import { expect, test } from 'vitest';
import { exceptionsOf } from '../../../proto/otlp/exception.ts';
import { messageType } from '../../../proto/otlp/schema.ts';
import { WireError } from '../../../proto/wire/reader.ts';
import { encodeTree, mutated, wireTree } from '../../support/otlp-wire.ts';
import { WORDS } from './otlp-words.ts';

const TYPE = messageType('opentelemetry.proto.trace.v1.Span');
const read = (bytes: Uint8Array, limit = 8) => exceptionsOf(bytes, 0, bytes.length, limit);
const attribute = (key: string, value: object) => ({ key, value });
const thrown = (type: string) => ({
  name: 'exception',
  attributes: [
    attribute('other', { intValue: 1 }),
    attribute('exception.type', { stringValue: type }),
    attribute('exception.message', { stringValue: 'm' }),
    attribute('exception.stacktrace', { stringValue: 's' }),
  ],
});
const span = (...events: object[]) =>
  TYPE.encode(TYPE.fromObject({ name: 'x', events, droppedEventsCount: 1 })).finish();

test('the events named exception, in their order, up to the limit', () => {
  const bytes = span(thrown('A'), { name: 'exceptioN', attributes: [] }, { name: 'log' }, thrown('B'), thrown('C'));
  expect(read(bytes).map(({ type }) => type)).toEqual(['A', 'B', 'C']);
  expect(read(bytes, 2).map(({ type }) => type)).toEqual(['A', 'B']);
  expect(read(bytes)[0]).toEqual({ type: 'A', message: 'm', stacktrace: 's' });
});

test('what is not told, or is no text, is empty', () => {
  const odd = { name: 'exception', attributes: [attribute('exception.type', { intValue: 1 })] };
  expect(read(span(odd))).toEqual([{ type: '', message: '', stacktrace: '' }]);
  expect(read(span())).toEqual([]);
});

test('a name behind the attributes counts too', () => {
  const name = { number: 2, value: Buffer.from('exception') };
  const type = [
    { number: 1, value: Buffer.from('exception.type') },
    { number: 2, value: [{ number: 1, value: Buffer.from('A') }] },
  ];
  const bytes = encodeTree([{ number: 11, value: [{ number: 3, value: type }, name] }]);
  expect(read(bytes).map(({ type: found }) => found)).toEqual(['A']);
});

test('changed spans are read or refused', () => {
  fc.assert(
    fc.property(mutated(wireTree(TYPE, { ...WORDS, strings: ['exception'] }, 3).map(encodeTree)), (bytes) => {
      try {
        read(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
    }),
    { numRuns: 1000 },
  );
});
