import { describe, expect, it } from 'vitest';
import { CumulativeTable, type Progress, progressOf, reasonOf } from '../../../processors/health/cumulative.ts';

const T = 1_700_000_000;
const at = (timeSeconds: number, startSeconds: number, total: number) => ({ timeSeconds, startSeconds, total });

describe('a point after', () => {
  it.each<[string, ReturnType<typeof at> | undefined, ReturnType<typeof at>, Progress]>([
    ['none, long after its start', undefined, at(T, T - 301, 5), 'first'],
    ['none, without a start', undefined, at(T, 0, 5), 'first'],
    ['none, before its own start', undefined, at(T, T + 1, 5), 'first'],
    ['none, just begun', undefined, at(T, T - 300, 5), 'new'],
    ['a smaller one', at(T - 10, 1, 5), at(T, 1, 6), 'continues'],
    ['an equal one', at(T - 10, 1, 5), at(T, 1, 5), 'continues'],
    ['itself', at(T, 1, 5), at(T, 1, 5), 'continues'],
    ['a smaller one, one of them without a start', at(T - 10, 0, 5), at(T, 7, 6), 'continues'],
    ['one that started nearly at the same time', at(T - 10, 1000, 5), at(T, 1001, 6), 'continues'],
    ['a larger one, without a start', at(T - 10, 0, 5), at(T, 0, 4), 'renewed'],
    ['a larger one long ago, without a start', at(T - 122, 0, 5), at(T, 0, 4), 'reset'],
    ['a larger one of the same start', at(T - 10, 1, 5), at(T, 1, 4), 'reset'],
    ['one of an earlier process', at(T - 10, 1, 5), at(T, T - 8, 9), 'renewed'],
    ['one of a process that lived on', at(T - 10, 1, 5), at(T, T - 500, 9), 'reset'],
    ['one of an earlier process, missed, but young', at(T - 400, 1, 5), at(T, T - 200, 9), 'renewed'],
    ['one of an earlier process, missed', at(T - 900, 1, 5), at(T, T - 400, 9), 'reset'],
    ['one of a later process', at(T - 10, T - 20, 5), at(T, 1000, 9), 'late'],
    ['one of a later process that is gone', at(T - 400, T - 500, 5), at(T, 1000, 9), 'restart'],
    ['a later one', at(T, 1, 5), at(T - 10, 1, 4), 'late'],
    ['a larger one of the same time', at(T, 1, 5), at(T, 1, 4), 'late'],
    ['a much later one', at(T, 1, 5), at(T - 301, 1, 4), 'restart'],
  ])('%s', (_name, last, point, progress) => {
    expect(progressOf(last, point)).toBe(progress);
  });

  it('a reset is seen within two intervals of the exports', () => {
    expect(progressOf(at(T - 21, 0, 5), at(T, 0, 4), 10)).toBe('renewed');
    expect(progressOf(at(T - 22, 0, 5), at(T, 0, 4), 10)).toBe('reset');
  });

  it('a reason is given wherever a point says less than its value', () => {
    expect((['new', 'continues'] as const).map((progress) => reasonOf(progress))).toEqual([undefined, undefined]);
    const others = ['first', 'renewed', 'reset', 'late', 'restart'] as const;
    expect(others.map((progress) => reasonOf(progress))).not.toContain(undefined);
  });
});

describe('the table', () => {
  it('keeps what a late point comes after, and forgets what a clock said that was wrong', () => {
    const table = new CumulativeTable(10);
    table.advance('a', at(T, 1, 10));
    expect(table.advance('a', at(T - 10, 1, 8)).progress).toBe('late');
    expect(table.advance('a', at(T + 10, 1, 12))).toMatchObject({ progress: 'continues', last: { total: 10 } });
    expect(table.advance('a', at(T - 900, 1, 13)).progress).toBe('restart');
    expect(table.advance('a', at(T - 890, 1, 15))).toMatchObject({ progress: 'continues', last: { total: 13 } });
  });

  it('takes nothing for new once it is full, since it may have known it', () => {
    const table = new CumulativeTable(2);
    const young = (key: string) => table.advance(key, at(T, T - 5, 10)).progress;
    expect([young('a'), young('b'), young('c'), young('a')]).toEqual(['new', 'new', 'first', 'first']);
  });

  it('is full of few that are large, and keeps none that is very large', () => {
    const table = new CumulativeTable<ReturnType<typeof at> & { bytes: number }>(1000, ({ bytes }) => bytes);
    const after = (key: string, seconds: number, bytes: number) =>
      table.advance(key, { ...at(T + seconds, T - 5, 10), bytes }).progress;
    expect(after('huge', 0, 2 ** 30)).toBe('first');
    expect(after('huge', 1, 2 ** 30)).toBe('first');
    expect(after('small', 1, 0)).toBe('new');
    const large = ['a', 'b', 'c', 'd'].map((key) => after(key, 0, 40 * 2 ** 20));
    expect(large).toEqual(['new', 'new', 'first', 'first']);
    expect(after('small', 2, 0)).toBe('first');
    expect(after('d', 1, 40 * 2 ** 20)).toBe('continues');
  });
});
