/** The report in its forms: text for a terminal, an object for programs, tables for the documentation. */
import { SPECIFICATION } from './all-clauses.ts';
import { LEVELS, type Level } from './clause.ts';
import type { ClauseResult, Failure } from './run.ts';

/** What was tested. */
export interface Tested {
  /** Such as `Windback 0.1.0`. */
  readonly title: string;
  readonly grpc: string | undefined;
  readonly http: string | undefined;
}

interface Totals {
  readonly cases: number;
  readonly passed: number;
  readonly failed: number;
  readonly notOffered: number;
  /** Clauses of each level: those of which no case failed and some passed, those broken, those of which nothing ran. */
  readonly clauses: Readonly<Record<Level, { kept: number; broken: number; notOffered: number }>>;
}

export function totalsOf(results: readonly ClauseResult[]): Totals {
  const sum = (count: (result: ClauseResult) => number) => results.reduce((total, one) => total + count(one), 0);
  const [passed, failed] = [sum((one) => one.passed), sum((one) => one.failures.length)];
  const notOffered = sum((one) => one.notOffered.length);
  const clausesOf = (level: Level) => {
    const all = results.filter(({ clause }) => clause.level === level);
    const broken = all.filter(({ failures }) => failures.length > 0).length;
    const kept = all.filter((one) => one.failures.length === 0 && one.passed > 0).length;
    return [level, { kept, broken, notOffered: all.length - broken - kept }] as const;
  };
  const clauses = Object.fromEntries(LEVELS.map(clausesOf)) as Totals['clauses'];
  return { cases: passed + failed + notOffered, passed, failed, notOffered, clauses };
}

/** One line: clauses by level, and cases. */
function summaryOf(results: readonly ClauseResult[]): string {
  const { cases, passed, failed, notOffered, clauses } = totalsOf(results);
  const levels = LEVELS.filter((level) => results.some(({ clause }) => clause.level === level)).map((level) => {
    const { kept, broken, notOffered: left } = clauses[level];
    return `${level}: ${kept} kept, ${broken} broken${left > 0 ? `, ${left} not offered` : ''}`;
  });
  return `${levels.join('; ')}. ${cases} cases: ${passed} passed, ${failed} failed, ${notOffered} not offered.`;
}

/** Such as `5 passed, 1 FAILED`. */
export function countsOf({ passed, failures, notOffered }: ClauseResult): string {
  const parts = [
    ...(failures.length > 0 ? [`${failures.length} FAILED`] : []),
    ...(passed > 0 ? [`${passed} passed`] : []),
    ...(notOffered.length > 0 ? [`${notOffered.length} not offered`] : []),
  ];
  return parts.join(', ');
}

export function textReport(tested: Tested, results: readonly ClauseResult[]): string {
  const width = Math.max(...results.map(({ clause }) => clause.id.length));
  const lines = results.flatMap((result) => {
    const { id, level, sentence } = result.clause;
    return [
      `${level.padEnd(8)}  ${id.padEnd(width)}  ${countsOf(result)}`,
      `${' '.repeat(10)}${sentence}`,
      ...failuresOf(result).map((line) => `${' '.repeat(12)}${line}`),
      ...leftoutsOf(result).map((line) => `${' '.repeat(12)}${line}`),
    ];
  });
  return [`${tested.title}: conformance with ${SPECIFICATION}`, '', ...lines, '', summaryOf(results), ''].join('\n');
}

/** How many different failures of a clause are shown, and how many cases of each are named. */
const FAILURES_SHOWN = 4;
const CASES_NAMED = 6;

function failuresOf({ failures }: ClauseResult): string[] {
  const groups = grouped(failures);
  const shown = groups
    .slice(0, FAILURES_SHOWN)
    .flatMap(({ cases, wanted, came }) => [
      `FAILED  ${cases.slice(0, CASES_NAMED).join('; ')}${cases.length > CASES_NAMED ? '; ...' : ''}`,
      `        wanted  ${wanted}`,
      `        came    ${came}`,
    ]);
  const rest = groups.length - FAILURES_SHOWN;
  return rest > 0 ? [...shown, `FAILED  in ${rest} more ways, which --json FILE has`] : shown;
}

function leftoutsOf({ notOffered }: ClauseResult): string[] {
  return [...new Set(notOffered.map(({ why }) => `not offered: ${why}`))];
}

interface Group {
  readonly cases: string[];
  readonly wanted: string;
  readonly came: string;
}

/** Failures that say the same, once. */
function grouped(failures: readonly Failure[]): Group[] {
  const groups = new Map<string, Group>();
  for (const { case: name, wanted, came } of failures) {
    const key = JSON.stringify([wanted, came]);
    const group = groups.get(key) ?? { cases: [], wanted, came };
    group.cases.push(name);
    groups.set(key, group);
  }
  return [...groups.values()];
}

export function jsonReport(tested: Tested, results: readonly ClauseResult[]): string {
  const clauses = results.map(({ clause: { id, level, section, sentence }, ...result }) => ({
    id,
    level,
    section,
    sentence,
    ...result,
  }));
  return `${JSON.stringify({ specification: SPECIFICATION, ...tested, totals: totalsOf(results), clauses }, null, 2)}\n`;
}

/** A table of clauses, and below it what failed and what is not offered. */
export function markdownReport(tested: Tested, results: readonly ClauseResult[]): string {
  const rows = results.map((result) => {
    const { id, level, sentence } = result.clause;
    return `| \`${id}\` | ${level} | ${cell(sentence)} | ${countsOf(result).replace(/\d+ FAILED/, '**$&**')} |`;
  });
  const failing = results.filter(({ failures }) => failures.length > 0);
  const leaving = results.filter(({ notOffered: left }) => left.length > 0);
  return [
    `**${tested.title}** with ${SPECIFICATION}. Clauses that are ${summaryOf(results)}`,
    '',
    '| clause | level | what it says | cases |',
    '| --- | --- | --- | --- |',
    ...rows,
    ...(failing.length > 0 ? ['', 'What failed, one example of each clause:', ''] : []),
    ...failing.map(({ clause, failures: [first] }) => {
      const { case: name, wanted, came } = first as Failure;
      return `- \`${clause.id}\` (${name}): wanted ${wanted}; came ${code(came)}`;
    }),
    ...(leaving.length > 0 ? ['', 'What is not offered:', ''] : []),
    ...leaving.map(
      (result) => `- \`${result.clause.id}\`: ${leftoutsOf(result).join('; ').replaceAll('not offered: ', '')}`,
    ),
  ].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function code(text: string): string {
  return `\`${text.replaceAll('`', "'")}\``;
}
