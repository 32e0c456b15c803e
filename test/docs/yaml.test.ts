/** Every configuration that a document or an example shows is valid, so nobody copies one that is not. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadComponents } from '../../cmd/components.ts';
import { jsonSchema } from '../../pipeline/config/json-schema.ts';
import { loadConfig } from '../../pipeline/config/load.ts';
import { ConfigError, formatProblem } from '../../pipeline/config/report.ts';

const components = await loadComponents();

const ROOT = join(import.meta.dirname, '../..');

interface Block {
  readonly name: string;
  readonly text: string;
}

/**
 * Fences that say `yaml` and nothing else hold Windback's configuration, whole or in part; others say whose they are:
 * `yaml kubernetes`, `yaml collector`.
 */
function markdownBlocks(): Block[] {
  const files = globSync(['*.md', '{docs,receivers,processors,exporters,examples,deploy}/**/*.md'], { cwd: ROOT });
  return files.sort().flatMap((file) => {
    const text = readFileSync(join(ROOT, file), 'utf8');
    return [...text.matchAll(/^( *)```yaml[ ]*\n([\s\S]*?)^\1```/gm)].map(
      ({ index, 1: indent = '', 2: body = '' }) => ({
        name: `${file}:${text.slice(0, index).split('\n').length}`,
        text: body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      }),
    );
  });
}

function examples(): Block[] {
  const files = globSync('examples/*.{yaml,yml}', { cwd: ROOT });
  return files.sort().map((name) => ({ name, text: readFileSync(join(ROOT, name), 'utf8') }));
}

/** The problems of a configuration, or of a part of one, which need not have pipelines nor use what it shows. */
function problems(text: string, name = 'text'): string[] {
  const isPart = !/^service:/m.test(text);
  try {
    loadConfig({ sources: [name], sets: [], env: {}, readFile: () => text }, components);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems
      .filter(({ path, what }) => !(isPart && path === 'service.pipelines') && !/variable \w+ is not set$/.test(what))
      .map(formatProblem);
  }
}

describe.each([...markdownBlocks(), ...examples()])('$name', ({ name, text }) => {
  it('is a valid configuration', () => {
    expect(problems(text, name)).toEqual([]);
  });
});

describe.each(examples())('$name', ({ text }) => {
  it('fits the JSON Schema', () => {
    const validate = new Ajv2020({ strict: false, allErrors: true }).compile(jsonSchema(components));
    validate(parse(text, { merge: true }));
    expect(validate.errors).toBeNull();
  });
});

it('finds what is wrong', () => {
  expect(problems('processors: {health: {intervall: 1s}}')).toHaveLength(1);
});
