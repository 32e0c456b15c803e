import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type SavedBins, SparseBins } from '../../../processors/verdict/sparse-bins.ts';

function binsOf(entries: readonly (readonly [bin: number, count: number])[]): SparseBins {
  return SparseBins.of(new Map(entries));
}

function restored(bins: SparseBins): SparseBins {
  const again = new SparseBins();
  again.addSaved(JSON.parse(JSON.stringify(bins.packed())) as SavedBins);
  return again;
}

describe('packed bins', () => {
  it('are the same when they are read again, whatever the numbers', () => {
    const bin = fc.oneof(fc.nat(3000), fc.integer());
    const count = fc.oneof(fc.nat(100), fc.nat(), fc.double({ noNaN: true, noDefaultInfinity: true }));
    fc.assert(
      fc.property(fc.array(fc.tuple(bin, count)), (entries) => {
        const bins = binsOf(entries.map(([at, many]) => [at, Math.abs(many)] as const));
        expect(restored(bins).flat()).toEqual(bins.flat());
      }),
    );
  });

  it('are a third as long as flat ones', () => {
    const bins = binsOf(Array.from({ length: 20 }, (_, i) => [760 + 4 * i, 1 + (i % 4)] as const));
    expect(JSON.stringify(bins.packed()).length).toBeLessThan(JSON.stringify(bins.flat()).length * 0.4);
  });

  it('are flat where there are fractions, or more than have room', () => {
    expect(binsOf([[760, 0.5]]).packed()).toEqual([760, 0.5]);
    const many = binsOf(Array.from({ length: 5000 }, (_, i) => [i, 1] as const));
    expect(many.packed()).toHaveLength(10_000);
  });

  it('are read as they were saved before they were packed', () => {
    const bins = new SparseBins();
    bins.addSaved([760, 2, 763, 1]);
    expect(bins.flat()).toEqual([760, 2, 763, 1]);
  });
});
