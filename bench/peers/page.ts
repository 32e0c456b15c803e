/** Puts tables and pictures into docs/performance.md, between their markers. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GrowthPoint } from './growth.ts';
import { growthPlot, growthTable } from './growth-report.ts';
import { plotOf } from './plots.ts';
import type { Result } from './result.ts';
import { machineOf, TABLES, type TableName, tablesOf } from './tables.ts';

const DOCS = join(import.meta.dirname, '../../docs');
const PAGE = join(DOCS, 'performance.md');
const PICTURES = join(DOCS, 'performance');

const ALTS: Record<TableName | 'growth', string> = {
  pass: 'Forwarded spans per CPU-second of each system, by protocol, compression and size of the requests',
  tag: 'Tagged and forwarded spans per CPU-second of each system',
  judge: 'Tagged and counted spans per CPU-second of each system',
  signals: 'Data points and log records per CPU-second of each system',
  growth: 'CPU time a span against connections, batch size, attributes, operations, cohorts and load',
};

/** The page with `tables` in their places; those without one are left out. Throws where it has no place for a table. */
export function withTables(page: string, tables: Readonly<Record<string, string>>): string {
  return Object.entries(tables).reduce((text, [name, markdown]) => {
    const [start, end] = [`<!-- table ${name} -->`, `<!-- end of table ${name} -->`];
    const [from, to] = [text.indexOf(start), text.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`docs/performance.md: wants ${start} and ${end}`);
    return `${text.slice(0, from + start.length)}\n\n${markdown}\n\n${text.slice(to)}`;
  }, page);
}

export function writeComparison(result: Result): void {
  const tables: Record<string, string> = { ...tablesOf(result) };
  for (const name of Object.keys(TABLES) as TableName[]) {
    const plot = plotOf(result, name);
    if (plot === undefined) continue;
    writePicture(name, plot);
    tables[name] = `${shown(name)}\n\n${tables[name]}`;
  }
  write(tables);
}

/** `result` tells of the machine and how it was measured. */
export function writeGrowth(points: readonly GrowthPoint[], result: Result): void {
  writePicture('growth', growthPlot(points));
  write({ growth: `${machineOf(result)}\n\n${shown('growth')}\n\n${growthTable(points)}` });
}

function shown(name: TableName | 'growth'): string {
  return `![${ALTS[name]}](performance/${name}.svg)`;
}

function writePicture(name: string, svg: string): void {
  mkdirSync(PICTURES, { recursive: true });
  writeFileSync(join(PICTURES, `${name}.svg`), svg);
}

function write(tables: Readonly<Record<string, string>>): void {
  writeFileSync(PAGE, withTables(readFileSync(PAGE, 'utf8'), tables));
}
