/**
 * Writes docs/licences.md: `node cmd/licences.ts`. With `--check` it writes nothing, and fails where the document is
 * stale. It fails in any case where something is shipped whose licence is not allowed (licence-list.ts).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { licencesPage, type Lock, shippedBy } from './licence-list.ts';

const ROOT = join(import.meta.dirname, '..');
const PAGE = 'docs/licences.md';

const lock = JSON.parse(read('package-lock.json') ?? '') as Lock;
const { shipped, problems } = shippedBy(lock, (folder) => {
  const text = read(`${folder}/package.json`);
  return text === undefined ? undefined : (JSON.parse(text) as ReturnType<Parameters<typeof shippedBy>[1]>);
});
const page = licencesPage(shipped);
const isStale = page !== read(PAGE);
if (isStale && process.argv.includes('--check')) problems.push(`${PAGE}: stale; run npm run licences`);
else if (isStale) writeFileSync(join(ROOT, PAGE), page);
for (const problem of problems) process.stderr.write(`${problem}\n`);
if (problems.length > 0) process.exitCode = 1;

function read(path: string): string | undefined {
  try {
    return readFileSync(join(ROOT, path), 'utf8');
  } catch {
    return undefined;
  }
}
