import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BinCounter } from '../../../processors/health/bin-counter.ts';

test('bins are counted as a Map counts them, and come out ascending', () => {
  const bins = fc.array(fc.tuple(fc.nat(1500), fc.integer({ min: 1, max: 2 ** 40 })), { maxLength: 300, size: 'max' });
  fc.assert(
    fc.property(bins, (added) => {
      const counter = new BinCounter();
      const expected = new Map<number, number>();
      for (const [bin, count] of added) {
        counter.add(bin, count);
        expected.set(bin, (expected.get(bin) ?? 0) + count);
      }
      const bin = [...expected.keys()].sort((a, b) => a - b);
      expect(counter.finish()).toEqual({ bin, count: bin.map((one) => expected.get(one)) });
    }),
  );
});
