/** The bench itself: a few rollouts through every judge, and the arithmetic of its verdict on them. */
import { describe, expect, it } from 'vitest';
import { criteria, type Result } from '../../bench/verdict/criteria.ts';
import { allJudges, type Outcome, OURS, runOnce } from '../../bench/verdict/run.ts';
import type { Row } from '../../bench/verdict/scenario.ts';
import { allRows } from '../../bench/verdict/scenarios.ts';
import { table } from '../../bench/verdict/table.ts';
import { add, quantile, tailOf } from '../../bench/verdict/tally.ts';

const rowOf = (scenario: string, effect: string) =>
  allRows().find((row) => row.scenario === scenario && row.effect === effect) as Row;

/** Plays `runs` rollouts of the first `seconds` of a row. */
function play(row: Row, runs: number, seconds: number): Result {
  const result: Result = { row, tally: new Map() };
  for (let run = 0; run < runs; run++) {
    add(result.tally, run, runOnce({ ...row, seconds }, run, 1, 5, allJudges()), row.isNull);
  }
  return result;
}

it('plays twenty rollouts: all judges find what fails outright, and the judge leaves the good ones alone', () => {
  const good = play(rowOf('independent', 'x1'), 10, 900);
  const failing = play(rowOf('candidate has 50 %', 'fails 100 %'), 10, 600);
  expect(good.tally.get(OURS)).toMatchObject({ runs: 10, seconds: [], innocents: 0 });
  for (const [judge, { seconds }] of failing.tally) expect([judge, seconds.length]).toEqual([judge, 10]);
  const text = table(
    [good, failing],
    allJudges().map(({ name }) => name),
  );
  expect(text.split('\n')).toHaveLength(4);
  expect(text).toContain('100 %');
});

it('repeats a run from its number and the seed', () => {
  const row = { ...rowOf('bursts of 5', 'x10'), seconds: 600 };
  const once = runOnce(row, 3, 1, 5, allJudges());
  expect(runOnce(row, 3, 1, 5, allJudges())).toEqual(once);
});

describe('the arithmetic', () => {
  const outcome = (judge: string, second: number | null): Outcome => ({
    judge,
    second,
    reason: 'errors',
    holds: 0,
    innocents: second === null ? [] : [{ second, reason: 'errors' }],
  });
  /** A row in which each judge rolled back at these seconds. */
  const result = (scenario: string, isNull: boolean, seconds: Record<string, (number | null)[]>): Result => {
    const row: Row = { ...rowOf('independent', isNull ? 'x1' : 'x4'), scenario, isNull, effect: 'e' };
    const made: Result = { row, tally: new Map() };
    for (const [judge, times] of Object.entries(seconds)) {
      times.forEach((second, run) => add(made.tally, run, [outcome(judge, second)], isNull));
    }
    return made;
  };
  const rivals = (times: (number | null)[]) =>
    Object.fromEntries(
      allJudges()
        .filter(({ name }) => name !== OURS)
        .map(({ name }) => [name, times]),
    );

  it('takes a median over all runs, and never has one of less than half', () => {
    const { tally } = result('s', false, { a: [10, null, 30], b: [10, null, null] });
    expect(quantile(tally.get('a') as never, 0.5)).toBe(30);
    expect(quantile(tally.get('b') as never, 0.5)).toBe(Number.POSITIVE_INFINITY);
  });

  it('knows how probable so many rollbacks are', () => {
    expect(tailOf(0, 100, 0.001)).toBe(1);
    expect(tailOf(1, 100, 0.001)).toBeCloseTo(1 - 0.999 ** 100, 12);
    expect(tailOf(2, 2, 0.5)).toBeCloseTo(0.25, 12);
  });

  it('fails on too many false rollbacks', () => {
    const wrong = result('s', true, { [OURS]: [5, 6, 7, null], ...rivals([null, null, null, null]) });
    const right = result('s', true, { [OURS]: [null, null], ...rivals([null, null]) });
    expect(criteria([wrong]).filter(({ passed }) => !passed)).toHaveLength(2);
    expect(criteria([right]).every(({ passed }) => passed)).toBe(true);
  });

  it('compares times only where the rival is seldom wrong, and wants less, not as much', () => {
    const quiet = result('s', true, { [OURS]: [null], ...rivals([null]) });
    const noisy = result('s', true, { [OURS]: [null], ...rivals([60]) });
    const slow = result('s', false, { [OURS]: [300], ...rivals([300]) });
    const fast = result('s', false, { [OURS]: [299], ...rivals([300]) });
    const passes = (...results: Result[]) => criteria(results).every(({ passed }) => passed);
    expect(passes(quiet, slow)).toBe(false);
    expect(passes(quiet, fast)).toBe(true);
    expect(passes(noisy, slow)).toBe(true);
  });

  it('fails on sound services that go down with the bad one', () => {
    const row = rowOf('four services at once', 'one x25');
    const made: Result = { row, tally: new Map() };
    for (const { name } of allJudges()) add(made.tally, 0, [{ ...outcome(name, 60), innocents: [] }], false);
    expect(criteria([made]).at(-1)?.passed).toBe(true);
    add(made.tally, 1, [outcome(OURS, 60)], false);
    expect(criteria([made]).at(-1)?.passed).toBe(false);
  });
});
