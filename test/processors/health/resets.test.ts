/** Cumulative histograms: first points, resets and gaps. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CUMULATIVE, type Explicit, explicit, exponential, fold, HTTP, LONG_AGO, sum } from './histograms.ts';
import { Folding, NOW, totals } from './support.ts';

describe('a first point', () => {
  const one = (point: Partial<Explicit>) => explicit(CUMULATIVE, HTTP, { counts: [7, 0, 0, 0], ...point });

  it('is new as a whole where its process has just begun', async () => {
    for (const start of [NOW - 300, NOW - 5, NOW]) {
      expect(totals(await (await fold(one({ start }))).series(), 'metric').all).toBe(7);
    }
  });

  it('says nothing else, which is counted', async () => {
    for (const start of [NOW - 301, 0, NOW + 5]) {
      const folding = await fold(one({ start }));
      expect(await folding.series()).toEqual([]);
      expect(await folding.ignored('metrics', 'first_point')).toBe(1);
    }
  });
});

describe('a reset', () => {
  const at = (time: number, start: number, count: number) =>
    explicit(CUMULATIVE, HTTP, { time, start, counts: [count, 0, 0, 0] });
  const exponentialAt = (time: number, start: number, count: number) =>
    exponential(CUMULATIVE, { time, start, counts: [count] });

  it.each([
    ['explicit', at],
    ['exponential', exponentialAt],
  ])('that was seen in time is new as a whole: %s', async (_kind, point) => {
    const folding = await fold(
      point(NOW - 80, LONG_AGO, 100),
      point(NOW - 70, LONG_AGO, 104),
      point(NOW - 60, NOW - 68, 30),
      point(NOW - 50, NOW - 68, 31),
    );
    expect(totals(await folding.series(), 'metric').all).toBe(4 + 30 + 1);
    expect(await folding.ignored('metrics', 'counter_reset')).toBe(1);
    expect(await folding.folded('metrics')).toBe(3);
  });

  it('of a sender that tells no start is seen by a count that fell', async () => {
    const folding = await fold(at(NOW - 20, 0, 100), at(NOW - 10, 0, 10), at(NOW, 0, 14));
    expect(totals(await folding.series(), 'metric').all).toBe(14);
    expect(await folding.ignored('metrics', 'counter_reset')).toBe(1);
  });

  it('that was missed for more than two intervals only sets the start', async () => {
    const folding = await fold(
      at(NOW - 200, 0, 100),
      at(NOW - 190, 0, 104),
      at(NOW - 160, 0, 50),
      at(NOW - 150, 0, 51),
    );
    expect(totals(await folding.series(), 'metric').all).toBe(4 + 1);
  });

  it('without a new start only sets the start: two senders may share the name', async () => {
    const folding = await fold(at(NOW - 20, LONG_AGO, 100), at(NOW - 10, LONG_AGO, 40), at(NOW, LONG_AGO, 44));
    expect(totals(await folding.series(), 'metric').all).toBe(4);
    expect(await folding.ignored('metrics', 'counter_reset')).toBe(1);
  });

  it('to a start before the last point is another sender, and counts nothing', async () => {
    const folding = await fold(at(NOW - 10, LONG_AGO, 100), at(NOW, NOW - 600, 5000), at(NOW + 1, LONG_AGO, 101));
    expect(totals(await folding.series(), 'metric').all).toBe(0);
    expect(await folding.ignored('metrics', 'counter_reset')).toBe(1);
    expect(await folding.ignored('metrics', 'out_of_order')).toBe(1);
  });

  it('is no start that a sender works out anew each time', async () => {
    const folding = await fold(at(NOW - 10, LONG_AGO, 100), at(NOW, LONG_AGO + 0.4, 103));
    expect(totals(await folding.series(), 'metric').all).toBe(3);
  });

  it('is no point that comes late or twice', async () => {
    const folding = await fold(
      at(NOW - 20, LONG_AGO, 100),
      at(NOW, LONG_AGO, 120),
      at(NOW - 10, LONG_AGO, 110),
      at(NOW, LONG_AGO, 120),
      at(NOW + 10, LONG_AGO, 121),
    );
    expect(totals(await folding.series(), 'metric').all).toBe(21);
    expect(await folding.ignored('metrics', 'out_of_order')).toBe(1);
  });

  it('is a clock that was far ahead and came back', async () => {
    const folding = await fold(at(NOW + 4000, LONG_AGO, 100), at(NOW - 10, LONG_AGO, 101), at(NOW, LONG_AGO, 105));
    expect(totals(await folding.series(), 'metric').all).toBe(4);
  });
});

describe('the folded requests', () => {
  const step = fc.record({ added: fc.array(fc.nat(50), { minLength: 4, maxLength: 4 }), restarts: fc.boolean() });

  it('of a cumulative series are those of the same series as deltas', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), fc.boolean(), async (steps, tellsStart) => {
        const cumulative = new Folding();
        let counts = [0, 0, 0, 0];
        let start = LONG_AGO;
        let expected = 0;
        // The first point only sets the start.
        await cumulative.consume(
          explicit(CUMULATIVE, HTTP, { time: NOW - 100, start: tellsStart ? start : 0, counts }),
        );
        for (const [i, { added, restarts }] of steps.entries()) {
          const time = NOW - 90 + i * 10;
          const grown = counts.map((count, bucket) => count + (added[bucket] as number));
          // Without a start only a count that fell can tell.
          const isReset = restarts && (tellsStart || sum(added) < sum(counts));
          if (isReset) start = time - 9;
          counts = isReset ? added : grown;
          expected += sum(added);
          await cumulative.consume(explicit(CUMULATIVE, HTTP, { time, start: tellsStart ? start : 0, counts }));
        }
        expect(totals(await cumulative.series(), 'metric').all).toBe(expected);
      }),
      { numRuns: 60 },
    );
  });
});
