/** The tables of docs/conformance.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const PAGE = join(import.meta.dirname, '../../docs/conformance.md');

/** Puts a table between the markers of a name, and leaves the rest. */
export function withTable(page: string, name: string, table: string): string {
  const begin = `<!-- table ${name} -->`;
  const end = `<!-- end of table ${name} -->`;
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/conformance.md wants ${begin} and ${end}`);
  return `${page.slice(0, from)}${begin}\n\n${table}\n\n${page.slice(to)}`;
}

export function writeTable(name: string, table: string): void {
  writeFileSync(PAGE, withTable(readFileSync(PAGE, 'utf8'), name, table));
}
