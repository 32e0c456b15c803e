import { redactUrl } from './check.ts';
import { type Located, formatPath, merge } from './located.ts';
import { locate, splitKeys } from './locate.ts';
import type { Environment } from './expand.ts';
import type { Position, Problem } from './report.ts';

export interface SourcesInput {
  /** `path`, `file:path`, `env:VAR` or `yaml:text`, in the order in which they merge. */
  readonly sources: readonly string[];
  /** `key.sub=value`, merged after the sources. */
  readonly sets: readonly string[];
  readonly env: Environment;
  /** Throws where the file cannot be read. */
  readFile(path: string): string;
  /** The same for what `${file:PATH}` names; the file system where it is not given. */
  readonly readSecret?: (path: string) => string;
}

export interface Merged {
  readonly root: Located;
  /** The names under which positions know the sources, in their order. */
  readonly files: readonly string[];
  readonly problems: readonly Problem[];
}

/** Reads and merges all sources, then the `--set` values. */
export function readSources(input: SourcesInput): Merged {
  const files: string[] = [];
  const problems: Problem[] = [];
  let root: Located | undefined;
  for (const [index, source] of input.sources.entries()) {
    const { file, text, problem } = readSource(source, index, input);
    files.push(file);
    if (problem !== undefined) problems.push(problem);
    if (text === undefined) continue;
    const parsed = locate(text, file);
    problems.push(...parsed.problems);
    const node = withoutNull(source.startsWith('yaml:') ? splitKeys(parsed.root) : parsed.root);
    if (node.kind !== 'map' && parsed.problems.length === 0) problems.push(notAMap(node));
    root = root === undefined ? node : merge(root, node);
  }
  root ??= emptyMap({ file: files[0] ?? '--set', line: 0, column: 0 });
  for (const set of input.sets) root = merge(root, parseSet(set, root, problems));
  return { root, files: [...files, SET_AT.file], problems };
}

const SET_AT: Position = { file: '--set', line: 0, column: 0 };

interface Source {
  readonly file: string;
  readonly text?: string;
  readonly problem?: Problem;
}

function readSource(source: string, index: number, input: SourcesInput): Source {
  const [, scheme, rest = source] = /^(file|env|yaml|https?):([\s\S]*)$/.exec(source) ?? [];
  const at = (file: string): Position => ({ file, line: 0, column: 0 });
  const failed = (file: string, what: string, todo: string): Source => ({
    file,
    problem: { at: at(file), path: '', what, todo },
  });
  switch (scheme) {
    case 'yaml':
      return { file: `yaml#${index + 1}`, text: rest };
    case 'env': {
      const text = input.env[rest];
      if (text !== undefined) return { file: source, text };
      return failed(source, `the environment variable ${rest} is not set`, 'set it to the YAML of a configuration');
    }
    case 'http':
    case 'https':
      return failed(
        redactUrl(source),
        'configurations are not fetched',
        'give a path, file:PATH, env:NAME or yaml:TEXT',
      );
    default:
      try {
        return { file: rest, text: input.readFile(rest) };
      } catch (error) {
        return failed(rest, `cannot be read: ${reason(error)}`, 'check the path and the permissions');
      }
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
};

function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return REASONS[code ?? ''] ?? message;
}

/** An empty file is an empty configuration. */
function withoutNull(node: Located): Located {
  return node.kind === 'scalar' && node.value === null && node.broken !== true ? emptyMap(node.at) : node;
}

function notAMap(node: Located): Problem {
  const todo = 'want keys such as receivers, processors, exporters and service';
  return { at: node.at, path: '', what: 'this is not a map', todo };
}

/** `key.sub=value` as a tree. A key of the tree that has dots itself (`otlp/a.b`) is recognized where it exists. */
function parseSet(set: string, root: Located, problems: Problem[]): Located {
  const equals = set.indexOf('=');
  const path = equals < 0 ? [] : splitPath(set.slice(0, equals), root);
  if (path.length === 0 || path.includes('')) {
    // What stands after the equals sign may be a secret.
    const shown = set.replace(/[=:].*$/s, '');
    problems.push({ at: SET_AT, path: shown, what: 'not understood', todo: 'want key.sub=value' });
    return emptyMap(SET_AT);
  }
  const value = locate(set.slice(equals + 1), SET_AT.file, SET_AT);
  problems.push(...value.problems.map((problem) => ({ ...problem, path: formatPath(path) })));
  return path.reduceRight<Located>(
    (inner, key) => ({ kind: 'map', at: SET_AT, entries: new Map([[key, { keyAt: SET_AT, value: inner }]]) }),
    value.root,
  );
}

function splitPath(text: string, root: Located): string[] {
  const path: string[] = [];
  let node: Located | undefined = root;
  for (let from = 0; from <= text.length; ) {
    const key = nextKey(text.slice(from), node);
    path.push(key);
    node = node?.kind === 'map' ? node.entries.get(key)?.value : undefined;
    from += key.length + 1;
  }
  return path;
}

function nextKey(rest: string, node: Located | undefined): string {
  const keys = node?.kind === 'map' ? [...node.entries.keys()] : [];
  const existing = keys.filter((key) => rest === key || rest.startsWith(`${key}.`));
  return existing.sort((a, b) => b.length - a.length)[0] ?? rest.split('.', 1)[0] ?? '';
}

function emptyMap(at: Position): Located {
  return { kind: 'map', at, entries: new Map() };
}
