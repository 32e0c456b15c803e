/** What a run that is held against criteria ends with: its figures, its tables, its exit code. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withTables } from './peers/page.ts';

const PAGE = join(import.meta.dirname, '../docs/performance.md');

export interface Told {
  /** The place of the tables in the page. */
  readonly table: string;
  readonly text: string;
  readonly findings: readonly { readonly holds: boolean }[];
  readonly isWriting: boolean;
}

/** Prints the tables, and writes them into the page where that is wanted. The exit code is 1 where something does not hold. */
export function tell({ table, text, findings, isWriting }: Told): void {
  process.stdout.write(`\n${text}\n`);
  if (isWriting) writeFileSync(PAGE, withTables(readFileSync(PAGE, 'utf8'), { [table]: text }));
  if (findings.some(({ holds }) => !holds)) process.exitCode = 1;
}

/** Writes all figures where a file is given for them. */
export function keep(result: unknown, path: string | undefined): void {
  if (path !== undefined) writeFileSync(path, `${JSON.stringify(result)}\n`);
}
