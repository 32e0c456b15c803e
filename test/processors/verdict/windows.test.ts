import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BURN_WINDOWS,
  type BurnWindowName,
  SlidingPair,
  WINDOW_NAMES,
  type WindowName,
  WINDOWS,
} from '../../../processors/verdict/windows.ts';

interface Entry {
  readonly slot: number;
  readonly all: number;
  readonly bad: number;
}

const ALL_WINDOWS = { ...WINDOWS, ...BURN_WINDOWS };
type Name = WindowName | BurnWindowName;
const NAMES = Object.keys(ALL_WINDOWS) as Name[];
/** Seconds per slot, as documented. */
const SLOT_SECONDS: Record<Name, number> = { '1m': 1, '5m': 1, '30m': 10, '1h': 10, '2h': 300, '6h': 300, '1d': 300 };

/** The window summed anew: what the sliding sums must equal. */
function brute(entries: readonly Entry[], at: number, name: Name): { all: number; bad: number } {
  const seconds = SLOT_SECONDS[name];
  const oldest = Math.floor(at / seconds) - ALL_WINDOWS[name] / seconds;
  const inside = entries.filter(({ slot }) => slot <= at && Math.floor(slot / seconds) > oldest);
  return {
    all: inside.reduce((sum, { all }) => sum + all, 0),
    bad: inside.reduce((sum, { bad }) => sum + bad, 0),
  };
}

/** Whether any window of the pair still covers the second. */
function inReach(slot: number, at: number, long: boolean): boolean {
  const seconds = long ? 300 : 10;
  const longest = long ? 86_400 : 3600;
  return slot <= at + 60 && Math.floor(slot / seconds) > Math.floor(at / seconds) - longest / seconds;
}

const START = 1_700_000_000;
const count = fc.oneof(fc.nat(3), fc.nat(1000), fc.nat(100_000));
const step = fc.record({
  /** Mostly near, at times a gap longer than a ring, or than everything held. */
  advance: fc.oneof(
    { weight: 8, arbitrary: fc.nat(90) },
    { weight: 3, arbitrary: fc.nat(4000) },
    { weight: 1, arbitrary: fc.nat(100_000) },
  ),
  entries: fc.array(
    fc.record({
      offset: fc.oneof(
        fc.integer({ min: -400, max: 70 }),
        fc.integer({ min: -3700, max: 70 }),
        fc.integer({ min: -90_000, max: 70 }),
      ),
      all: count,
      bad: count,
    }),
    { maxLength: 6 },
  ),
  restart: fc.boolean(),
});

describe('sliding windows', () => {
  it('equal brute force, for data late and ahead, over gaps of any length and restarts at any point', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(299), fc.boolean(), (steps, offset, long) => {
        let at = START + offset;
        let pair = new SlidingPair(at, long);
        const entries: Entry[] = [];
        for (const { advance, entries: more, restart } of steps) {
          for (const { offset: age, all, bad } of more) {
            const slot = at + age;
            expect(pair.add(slot, all, bad)).toBe(inReach(slot, at, long));
            if (slot <= at + 60) entries.push({ slot, all, bad });
          }
          if (restart) pair = SlidingPair.restore(JSON.parse(JSON.stringify(pair.save())));
          at += advance;
          pair.advance(at);
          for (const name of long ? NAMES : WINDOW_NAMES) expect(pair.get(name)).toEqual(brute(entries, at, name));
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

  it('count what is ahead only when its second comes, in coarse windows too', () => {
    const pair = new SlidingPair(START, true);
    pair.add(START + 1, 5, 2);
    for (const name of NAMES) expect(pair.get(name)).toEqual({ all: 0, bad: 0 });
    pair.advance(START + 1);
    for (const name of NAMES) expect(pair.get(name)).toEqual({ all: 5, bad: 2 });
  });

  it('refuse what is too far ahead to be told from the past', () => {
    const pair = new SlidingPair(START);
    expect(pair.add(START + 60, 1, 0)).toBe(true);
    expect(pair.add(START + 61, 1, 0)).toBe(false);
  });

  it('start from nothing at second 0, as a cohort does before its first block', () => {
    const pair = new SlidingPair(0);
    pair.advance(START);
    pair.add(START - 59, 2, 1);
    expect(pair.get('1m')).toEqual({ all: 2, bad: 1 });
  });

  it('take away exactly what was added, fractions being rounded', () => {
    const pair = new SlidingPair(START);
    for (let i = 0; i < 1000; i++) pair.add(START - (i % 300), 0.7, 0.3);
    expect(pair.get('5m')).toEqual({ all: 1000, bad: 0 });
    pair.advance(START + 3700);
    for (const name of WINDOW_NAMES) expect(pair.get(name)).toEqual({ all: 0, bad: 0 });
  });

  it('above an hour are there only where they were asked for', () => {
    expect(() => new SlidingPair(START).get('6h')).toThrow(RangeError);
    expect(new SlidingPair(START, true).get('6h')).toEqual({ all: 0, bad: 0 });
  });

  it('save used slots only', () => {
    const pair = new SlidingPair(START, true);
    pair.add(START - 2, 7, 0);
    expect(JSON.stringify(pair.save())).toBe(`[${START},[2,7,0],[1,7,0],[0,7,0]]`);
  });
});
