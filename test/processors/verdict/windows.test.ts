import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SlidingPair, WINDOW_NAMES, WINDOWS } from '../../../processors/verdict/windows.ts';

interface Entry {
  readonly slot: number;
  readonly all: number;
  readonly bad: number;
}

/** The window summed anew: what the sliding sums must equal. */
function brute(entries: readonly Entry[], at: number, length: number): { all: number; bad: number } {
  const inside = entries.filter(({ slot }) => slot > at - length && slot <= at);
  return {
    all: inside.reduce((sum, { all }) => sum + all, 0),
    bad: inside.reduce((sum, { bad }) => sum + bad, 0),
  };
}

const START = 1_700_000_000;
const step = fc.record({
  /** Mostly near, at times a gap longer than everything held. */
  advance: fc.oneof(
    { weight: 8, arbitrary: fc.nat(90) },
    { weight: 2, arbitrary: fc.nat(2000) },
    { weight: 1, arbitrary: fc.integer({ min: 3500, max: 12_000 }) },
  ),
  entries: fc.array(fc.record({ offset: fc.integer({ min: -3700, max: 495 }), all: fc.nat(1000), bad: fc.nat(1000) }), {
    maxLength: 6,
  }),
});

describe('sliding windows', () => {
  it('equal brute force, for data late and ahead, over gaps of any length', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const pair = new SlidingPair(START);
        const entries: Entry[] = [];
        let at = START;
        for (const { advance, entries: more } of steps) {
          for (const { offset, all, bad } of more) {
            const taken = pair.add(at + offset, all, bad);
            expect(taken).toBe(offset > -3600);
            if (taken) entries.push({ slot: at + offset, all, bad });
          }
          at += advance;
          pair.advance(at);
          for (const name of WINDOW_NAMES) expect(pair.get(name)).toEqual(brute(entries, at, WINDOWS[name]));
        }
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it('never go back', () => {
    const pair = new SlidingPair(START);
    pair.add(START, 3, 1);
    pair.advance(START + 30);
    pair.advance(START - 100);
    expect(pair.get('1m')).toEqual({ all: 3, bad: 1 });
    pair.advance(START + 60);
    expect(pair.get('1m')).toEqual({ all: 0, bad: 0 });
    expect(pair.get('5m')).toEqual({ all: 3, bad: 1 });
  });

  it('refuse what is too far ahead to be told from the past', () => {
    expect(new SlidingPair(START).add(START + 496, 1, 0)).toBe(false);
  });
});
