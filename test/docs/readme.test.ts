import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

it('shows the consumer that is tested', () => {
  expect(read('README.md')).toContain(`\`\`\`ts\n${read('examples/consumer/consumer.ts')}\`\`\``);
});

it('names npm scripts that exist', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const named = [...`${read('README.md')}${read('CONTRIBUTING.md')}`.matchAll(/npm run (?:-s )?([a-z][a-z:-]*)/g)];
  expect(named.length).toBeGreaterThan(5);
  expect(named.map(([, name]) => name).filter((name) => !((name as string) in scripts))).toEqual([]);
});

it('links to files that exist', () => {
  for (const page of ['README.md', 'CONTRIBUTING.md']) {
    const links = [...read(page).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, path]) => path as string);
    expect(links.length).toBeGreaterThan(2);
    for (const link of links) if (!link.endsWith('/')) expect(() => read(link), `${page}: ${link}`).not.toThrow();
  }
});
