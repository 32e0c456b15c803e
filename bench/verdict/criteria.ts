/** What must hold: the "Shown by", each with its figure. */
import { OURS } from './run.ts';
import type { Row } from './scenario.ts';
import { fired, type JudgeTally, quantile, type RowTally, tailOf } from './tally.ts';

export interface Result {
  readonly row: Row;
  readonly tally: RowTally;
}

export interface Criterion {
  readonly text: string;
  readonly passed: boolean;
  /** Lines below it: what failed, or what stands out. */
  readonly details: readonly string[];
}

/** Windback's probability of error. */
const ALPHA = 0.001;
/** A row, or a small number of runs, fails when so many rollbacks would be less probable than this. */
const DOUBT = 0.05;
/** A rival is compared in the scenarios in which it is wrong in no more than this share of the null rollouts. */
const FAIR = 0.01;

/** Rivals whose times must be beaten. The others are variants, and are shown for information. */
const MEASURES = ['Kayenta', 'Kayenta, forewarned', 'Flagger 5', 'Argo'];
const VARIANTS = ['Flagger 3', 'e-process'];

export function criteria(results: readonly Result[]): Criterion[] {
  const nulls = results.filter(({ row }) => row.isNull);
  return [
    ...(nulls.length === 0 ? [] : [total(nulls), worst(nulls)]),
    ...MEASURES.map((rival) => faster(results, rival, true)),
    ...VARIANTS.map((rival) => faster(results, rival, false)),
    ...named(results, 'low traffic', 'fails 100 %', 120),
    ...named(results, 'independent', 'x10', 90),
    ...blame(results),
  ];
}

function ours({ tally }: Result): JudgeTally {
  return tally.get(OURS) as JudgeTally;
}

/** Rollouts of a null row: every service of a run has one. */
function rollouts(result: Result): number {
  return ours(result).runs * result.row.services(0).length;
}

function total(nulls: readonly Result[]): Criterion {
  const all = nulls.reduce((sum, result) => sum + rollouts(result), 0);
  const wrong = nulls.reduce((sum, result) => sum + ours(result).innocents, 0);
  const passed = all >= 10_000 ? wrong <= ALPHA * all : tailOf(wrong, all, ALPHA) >= DOUBT;
  return {
    passed,
    text: `null rollouts: ${wrong} rollbacks in ${all} (at most ${(ALPHA * all).toFixed(1)})`,
    details: nulls.filter((result) => ours(result).innocents > 0).map(wrongOnes),
  };
}

/** With the numbers of some of the runs: `--scenario` and `--run` repeat one. */
function wrongOnes(result: Result): string {
  const { reasons, innocents, wrongRuns } = ours(result);
  const why = [...reasons].map(([reason, count]) => `${reason} ${count}`).join(', ');
  const where = `${result.row.scenario}, ${result.row.effect}`;
  return `${where}: ${innocents} of ${rollouts(result)} (${why}), runs ${wrongRuns.slice(0, 8).join(' ')}`;
}

function worst(nulls: readonly Result[]): Criterion {
  const above = nulls.filter((result) => tailOf(ours(result).innocents, rollouts(result), ALPHA) < DOUBT);
  const rate = (result: Result) => ours(result).innocents / rollouts(result);
  const top = nulls.reduce((a, b) => (rate(b) > rate(a) ? b : a));
  const error = Math.sqrt((rate(top) * (1 - rate(top))) / rollouts(top));
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
  return {
    passed: above.length === 0,
    text: `no scenario above ${percent(ALPHA)} within its sampling error: worst ${top.row.scenario}, ${top.row.effect}: ${percent(rate(top))}, standard error ${percent(error)}`,
    details: above.map(wrongOnes),
  };
}

/** Medians against a rival's, wherever its own false alarms allow it. */
function faster(results: readonly Result[], rival: string, counts: boolean): Criterion {
  const wrongRate = (scenario: string) =>
    Math.max(0, ...results.filter(({ row }) => row.isNull && row.scenario === scenario).map((r) => rateOf(r, rival)));
  const fair = results.filter(({ row }) => !row.isNull && wrongRate(row.scenario) <= FAIR);
  const effects = results.filter(({ row }) => !row.isNull).length;
  const compared = fair.filter((result) => Number.isFinite(quantile(result.tally.get(rival) as JudgeTally, 0.5)));
  const slower = compared.filter((result) => {
    return quantile(ours(result), 0.5) >= quantile(result.tally.get(rival) as JudgeTally, 0.5);
  });
  const note = counts ? '' : ' (variant, for information)';
  return {
    passed: slower.length === 0 || !counts,
    text: `median time shorter than ${rival}'s${note}: in ${compared.length - slower.length} of ${compared.length} rows; of ${effects} rows, ${effects - fair.length} left out for its false alarms, ${fair.length - compared.length} which it does not find`,
    details: slower.map((result) => {
      const theirs = quantile(result.tally.get(rival) as JudgeTally, 0.5);
      return `${result.row.scenario}, ${result.row.effect}: ${seconds(quantile(ours(result), 0.5))} against ${seconds(theirs)}`;
    }),
  };
}

function rateOf({ tally }: Result, judge: string): number {
  return fired(tally.get(judge) as JudgeTally);
}

function named(results: readonly Result[], scenario: string, effect: string, limit: number): Criterion[] {
  const result = results.find(({ row }) => row.scenario === scenario && row.effect === effect);
  if (result === undefined) return [];
  const median = quantile(ours(result), 0.5);
  return [
    {
      passed: median <= limit,
      text: `${scenario}, ${effect}: median ${seconds(median)} (at most ${limit} s), 90 % within ${seconds(quantile(ours(result), 0.9))}`,
      details: [],
    },
  ];
}

/** Sound candidates that went down with a bad one. */
function blame(results: readonly Result[]): Criterion[] {
  return results
    .filter(({ row }) => !row.isNull && row.services(0).length > 1)
    .map((result) => {
      const { runs, innocents } = ours(result);
      return {
        passed: innocents <= ALPHA * runs,
        text: `${result.row.scenario}, ${result.row.effect}: ${innocents} sound candidates rolled back with the bad one in ${runs} runs`,
        details: [],
      };
    });
}

export function seconds(value: number): string {
  return Number.isFinite(value) ? `${Math.round(value)} s` : 'never';
}
