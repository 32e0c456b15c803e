/** The comparison as Markdown. */
import { titleOf } from './cases.ts';
import { criteriaOf } from './criteria.ts';
import { type CaseResult, type Measured, measuredOf, ratesOf, type Result } from './result.ts';
import { ratioOf, type Spread, spreadOf } from './statistics.ts';
import type { SystemName } from './system.ts';

const TITLES: Record<SystemName, string> = { windback: 'Windback', collector: 'Collector', rotel: 'rotel' };
const SYSTEMS = Object.keys(TITLES) as SystemName[];

/** The cases by the table that they stand in. */
export const TABLES = {
  pass: ({ one }: CaseResult) => one.signal === 'traces' && one.work === 'pass',
  tag: ({ one }: CaseResult) => one.signal === 'traces' && one.work === 'tag',
  judge: ({ one }: CaseResult) => one.signal === 'traces' && one.work === 'judge',
  signals: ({ one }: CaseResult) => one.signal !== 'traces',
} as const satisfies Record<string, (result: CaseResult) => boolean>;

export type TableName = keyof typeof TABLES;

const HEAD = [
  'request',
  'system',
  'M items per CPU-second',
  'times the Collector',
  'M items/s, one core',
  'M items/s, all cores',
  'answer p50, p99, ms',
  'peak RSS, MiB',
  'ready, ms',
  'cores of generator, sink',
];

/** Markdown by the name of its place in the page. */
export function tablesOf(result: Result): Record<string, string> {
  const compared = (Object.keys(TABLES) as TableName[]).map((name) => [name, comparisonTable(result, name)] as const);
  return { machine: machineOf(result), ...Object.fromEntries(compared), criteria: criteriaTable(result) };
}

/** Empty where none of its cases were measured. */
export function comparisonTable({ cases }: Result, name: TableName): string {
  const rows = cases.filter(TABLES[name]).flatMap((result) => rowsOf(result));
  return rows.length === 0 ? '' : table(HEAD, rows);
}

function rowsOf(result: CaseResult): string[][] {
  const isTagged = result.one.signal !== 'traces' ? `${result.one.work === 'tag' ? 'tag and ' : ''}forward, ` : '';
  const rows = SYSTEMS.filter((system) => measuredOf(result, system) ?? result.without[system]).map((system) => {
    const measured = measuredOf(result, system);
    return measured === undefined
      ? [TITLES[system], `none: ${result.without[system]?.split('\n')[0]}`, ...Array<string>(HEAD.length - 3).fill('')]
      : [TITLES[system], ...figuresOf(result, measured)];
  });
  return rows.map((row, i) => [i === 0 ? `${isTagged}${titleOf(result.one)}` : '', ...row]);
}

function figuresOf(result: CaseResult, { system, rounds, readyMs, peakRssBytes }: Measured): string[] {
  const unpinned = result.unpinned.find((measured) => measured.system === system)?.rounds ?? [];
  const ratio = ratioOf(ratesOf(result, system), ratesOf(result, 'collector'));
  const middle = (figures: readonly number[], digits: number): string =>
    figures.length === 0 ? '' : spreadOf(figures).median.toFixed(digits);
  return [
    spread(spreadOf(ratesOf(result, system)), 1e6, 3),
    system === 'collector' || ratio === undefined ? '' : spread(ratio, 1, 2),
    middle(
      rounds.map(({ itemsPerSecond }) => itemsPerSecond / 1e6),
      3,
    ),
    middle(
      unpinned.map(({ itemsPerSecond }) => itemsPerSecond / 1e6),
      3,
    ),
    `${middle(
      rounds.map(({ p50 }) => p50),
      1,
    )}, ${middle(
      rounds.map(({ p99 }) => p99),
      1,
    )}`,
    (peakRssBytes / 1024 ** 2).toFixed(0),
    readyMs.toFixed(0),
    `${middle(
      rounds.map(({ generatorCores }) => generatorCores),
      2,
    )}, ${middle(
      rounds.map(({ sinkCores }) => sinkCores),
      2,
    )}`,
  ];
}

/** `0.512 (0.498 to 0.530)` */
function spread({ median, min, max }: Spread, unit: number, digits: number): string {
  const text = (value: number): string => (value / unit).toFixed(digits);
  return `${text(median)} (${text(min)} to ${text(max)})`;
}

export function machineOf({ date, machine, isPinned, rounds, seconds, cases }: Result): string {
  const sizes = new Map(
    cases.flatMap(({ one, pinned }) =>
      pinned.flatMap(({ rounds }) => rounds.map(({ bytesPerItem }) => [one.signal, Math.round(bytesPerItem)] as const)),
    ),
  );
  const bytes = [...sizes].map(([signal, size]) => `${size} bytes per item of ${signal}`).join(', ');
  return [
    `Measured ${date.slice(0, 10)} on ${machine.cores} cores of ${machine.cpu}, ${machine.memoryGib} GiB, Linux`,
    `${machine.kernel}, Node.js ${machine.node}; medians of ${rounds} ${rounds === 1 ? 'round' : 'rounds'} of ${seconds} s, least to most in parentheses.`,
    `${isPinned ? 'One core for the system, another one for load generator and sink' : 'Nothing was bound to a core'}${bytes === '' ? '' : `; ${bytes}`}.`,
  ].join('\n');
}

export function criteriaTable(result: Result): string {
  const rows = criteriaOf(result).map(({ text, isMet, seen }) => {
    return [text, seen, isMet === undefined ? '' : isMet ? 'yes' : '**no**'];
  });
  return table(['criterion', 'measured', 'met'], rows);
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
