import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { METRIC_KIND } from '../../../proto/otlp/columns.ts';
import { HistogramReader } from '../../../proto/otlp/histogram.ts';
import { messageType } from '../../../proto/otlp/schema.ts';
import { WireError } from '../../../proto/wire/reader.ts';
import { encodeTree, mutated, wireTree } from '../../support/otlp-wire.ts';
import { WORDS } from './otlp-words.ts';

const EXPLICIT = messageType('opentelemetry.proto.metrics.v1.HistogramDataPoint');
const EXPONENTIAL = messageType('opentelemetry.proto.metrics.v1.ExponentialHistogramDataPoint');

function read(bytes: Uint8Array, kind: number) {
  return new HistogramReader().read(bytes, 0, bytes.length, kind);
}

describe('an explicit histogram', () => {
  const point = { startTimeUnixNano: 5, count: 6, sum: 7.5, bucketCounts: [1, 2, 3], explicitBounds: [0.1, 0.5] };

  test('counts with their upper bounds, the last one open', () => {
    const bytes = EXPLICIT.encode(EXPLICIT.fromObject(point)).finish();
    expect(read(bytes, METRIC_KIND.histogram)).toEqual({
      startTime: 5,
      count: 6,
      sum: 7.5,
      bounds: [0.1, 0.5, Number.POSITIVE_INFINITY],
      counts: [1, 2, 3],
      total: 6,
    });
  });

  test('bounds of the point before are the same array, and any others are what they are', () => {
    const bounds = fc.array(fc.constantFrom(0.1, 0.5, 1, -1, Number.NaN, Number.POSITIVE_INFINITY), { maxLength: 4 });
    const reader = new HistogramReader();
    fc.assert(
      fc.property(fc.array(bounds, { maxLength: 6 }), (points) => {
        let before: readonly number[] | undefined;
        for (const explicitBounds of points) {
          const bytes = EXPLICIT.encode(EXPLICIT.fromObject({ explicitBounds })).finish();
          const point = reader.read(bytes, 0, bytes.length, METRIC_KIND.histogram);
          expect(point?.bounds).toEqual([...explicitBounds, Number.POSITIVE_INFINITY]);
          const isUsual = explicitBounds.every((bound) => Number.isFinite(bound));
          const isSame =
            before?.length === explicitBounds.length + 1 && explicitBounds.every((b, i) => b === before?.[i]);
          if (isUsual && isSame) expect(point?.bounds).toBe(before);
          before = point?.bounds;
        }
      }),
    );
  });

  test('counts and bounds that are not packed', () => {
    const fixed = (value: number) => {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleLE(value);
      return { fixed: bytes };
    };
    const count = (value: number) => ({
      number: 6,
      value: { fixed: Buffer.from(BigUint64Array.of(BigInt(value)).buffer) },
    });
    const bytes = encodeTree([count(3), { number: 7, value: fixed(0.25) }, count(4)]);
    expect(read(bytes, METRIC_KIND.histogram)).toMatchObject({
      counts: [3, 4],
      bounds: [0.25, Number.POSITIVE_INFINITY],
    });
  });

  test('packed numbers that are cut off are refused, not read out of what follows', () => {
    const bytes = encodeTree([
      { number: 6, value: new Uint8Array(7) },
      { number: 9, value: new Uint8Array(20) },
    ]);
    expect(() => read(bytes, METRIC_KIND.histogram)).toThrow(WireError);
  });
});

describe('an exponential histogram', () => {
  test('bounds are powers of its base, the zeros below them', () => {
    const point = { scale: 1, zeroCount: 2, count: 9, positive: { offset: -1, bucketCounts: [3, 0, 4] } };
    const bytes = EXPONENTIAL.encode(EXPONENTIAL.fromObject(point)).finish();
    expect(read(bytes, METRIC_KIND.exponentialHistogram)).toMatchObject({
      count: 9,
      bounds: [0, 1, Math.SQRT2, 2],
      counts: [2, 3, 0, 4],
    });
  });

  test('a negative scale', () => {
    const point = { scale: -2, positive: { offset: 1, bucketCounts: [1] } };
    const bytes = EXPONENTIAL.encode(EXPONENTIAL.fromObject(point)).finish();
    expect(read(bytes, METRIC_KIND.exponentialHistogram)?.bounds).toEqual([0, 2 ** 8]);
  });
});

test('other kinds are none', () => {
  for (const kind of [METRIC_KIND.gauge, METRIC_KIND.sum, METRIC_KIND.summary])
    expect(read(Buffer.alloc(0), kind)).toBeUndefined();
});

test('random points read as protobufjs reads them', () => {
  fc.assert(
    fc.property(wireTree(EXPLICIT, WORDS, 4).map(encodeTree), (bytes) => {
      const decoded: any = EXPLICIT.toObject(EXPLICIT.decode(bytes), { longs: String, arrays: true });
      const point = read(bytes, METRIC_KIND.histogram);
      expect(point?.counts).toEqual(decoded.bucketCounts.map(Number));
      expect(point?.bounds).toEqual([...decoded.explicitBounds, Number.POSITIVE_INFINITY]);
      expect([point?.startTime, point?.count]).toEqual([
        Number(decoded.startTimeUnixNano ?? 0),
        Number(decoded.count ?? 0),
      ]);
    }),
  );
});

test('changed points are read or refused', () => {
  const kinds = fc.constantFrom<[number, typeof EXPLICIT]>(
    [METRIC_KIND.histogram, EXPLICIT],
    [METRIC_KIND.exponentialHistogram, EXPONENTIAL],
  );
  const cases = kinds.chain(([kind, type]) =>
    fc.tuple(fc.constant(kind), mutated(wireTree(type, WORDS, 4).map(encodeTree))),
  );
  fc.assert(
    fc.property(cases, ([kind, bytes]) => {
      try {
        read(bytes, kind);
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
    }),
    { numRuns: 2000 },
  );
});
