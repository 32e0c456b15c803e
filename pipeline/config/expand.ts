import { readFileSync } from 'node:fs';
import { type Located, type LocatedScalar, type Path, formatPath } from './located.ts';
import { locate } from './locate.ts';
import type { Problem } from './report.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Replaces `${env:NAME}`, `${env:NAME:-default}` and `${file:PATH}` in every text of the tree, and `$$` by `$`. The
 * default holds where the variable is unset or empty, as in a shell, and may hold expansions itself. Of a file the last
 * end of line is left out: editors write it, secrets do not have it. A text that is nothing but one
 * expansion is typed as YAML, so that it can become a number, a list or nothing; a key that wants text gets it as it is (`fit`).
 * What cannot be expanded becomes a problem, with a `broken` value in its place.
 */
export function expand(root: Located, env: Environment, problems: Problem[], readFile: ReadFile = read): Located {
  return expandNode(root, [], (text, complain) => new Expander(env, readFile, complain).expand(text), problems);
}

/** Throws where the file cannot be read. */
export type ReadFile = (path: string) => string;

const read: ReadFile = (path) => readFileSync(path, 'utf8');

type Complain = (what: string, todo: string) => void;
type ExpandText = (text: string, complain: Complain) => string;

function expandNode(node: Located, path: Path, expandText: ExpandText, problems: Problem[]): Located {
  switch (node.kind) {
    case 'map': {
      const entries = [...node.entries].map(([key, { keyAt, value }]) => {
        return [key, { keyAt, value: expandNode(value, [...path, key], expandText, problems) }] as const;
      });
      return { ...node, entries: new Map(entries) };
    }
    case 'list':
      return { ...node, items: node.items.map((item, i) => expandNode(item, [...path, i], expandText, problems)) };
    case 'scalar':
      return expandScalar(node, path, expandText, problems);
  }
}

function expandScalar(node: LocatedScalar, path: Path, expandText: ExpandText, problems: Problem[]): Located {
  if (typeof node.value !== 'string' || !node.value.includes('$')) return node;
  const raw = node.value;
  let broken = false;
  const text = expandText(raw, (what, todo) => {
    broken = true;
    problems.push({ at: node.at, path: formatPath(path), what, todo });
  });
  if (broken) return { ...node, value: null, broken: true };
  if (!raw.includes('${')) return { ...node, value: text };
  const expansion = { raw, text };
  if (!isOneExpansion(raw)) return { ...node, value: text, expansion };
  const typed = locate(text, node.at.file, node.at);
  // A password may look like broken YAML; then it is text.
  if (typed.problems.length > 0) return { ...node, value: text, expansion };
  return { ...typed.root, expansion };
}

function isOneExpansion(raw: string): boolean {
  return raw.startsWith('${') && closingBrace(raw, 0) === raw.length - 1;
}

/** The index of the brace that closes the one opened by `${` at `start`, or -1. */
function closingBrace(text: string, start: number): number {
  let depth = 0;
  for (let i = start + 1; i < text.length; i += 1) {
    if (text[i] === '{') depth += 1;
    else if (text[i] === '}') depth -= 1;
    if (depth === 0) return i;
  }
  return -1;
}

class Expander {
  readonly #env: Environment;
  readonly #readFile: ReadFile;
  readonly #complain: Complain;

  constructor(env: Environment, readFile: ReadFile, complain: Complain) {
    this.#env = env;
    this.#readFile = readFile;
    this.#complain = complain;
  }

  expand(text: string): string {
    let result = '';
    let from = 0;
    for (;;) {
      const dollar = text.indexOf('$', from);
      if (dollar < 0) return result + text.slice(from);
      result += text.slice(from, dollar);
      if (text[dollar + 1] === '$') {
        result += '$';
        from = dollar + 2;
      } else if (text[dollar + 1] === '{') {
        const close = closingBrace(text, dollar);
        if (close < 0) {
          this.#complain('${ is not closed', 'write ${env:NAME}, or $$ for a dollar sign');
          return result;
        }
        result += this.#lookUp(text.slice(dollar + 2, close));
        from = close + 1;
      } else {
        result += '$';
        from = dollar + 1;
      }
    }
  }

  /** `inside` is what stands between the braces. */
  #lookUp(inside: string): string {
    const [, path] = /^file:(.+)$/s.exec(inside) ?? [];
    if (path !== undefined) return this.#read(path);
    const match = /^env:([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/.exec(inside);
    if (match === null) {
      // What stands inside is not shown: it may be half a password.
      this.#complain(
        'this ${…} names no variable',
        'write ${env:NAME}, ${env:NAME:-default} or ${file:PATH}, or $$ for a dollar sign',
      );
      return '';
    }
    const [, name = '', fallback] = match;
    const value = this.#env[name];
    if (value !== undefined && (value !== '' || fallback === undefined)) return value;
    if (fallback !== undefined) return this.expand(fallback);
    this.#complain(
      `the environment variable ${name} is not set`,
      `set it, or give a default: \${env:${name}:-default}`,
    );
    return '';
  }

  #read(path: string): string {
    try {
      return this.#readFile(path).replace(/\r?\n$/, '');
    } catch (error) {
      this.#complain(`${path} cannot be read: ${(error as Error).message}`, 'check the path and the permissions');
      return '';
    }
  }
}
