import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadComponents } from '../../cmd/components.ts';
import { generatedFiles, optionsTable, withOptions } from '../../cmd/docs.ts';

const components = await loadComponents();

const ROOT = join(import.meta.dirname, '../..');

it.each(generatedFiles(components))('$path is what `npm run generate` would write', async ({ path, render }) => {
  const present = await readFile(join(ROOT, path), 'utf8').catch(() => undefined);
  expect(present).toBe(render(present));
});

it('puts the table between the markers and leaves the rest', () => {
  const text = '# A\n<!-- options:start -->\nold\n<!-- options:end -->\nrest\n';
  const once = withOptions(text, 'new\n', 'README.md');
  expect(once).toMatch(/^# A\n<!-- options:start -->\n<!-- Generated .* -->\n\nnew\n\n<!-- options:end -->\nrest\n$/);
  expect(withOptions(once, 'new\n', 'README.md')).toBe(once);
});

it('names a README without a place for the table', () => {
  expect(() => withOptions('# A\n', '', 'x/README.md')).toThrow('x/README.md: wants <!-- options:start --> once');
  expect(() => withOptions(undefined, '', 'x/README.md')).toThrow('x/README.md: there is no such file');
});

it('writes options that Markdown would misread as text', () => {
  const table = optionsTable([{ path: 'headers.<key>', type: 'a or b', fallback: '', description: 'one | two' }]);
  expect(table).toContain('| `headers.<key>` | a or b |  | one \\| two |');
});
