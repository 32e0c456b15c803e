import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readNumberPoint } from '../../../proto/otlp/number-point.ts';
import { messageType } from '../../../proto/otlp/schema.ts';
import { WireError } from '../../../proto/wire/reader.ts';
import { encodeTree, mutated, wireTree } from '../../support/otlp-wire.ts';
import { WORDS } from './otlp-words.ts';

const TYPE = messageType('opentelemetry.proto.metrics.v1.NumberDataPoint');
const read = (bytes: Uint8Array) => readNumberPoint(bytes, 0, bytes.length);
const encode = (point: Record<string, unknown>) => TYPE.encode(TYPE.fromObject(point)).finish();

describe('a number data point', () => {
  test.each<[Record<string, unknown>, number | undefined]>([
    [{ asDouble: 1.5 }, 1.5],
    [{ asDouble: Number.NaN }, Number.NaN],
    [{ asInt: '42' }, 42],
    [{ asInt: '-42' }, -42],
    [{ asInt: '-9223372036854775808' }, -(2 ** 63)],
    [{ asInt: 0 }, 0],
    [{}, undefined],
  ])('%j is %d', (point, value) => {
    expect(read(encode(point)).value).toEqual(value);
  });

  test('has its times, and whether anything was recorded', () => {
    const point = { startTimeUnixNano: 1_500_000_000, timeUnixNano: 2_500_000_000, asInt: 1 };
    expect(read(encode(point))).toMatchObject({ startSeconds: 1.5, timeSeconds: 2.5, isEmpty: false });
    expect(read(encode({ ...point, flags: 1 })).isEmpty).toBe(true);
    expect(read(encode({ ...point, flags: 2 })).isEmpty).toBe(false);
  });

  test('is of the series of its attributes', () => {
    const of = (...pairs: [string, string][]) =>
      read(encode({ attributes: pairs.map(([key, stringValue]) => ({ key, value: { stringValue } })) })).attributesKey;
    expect(of(['a', 'b'])).toBe(of(['a', 'b']));
    const keys = [of(), of(['a', 'b']), of(['a', 'c']), of(['a', 'b'], ['c', 'd']), of(['a', 'bc'], ['', 'd'])];
    expect(new Set(keys).size).toBe(keys.length);
  });
});

test('random points read as protobufjs reads them', () => {
  fc.assert(
    fc.property(wireTree(TYPE, WORDS, 4).map(encodeTree), (bytes) => {
      const decoded: any = TYPE.toObject(TYPE.decode(bytes), { longs: String });
      const value = decoded.asDouble ?? (decoded.asInt === undefined ? undefined : Number(decoded.asInt));
      expect(read(bytes)).toMatchObject({
        startSeconds: Number(decoded.startTimeUnixNano ?? 0) / 1e9,
        timeSeconds: Number(decoded.timeUnixNano ?? 0) / 1e9,
        value,
        isEmpty: (decoded.flags ?? 0) % 2 === 1,
      });
    }),
  );
});

test('changed points are read or refused', () => {
  fc.assert(
    fc.property(mutated(wireTree(TYPE, WORDS, 4).map(encodeTree)), (bytes) => {
      try {
        read(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
    }),
    { numRuns: 1000 },
  );
});
