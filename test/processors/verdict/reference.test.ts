import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LatencyReference } from '../../../processors/verdict/reference.ts';
import { binOf, upperBoundNs } from '../../../proto/windback/latency-bins.ts';

const MS = 1e6;

function reference(...durationsMs: readonly [ms: number, count: number][]): LatencyReference {
  const known = new LatencyReference();
  known.add(new Map(durationsMs.map(([ms, count]) => [binOf(ms * MS), count])));
  return known;
}

describe('latency reference', () => {
  it('puts the threshold at the quantile times 1 + margin, or plus the floor, whichever is more', () => {
    const known = reference([100, 90], [400, 10]);
    expect(known.slowAbove(0.5, 0.25, 10 * MS)).toBe(binOf(upperBoundNs(binOf(100 * MS)) * 1.25));
    expect(known.slowAbove(0.5, 0.25, 50 * MS)).toBe(binOf(upperBoundNs(binOf(100 * MS)) + 50 * MS));
    expect(known.slowAbove(0.95, 0.25, 10 * MS)).toBe(binOf(upperBoundNs(binOf(400 * MS)) * 1.25));
  });

  it('is exact at the edge of a bin: as many as asked lie at or below', () => {
    const known = reference([100, 90], [400, 10]);
    expect(known.slowAbove(0.9, 0, 0)).toBe(binOf(100 * MS));
    expect(known.slowAbove(0.9001, 0, 0)).toBe(binOf(400 * MS));
  });

  it('says nothing while fewer than five requests are known beyond the quantile', () => {
    expect(reference([100, 499]).slowAbove(0.99, 0.25, 0)).toBeUndefined();
    expect(reference([100, 501]).slowAbove(0.99, 0.25, 0)).toBeDefined();
    expect(reference([100, 9]).slowAbove(0.5, 0.25, 0)).toBeUndefined();
    expect(new LatencyReference().slowAbove(0.5, 0.25, 0)).toBeUndefined();
  });

  it('forgets: recent blocks count most', () => {
    const known = reference([100, 1000]);
    for (let block = 0; block < 300; block++) known.add(new Map([[binOf(20 * MS), 100]]));
    expect(known.slowAbove(0.5, 0, 0)).toBe(binOf(20 * MS));
    expect(known.slowAbove(0.996, 0, 0)).toBe(binOf(100 * MS));
    for (let block = 0; block < 900; block++) known.add(new Map([[binOf(20 * MS), 100]]));
    expect(known.slowAbove(0.999, 0, 0)).toBe(binOf(20 * MS));
  });

  it('does not depend on the order of the bins', () => {
    const bins = fc.uniqueArray(fc.tuple(fc.nat(1471), fc.integer({ min: 1, max: 1000 })), {
      selector: ([bin]) => bin,
      maxLength: 30,
    });
    fc.assert(
      fc.property(fc.array(bins, { maxLength: 20 }), (blocks) => {
        const forward = new LatencyReference();
        const backward = new LatencyReference();
        for (const block of blocks) {
          forward.add(new Map(block));
          backward.add(new Map([...block].reverse()));
        }
        for (const quantile of [0.5, 0.9, 0.99]) {
          expect(backward.slowAbove(quantile, 0.25, 1e7)).toBe(forward.slowAbove(quantile, 0.25, 1e7));
        }
      }),
      { seed: 4, numRuns: 200 },
    );
  });
});

describe('latency bins', () => {
  it('hold durations up to and with their upper bound', () => {
    for (let bin = 0; bin < 1472; bin++) {
      expect(binOf(upperBoundNs(bin))).toBe(bin);
      if (bin < 1471) expect(binOf(upperBoundNs(bin) * (1 + 1e-12))).toBe(bin + 1);
    }
  });

  it('take anything', () => {
    expect([0, -5, Number.NaN, Number.POSITIVE_INFINITY, 1e300].map((value) => binOf(value))).toEqual([
      0, 0, 1471, 1471, 1471,
    ]);
  });
});
