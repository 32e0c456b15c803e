/**
 * Writes the generated documentation: `node cmd/generate.ts`. With `--check` it writes nothing, names what is stale
 * and fails.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadComponents } from './components.ts';
import { type Generated, generatedFiles } from './docs.ts';

const ROOT = join(import.meta.dirname, '..');
const isCheck = process.argv.includes('--check');
const problems = generatedFiles(await loadComponents()).flatMap((file) => bringUpToDate(file));
for (const problem of problems) process.stderr.write(`${problem}\n`);
if (problems.length > 0) process.exitCode = 1;

function bringUpToDate({ path, render }: Generated): string[] {
  const present = read(path);
  try {
    const text = render(present);
    if (text === present) return [];
    if (isCheck) return [`${path}: stale; run npm run generate`];
    writeFileSync(join(ROOT, path), text);
    process.stderr.write(`${path}: written\n`);
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(join(ROOT, path), 'utf8');
  } catch {
    return undefined;
  }
}
