/** SECURITY.md names limits and tests: they have to be there, and to say what it says. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const page = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8');
const source = globSync('{pipeline,proto,receivers,processors,exporters}/**/*.ts', { cwd: ROOT })
  .map((path) => readFileSync(join(ROOT, path), 'utf8'))
  .join('\n');

test('the tests that it names exist', () => {
  const named = [...page.matchAll(/`((?:test\/)?[a-z0-9/-]+\.test\.ts)`/g)].map(([, path = '']) => path);
  expect(named.length).toBeGreaterThan(20);
  const missing = named.filter((path) => !existsSync(join(ROOT, path.startsWith('test/') ? path : `test/${path}`)));
  expect(missing).toEqual([]);
});

test('the limits that it names are those of the source', () => {
  const named = new Set(
    [...page.matchAll(/\b[A-Z]+(?:_[A-Z]+)*_(?:MAX|FIRST|SECOND|CONNECTIONS)\b/g)].map(([name]) => name),
  );
  expect(named.size).toBeGreaterThan(15);
  expect([...named].filter((name) => !new RegExp(`^(?:export )?const ${name} =`, 'm').test(source))).toEqual([]);
});
