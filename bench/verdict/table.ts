/** The table that is printed, and the same as JSON. */
import { type Criterion, type Result, seconds } from './criteria.ts';
import { OURS } from './run.ts';
import { fired, type JudgeTally, quantile } from './tally.ts';

const WIDTHS = { scenario: 31, effect: 19, runs: 5, hold: 6, judge: 15 };

/** One line a row: for every judge the share of runs with a rollback and the median time to it. */
export function table(results: readonly Result[], judges: readonly string[]): string {
  const head = [
    'scenario'.padEnd(WIDTHS.scenario),
    'candidate'.padEnd(WIDTHS.effect),
    'runs'.padStart(WIDTHS.runs),
    ...judges.flatMap((judge) => [
      short(judge).padStart(WIDTHS.judge),
      ...(judge === OURS ? ['held'.padStart(WIDTHS.hold)] : []),
    ]),
  ];
  return `${[head.join(' '), ...results.map((result) => line(result, judges))].join('\n')}\n`;
}

function line({ row, tally }: Result, judges: readonly string[]): string {
  const { runs = 0 } = tally.get(OURS) ?? {};
  const cells = judges.flatMap((judge) => {
    const one = tally.get(judge) as JudgeTally;
    const held = `${((100 * one.held) / runs).toFixed(0)} %`.padStart(WIDTHS.hold);
    return [cell(one, row.isNull).padStart(WIDTHS.judge), ...(judge === OURS ? [held] : [])];
  });
  const effect = row.isNull ? `${row.effect} (null)` : row.effect;
  const columns = [row.scenario.padEnd(WIDTHS.scenario), effect.padEnd(WIDTHS.effect), `${runs}`.padStart(WIDTHS.runs)];
  return [...columns, ...cells].join(' ');
}

function cell(one: JudgeTally, isNull: boolean): string {
  const share = 100 * fired(one);
  const percent = `${share > 0 && share < 10 ? share.toFixed(1) : share.toFixed(0)} %`;
  return isNull ? percent : `${percent} ${seconds(quantile(one, 0.5))}`;
}

function short(judge: string): string {
  return judge.replace(', forewarned', ' 1');
}

export function summary(all: readonly Criterion[]): string {
  const lines = all.flatMap(({ passed, text, details }) => [
    `${passed ? 'pass' : 'FAIL'}  ${text}`,
    ...details.map((detail) => `        ${detail}`),
  ]);
  return `${lines.join('\n')}\n`;
}

export const CONVENTIONS = `A cell: share of runs with a rollback, and the median time to it over all runs ("never" where under half have one).
Time is event time from the candidate's first second to the end of the last second the decision rests on. What comes on
top for every judge is left out: delivery, Windback's allowed lateness, the others' scrape interval and query delay.
"Kayenta 1" is told beforehand which one metric will show the fault. Settings and sources: bench/verdict/README.md.
`;

/** The figures for other programs. */
export function asJson(results: readonly Result[], all: readonly Criterion[]): unknown {
  return {
    rows: results.map(({ row, tally }) => ({
      scenario: row.scenario,
      effect: row.effect,
      null: row.isNull,
      judges: Object.fromEntries(
        [...tally].map(([judge, one]) => [
          judge,
          {
            runs: one.runs,
            fired: one.seconds.length,
            held: one.held,
            innocents: one.innocents,
            wrong_runs: one.wrongRuns,
            median: finite(quantile(one, 0.5)),
            p90: finite(quantile(one, 0.9)),
            reasons: Object.fromEntries([...one.reasons].sort(([a], [b]) => (a < b ? -1 : 1))),
          },
        ]),
      ),
    })),
    criteria: all,
  };
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
