/** A restart in the middle of a rollout, at any moment and however often, changes no decision. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryStorage } from '../../pipeline/storage.ts';
import type { HealthDelta } from '../../proto/windback/health.ts';
import { type Arrival, CUSTOM, eventful, judged, split } from '../support/history.ts';
import { Bench, series, traffic } from '../support/judging.ts';
import { Random } from '../support/random.ts';

const overrides = { indicators: { custom: CUSTOM }, end_after: '2m', promotion: { after: '2m' } };

/** As telemetry comes: in parts, most within the lateness, some too late for its block, some not at all for a while. */
function delivered(deltas: readonly HealthDelta[], random: Random): Arrival[] {
  return deltas.flatMap((delta) => {
    const isGap = delta.slot % 211 > 170;
    return split(delta, 2, random).map((part) => {
      const lateMs = random.chance(0.05) ? random.below(60_000) : random.below(4000);
      return { atMs: (delta.slot + 1) * 1000 + lateMs + (isGap ? 30_000 : 0), delta: part };
    });
  });
}

describe('a restart', () => {
  it('of the whole judge, from its storage, changes no decision', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(),
        fc.array(fc.integer({ min: 1, max: 420 }), { minLength: 1, maxLength: 12 }),
        async (seed, seconds) => {
          const random = new Random(seed);
          const arrivals = delivered(eventful(random, 420), random);
          const restarts = seconds.toSorted((a, b) => a - b);
          const whole = await judged(arrivals, { overrides });
          expect(whole).not.toBe('');
          const storage = new MemoryStorage();
          expect(await judged(arrivals, { overrides, storage, restarts })).toBe(whole);
        },
      ),
      { seed: 11, numRuns: 15 },
    );
  });

  it('of one service, from text, changes nothing at all: what it would save is the same again', () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.nat(599), { minLength: 1, maxLength: 20 }), (seed, points) => {
        const run = (restarts: ReadonlySet<number>) => {
          const random = new Random(seed);
          const bench = new Bench({ promotion: { after: '3m' } });
          bench.run(600, (i) => {
            if (restarts.has(i)) bench.restart();
            const hosts = ['1-a', '1-b'].map((instance) => traffic(random, '1', { rate: 5, errors: 0.01, instance }));
            if (i < 90) return hosts;
            const errors = i % 240 < 120 ? 0.1 : 0.01;
            return [...hosts, traffic(random, '2', { rate: 4, errors }), series({ version: 'unknown', all: i % 3 })];
          });
          return { decisions: JSON.stringify(bench.decisions), state: JSON.stringify(bench.judge.save()) };
        };
        const whole = run(new Set());
        expect(whole.decisions).not.toBe('[]');
        expect(run(new Set(points))).toEqual(whole);
      }),
      { seed: 12, numRuns: 12 },
    );
  });
});
