/** The habits of this repository that no linter knows. An exception goes into a list here, and the lists only shrink. */
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadComponents } from '../cmd/components.ts';
import { ERRORS } from '../pipeline/errors.ts';
import { METRICS } from '../pipeline/telemetry/metrics-table.ts';

const components = await loadComponents();

const ROOT = join(import.meta.dirname, '..');
const COMPONENT_KINDS = ['receivers', 'processors', 'exporters'] as const;
const PRODUCT = ['cmd', 'pipeline', ...COMPONENT_KINDS, 'proto'];
const EVERYTHING = [...PRODUCT, 'test', 'bench', 'deploy', 'examples'];

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
/** Longer files and functions, with the lines that they have. */
const LONG_FILES: Readonly<Record<string, number>> = {};
const LONG_FUNCTIONS: Readonly<Record<string, number>> = {};

interface Source {
  /** From the root, with slashes. */
  readonly path: string;
  readonly text: string;
}

function sources(folders: readonly string[]): Source[] {
  return folders
    .flatMap((folder) => globSync('**/*.ts', { cwd: join(ROOT, folder) }).map((path) => join(folder, path)))
    .filter((path) => !path.includes('node_modules'))
    .toSorted()
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
}

const product = sources(PRODUCT);
const everything = sources(EVERYTHING);

/** Paths, with what was found in each, for messages that name the place. */
function matches(files: readonly Source[], pattern: RegExp): string[] {
  return files.flatMap(({ path, text }) => [...code(text).matchAll(pattern)].map(([found]) => `${path}: ${found}`));
}

/** A source without its comments. */
function code(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1');
}

describe('imports point one way', () => {
  const LAYERS = new Map([
    ['cmd', 4],
    ['receivers', 3],
    ['processors', 3],
    ['exporters', 3],
    ['pipeline', 2],
    ['proto', 1],
  ]);
  const edges = product.flatMap(({ path, text }) =>
    [...code(text).matchAll(/(?:\bfrom|\bimport\(?)\s*'(\.[^']+)'/g)].map(([, target = '']) => ({
      from: path,
      to: relative(ROOT, resolve(ROOT, dirname(path), target)),
    })),
  );
  const layer = (path: string): number => LAYERS.get(path.split('/')[0] as string) ?? 0;
  /** `receivers/otlp` of a file in it. */
  const componentOf = (path: string): string => path.split('/').slice(0, 2).join('/');
  const isComponent = (path: string): boolean => layer(path) === 3;
  const named = (wrong: typeof edges): string[] => wrong.map(({ from, to }) => `${from} imports ${to}`);

  test('cmd, then components, then pipeline, then proto', () => {
    expect(edges.length).toBeGreaterThan(100);
    // The demo brings its own broker and its own shop.
    const isDemo = ({ from, to }: (typeof edges)[number]) =>
      from.startsWith('cmd/demo/') && /^(deploy|examples)\//.test(to);
    const inside = edges.filter((edge) => edge.to !== 'package.json' && !isDemo(edge));
    expect(named(inside.filter(({ from, to }) => layer(to) === 0 || layer(to) > layer(from)))).toEqual([]);
  });

  test('a component never imports another one', () => {
    const wrong = edges.filter(
      ({ from, to }) => isComponent(from) && isComponent(to) && componentOf(from) !== componentOf(to),
    );
    expect(named(wrong)).toEqual([]);
  });

  test('the table of components names their factories', () => {
    const wrong = edges.filter(
      ({ from, to }) => from === 'cmd/components.ts' && isComponent(to) && basename(to) !== 'factory.ts',
    );
    expect(named(wrong)).toEqual([]);
  });

  test('in proto, wire knows nothing but bytes', () => {
    const isWire = (path: string): boolean => path.startsWith('proto/wire/');
    expect(named(edges.filter(({ from, to }) => isWire(from) && !isWire(to)))).toEqual([]);
  });

  test('no circle', () => {
    const next = new Map<string, string[]>();
    for (const { from, to } of edges) next.set(from, [...(next.get(from) ?? []), to]);
    const state = new Map<string, 'open' | 'done'>();
    const circles: string[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      if (state.get(path) === 'done') return;
      if (state.get(path) === 'open') {
        circles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
        return;
      }
      state.set(path, 'open');
      for (const to of next.get(path) ?? []) visit(to, [...trail, path]);
      state.set(path, 'done');
    };
    for (const path of next.keys()) visit(path, []);
    // Types may know each other; what is there when the program runs may not depend on itself.
    expect(circles.filter((circle) => isCircleOfValues(circle.split(' -> ')))).toEqual([]);
  });
});

/** Whether every step of a circle imports more than types. */
function isCircleOfValues(circle: readonly string[]): boolean {
  return circle.slice(1).every((to, i) => {
    const from = circle[i] as string;
    const { text } = product.find(({ path }) => path === from) as Source;
    const imports = [...code(text).matchAll(/^(?:import|export) ((?:(?!\bfrom\b)[\s\S])*?)from '(\.[^']+)';/gm)];
    return imports.some(([, names = '', target = '']) => {
      const isThere = relative(ROOT, resolve(ROOT, dirname(from), target)) === to;
      const values = names
        .replaceAll(/[{}\s]/g, '')
        .split(',')
        .filter((name) => name !== '' && !name.startsWith('type'));
      return isThere && !names.startsWith('type ') && values.length > 0;
    });
  });
}

describe('components', () => {
  const folders = COMPONENT_KINDS.flatMap((kind) =>
    globSync(`${kind}/*/`, { cwd: ROOT }).map((path) => path.replace(/\/$/, '')),
  );
  const listed = COMPONENT_KINDS.flatMap((kind) =>
    components[kind].map(({ type }) => `${kind}/${type.replaceAll('_', '-')}`),
  );

  test('each folder is in the table, and each of the table has a folder', () => {
    expect(folders.toSorted()).toEqual(listed.toSorted());
  });

  test.each(folders)('%s has its four files', (folder) => {
    const files = globSync('*', { cwd: join(ROOT, folder) });
    expect(files).toEqual(expect.arrayContaining(['config.ts', 'factory.ts', `${basename(folder)}.ts`, 'README.md']));
  });
});

describe('code', () => {
  test('has no barrels', () => {
    expect(matches(everything, /export \*[^;]*/g)).toEqual([]);
    expect(everything.filter(({ path }) => /(^|\/)index\.ts$/.test(path))).toEqual([]);
  });

  test('ends the process in one place, and a script for its command line in another', () => {
    const places = ['cmd/windback.ts: process.exit(', 'bench/script.ts: process.exit('];
    const exits = matches(
      sources(EVERYTHING.filter((folder) => folder !== 'test')),
      /process\.(exit|abort|reallyExit)\(/g,
    );
    expect(exits.filter((place) => !places.includes(place))).toEqual([]);
  });

  test('writes to no console', () => {
    expect(matches(product, /\bconsole\.\w+\(/g)).toEqual([]);
  });

  test('has files in kebab-case, with names that say what is in them', () => {
    const names = everything
      .map(({ path }) => path)
      .filter((path) => !/^[a-z0-9-]+(\.test|\.config|\.worker)?\.ts$/.test(basename(path)));
    expect(names).toEqual([]);
    const empty = everything
      .map(({ path }) => path)
      .filter((path) => /\b(utils?|helpers?|common|misc|managers?)\b/.test(path));
    expect(empty).toEqual([]);
    expect(matches(product, /\b(?:class|interface) (?:I[A-Z]|Base[A-Z]|Abstract[A-Z])\w*/g)).toEqual([]);
  });

  test('takes time and chance from its context', () => {
    const places = sources(COMPONENT_KINDS);
    expect(matches(places, /Math\.random\(|new Date\(\)/g)).toEqual([]);
  });
});

test('no test is left out, and none runs alone', () => {
  const tests = everything.filter(({ path }) => path.endsWith('.test.ts') && path !== 'test/tidy.test.ts');
  expect(matches(tests, /\b(?:it|test|describe)(?:\.\w+)*\.(?:only|skip|todo|fails)\b/g)).toEqual([]);
});

describe('sizes', () => {
  test(`files have at most ${FILE_LINES_MAX} lines`, () => {
    const long = everything
      .map(({ path, text }) => [path, text.split('\n').length - 1] as const)
      .filter(([, lines]) => lines > FILE_LINES_MAX);
    expect(Object.fromEntries(long)).toEqual(LONG_FILES);
  });

  test(`functions have at most ${FUNCTION_LINES_MAX} lines`, () => {
    const long = sources(EVERYTHING.filter((folder) => folder !== 'test')).flatMap(({ path, text }) =>
      functionsOf(text)
        .filter(({ lines }) => lines > FUNCTION_LINES_MAX)
        .map(({ name, lines }) => [`${path}: ${name}`, lines] as const),
    );
    expect(Object.fromEntries(long)).toEqual(LONG_FUNCTIONS);
  });

  test('which are told by the formatter', () => {
    const text = [
      'class A {',
      '  async go(',
      '    a: B,',
      '  ): Promise<C> {',
      '    if (a) {',
      '    }',
      '  }',
      '}',
      '',
    ].join('\n');
    expect(functionsOf(text)).toEqual([{ name: '): Promise<C> {', lines: 4 }]);
    expect(functionsOf('const f = async (a) => {\n  b();\n};\n')).toEqual([
      { name: 'const f = async (a) => {', lines: 3 },
    ]);
  });
});

/** Functions as the formatter leaves them: a head that ends with a brace, and an end at the same indentation. */
function functionsOf(text: string): { name: string; lines: number }[] {
  const lines = text.split('\n');
  return lines.flatMap((line, start) => {
    const [, indentation = '', head = ''] = /^( *)(.*)$/.exec(line) ?? [];
    const isHead =
      /(?:\)|=>|\): [^=]+) \{$/.test(head) && !/^(?:\} )?(?:if|for|while|switch|else|catch|do|try)\b/.test(head);
    if (!isHead) return [];
    const length = lines.slice(start + 1).findIndex((later) => later.startsWith(`${indentation}}`));
    return length < 0 ? [] : [{ name: head, lines: length + 2 }];
  });
}

describe('tables and code', () => {
  const users = product.filter(({ path }) => path !== 'pipeline/telemetry/metrics-table.ts');
  /** Names as they stand in the code, `${…}` in them standing for anything. */
  const used = [
    ...new Set(users.flatMap(({ text }) => code(text).match(/\bwindback_[a-z](?:[a-z_]|\$\{[^}]*\})*/g) ?? [])),
  ].map((name) => ({ name, pattern: new RegExp(`^${name.replaceAll(/\$\{[^}]*\}/g, '[a-z_]+')}$`) }));

  test('every metric that is used is in the table', () => {
    const unknown = used.filter(({ pattern }) => !Object.keys(METRICS).some((name) => pattern.test(name)));
    expect(unknown.map(({ name }) => name)).toEqual([]);
  });

  test('every metric of the table is used', () => {
    expect(Object.keys(METRICS).filter((name) => !used.some(({ pattern }) => pattern.test(name)))).toEqual([]);
  });

  test('metrics are named by the rules of Prometheus', () => {
    for (const [name, help] of Object.entries(METRICS)) {
      expect(name).toMatch(/^windback_[a-z]+(_[a-z]+)+$/);
      expect(help).toMatch(/^[A-Z].*\.$/);
    }
  });

  test('every error code of the table is used', () => {
    const others = product.filter(({ path }) => path !== 'pipeline/errors.ts').map(({ text }) => code(text));
    const unused = Object.keys(ERRORS).filter((name) => !others.some((text) => text.includes(`'${name}'`)));
    // Made by `asPipelineError`.
    expect(unused.filter((name) => name !== 'internal')).toEqual([]);
  });
});
