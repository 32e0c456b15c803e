/**
 * Draws the pictures of docs/verdict.md, and fills in its tables, with the judge's own code: `node bench/pictures/make.ts`. With `--check` it
 * writes nothing, names what is stale and fails. The same code gives the same bytes.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { capitalPicture } from './capital.ts';
import { guardsPicture } from './guards.ts';
import { looksPicture } from './looks.ts';
import { oneBlockPicture } from './one-block.ts';
import { riskPicture } from './risk.ts';
import { withTables } from './tables.ts';

const DOCS = join(import.meta.dirname, '../../docs');
const FILES: Readonly<Record<string, (present: string) => string>> = {
  'pictures/capital.svg': capitalPicture,
  'pictures/guards.svg': guardsPicture,
  'pictures/looks.svg': looksPicture,
  'pictures/one-block.svg': oneBlockPicture,
  'pictures/risk.svg': riskPicture,
  'verdict.md': withTables,
};

const isCheck = process.argv.includes('--check');
for (const [name, render] of Object.entries(FILES)) {
  const path = join(DOCS, name);
  const present = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const text = render(present);
  if (isCheck && present !== text) {
    process.stderr.write(`docs/${name}: stale; run node bench/pictures/make.ts\n`);
    process.exitCode = 1;
  }
  if (!isCheck) writeFileSync(path, text);
}
