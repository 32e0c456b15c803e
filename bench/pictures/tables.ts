/** The tables of docs/verdict.md that the judge's own code fills in. */
import { allowedShare, Bets, shareAt, WORSE } from '../../processors/verdict/evidence/bets.ts';
import { indicatorNames, partOf, termsOf } from '../../processors/verdict/config-indicators.ts';
import { HISTORY_INDICATORS } from '../../processors/verdict/history-minute.ts';
import { Random } from '../verdict/random.ts';
import { factors, WORKED } from './one-block.ts';
import { BAR, barOf, BLOCK, block, CONFIG, RISK } from './terms.ts';

/** What the worked rollout's blocks brought: failures of candidate and baseline. */
export const WORKED_ROLLOUT = [
  [3, 1],
  [0, 2],
  [4, 0],
  [2, 1],
  [5, 1],
  [3, 2],
] as const;

/** Markdown by the name of its place in the page. */
export const TABLES: Readonly<Record<string, () => string>> = {
  'one-block': oneBlock,
  rollout: workedRollout,
  bars,
  rollouts: falseRollbacks,
  onset: lateOnset,
  part: partOfTraffic,
};

/** The page with every table put in its place. Throws where it has no place for one. */
export function withTables(page: string): string {
  return Object.entries(TABLES).reduce((text, [name, render]) => {
    const [start, end] = [`<!-- table ${name} -->`, `<!-- end of table ${name} -->`];
    const [from, to] = [text.indexOf(start), text.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`docs/verdict.md: wants ${start} and ${end}`);
    return `${text.slice(0, from + start.length)}\n\n${render()}\n\n${text.slice(to)}`;
  }, page);
}

function oneBlock(): string {
  const strata = block(WORKED.candidate.all, WORKED.candidate.bad, WORKED.baseline.all, WORKED.baseline.bad);
  const allowed = allowedShare(strata, RISK);
  const all = factors(strata);
  const rows = WORSE.map((worse, i) => {
    const expected = shareAt(strata, RISK * worse);
    const stake = (expected - allowed) / (allowed * (1 - allowed));
    return [`${worse} times`, expected.toFixed(3), stake.toFixed(2), (all[i] as number).toFixed(2)];
  });
  return table(['"it is … as bad as tolerated"', 'share he expects', 'stake λ', 'money becomes ×'], rows);
}

function workedRollout(): string {
  const bets = new Bets(RISK);
  const before = bets.save().logs;
  const shown = [1, 3] as const;
  const rows = WORKED_ROLLOUT.map(([bad, baselineBad], i) => {
    bets.play(block(WORKED.candidate.all, bad, WORKED.baseline.all, baselineBad));
    const { logs, logE } = bets.save();
    const grown = shown.map((at) => amount(Math.exp((logs[at] as number) - (before[at] as number))));
    return [`${i + 1}`, `${bad} and ${baselineBad}`, ...grown, amount(Math.exp(logE))];
  });
  const names = shown.map((at) => `"${WORSE[at]} times", from 1`);
  return table(['block', 'failures of candidate and baseline', ...names, 'all together: E'], rows);
}

function bars(): string {
  const names = indicatorNames(CONFIG.indicators);
  const rows = names.map((name) => {
    const { weight, gating } = termsOf(CONFIG.indicators, name);
    const bar = barOf(name);
    return [
      `\`${name}\``,
      String(weight),
      gating ? String(Number(partOf(CONFIG.indicators, name).toPrecision(3))) : 'none: holds only',
      grouped(bar),
      knowsPast(name) ? grouped(bar * CONFIG.history.factor) : '',
      percent(heldAtMost(name)),
    ];
  });
  const sum = names.reduce((total, name) => total + heldAtMost(name), 0);
  rows.push(['all', '', '1', '', '', percent(sum)]);
  return table(
    ['indicator', 'weight', 'part of α', 'bar', 'bar against the past', 'holds a sound version at most'],
    rows,
  );
}

/** The probability, at most, that it ever holds a version that is no worse: one that does not gate wants its whole bar. */
function heldAtMost(indicator: string): number {
  const { gating } = termsOf(CONFIG.indicators, indicator);
  return barOf(indicator) ** -(gating ? CONFIG.hold.at : 1);
}

function knowsPast(indicator: string): boolean {
  return indicator === 'silence' || HISTORY_INDICATORS.some((name) => name === indicator);
}

function falseRollbacks(): string {
  const months = [10, 100, 1000, 10_000];
  const rows = [0.01, 0.001, 0.0001].map((rate) => [
    String(rate),
    ...months.map((rollouts) => String(Number((rate * rollouts).toPrecision(3)))),
    (Math.log(rate ** -1) - Math.log(CONFIG.false_rollback_rate ** -1) + Math.log(BAR)).toFixed(1),
  ]);
  return table(['α', ...months.map((rollouts) => `${grouped(rollouts)} rollouts`), 'ln of the bar of `errors`'], rows);
}

/** What is the same in all rollouts of which the time to the bar is told, but for what a table is about. */
interface Trial {
  /** How many times as bad the candidate becomes, after how many minutes, and its part of 100 requests a second. */
  readonly ratio: number;
  readonly onset?: number;
  readonly part?: number;
}

const RATIOS = [4, 10];
const ONSETS: readonly (readonly [name: string, minutes: number])[] = [
  ['0 min', 0],
  ['30 min', 30],
  ['1 h', 60],
  ['4 h', 240],
];
const PARTS = [0.05, 0.1, 0.5, 0.9];
const RUNS = 101;
/** The part of requests that fails where nothing is wrong. */
const RATE = 0.005;

function lateOnset(): string {
  const rows = ONSETS.map(([name, onset]) => [name, ...RATIOS.map((ratio) => `${medianSeconds({ ratio, onset })} s`)]);
  return table(['the fault begins after', ...RATIOS.map((ratio) => `${ratio} times the errors`)], rows);
}

function partOfTraffic(): string {
  const rows = PARTS.map((part) => [percent(part), ...RATIOS.map((ratio) => `${medianSeconds({ ratio, part })} s`)]);
  return table(["the candidate's part", ...RATIOS.map((ratio) => `${ratio} times the errors`)], rows);
}

/** From when the fault begins until the evidence of `errors` reaches its bar. */
function medianSeconds({ ratio, onset = 0, part = 0.1 }: Trial): number {
  const seconds = Array.from({ length: RUNS }, (_, run) =>
    secondsToBar({ ratio, onset, part }, new Random(61, onset, run)),
  );
  return seconds.sort((a, b) => a - b)[(RUNS - 1) / 2] as number;
}

function secondsToBar({ ratio, onset, part }: Required<Trial>, random: Random): number {
  const bets = new Bets(RISK);
  const requests = 100 * BLOCK;
  const all = Math.round(requests * part);
  const first = (onset * 60) / BLOCK;
  for (let at = 0; ; at++) {
    const bad = random.binomial(all, at < first ? RATE : ratio * RATE);
    bets.play(block(all, bad, requests - all, random.binomial(requests - all, RATE)));
    if (at >= first && bets.logE >= Math.log(BAR)) return (at + 1 - first) * BLOCK;
  }
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function amount(value: number): string {
  return value >= 100 ? grouped(value) : String(Number(value.toPrecision(3)));
}

function grouped(value: number): string {
  return String(Math.round(value)).replaceAll(/\B(?=(\d{3})+$)/g, ' ');
}

function percent(part: number): string {
  return `${Number((100 * part).toPrecision(2))} %`;
}
