import {
  type Document,
  LineCounter,
  type Pair,
  type YAMLError,
  type YAMLMap,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseDocument,
} from 'yaml';
import { type Entry, type Located, type LocatedScalar, type Path, formatPath, merge } from './located.ts';
import type { Position, Problem } from './report.ts';

/** More aliases than a person writes, fewer than make a small file large ("billion laughs"). */
const ALIASES_MAX = 1000;

const QUOTE_TEXT = 'put it in quotes if it is text';
const YAML_TODO: Readonly<Record<string, string>> = {
  BAD_ALIAS: QUOTE_TEXT,
  BAD_DQ_ESCAPE: 'write \\\\ for a backslash, or take single quotes',
  BAD_SCALAR_START: QUOTE_TEXT,
  MISSING_CHAR: 'close what is open',
  MULTIPLE_DOCS: 'keep one document a file; give several files by repeating --config',
  TAB_AS_INDENT: 'indent by spaces',
  TAG_RESOLVE_FAILED: QUOTE_TEXT,
};
/** Errors of which the parser's words quote what stands there, which may be a secret. In our words they do not. */
const YAML_WHAT: Readonly<Record<string, string>> = {
  BAD_ALIAS: 'this is no alias (*name) or anchor (&name)',
  BAD_DQ_ESCAPE: 'there is no such escape sequence',
  BAD_SCALAR_START: 'text cannot begin with this character',
  TAG_RESOLVE_FAILED: 'there is no such tag (!name)',
  UNEXPECTED_TOKEN: 'this does not fit here',
};
/** Those of which the parser's words are always the same. */
const SAID_ALIKE = new Set([
  'ALIAS_PROPS',
  'BAD_INDENT',
  'BLOCK_AS_IMPLICIT_KEY',
  'BLOCK_IN_FLOW',
  'DUPLICATE_KEY',
  'KEY_OVER_1024_CHARS',
  'MISSING_CHAR',
  'MULTILINE_IMPLICIT_KEY',
  'MULTIPLE_ANCHORS',
  'MULTIPLE_DOCS',
  'MULTIPLE_TAGS',
  'NON_STRING_KEY',
  'TAB_AS_INDENT',
]);
const EXPANSION_TODO = 'put ${…} in quotes where it stands inside {} or []';

export interface Parsed {
  readonly root: Located;
  readonly problems: readonly Problem[];
}

/**
 * Parses YAML (1.2, with aliases and `<<` merge keys) into a tree with positions. Syntax errors, duplicate keys and
 * unknown tags come back as problems, all of them. With `fixed`, every value is given that position instead of its own.
 */
export function locate(text: string, file: string, fixed?: Position): Parsed {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const place = (offset: number): Position => {
    if (fixed !== undefined) return fixed;
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const problems = syntaxProblems([...document.errors, ...document.warnings], text, place);
  const locator = new Locator(document, place, problems);
  return { root: locator.locate(document.contents, 0, []), problems };
}

function syntaxProblems(errors: readonly YAMLError[], text: string, place: (offset: number) => Position): Problem[] {
  const problems = errors.map((error): Problem => {
    const [offset] = error.pos;
    // `{limit: ${env:X}}`: YAML takes the second brace for a map.
    const isBareExpansion = text.startsWith('${', offset - 1);
    const todo = isBareExpansion ? EXPANSION_TODO : (YAML_TODO[error.code] ?? 'mend the YAML here');
    return { at: place(offset), path: '', what: `not valid YAML: ${wordsOf(error)}`, todo };
  });
  // Behind one of these nothing is where the parser looks for it: dozens of errors, of which only the first is one.
  const bare = problems.findIndex(({ todo }) => todo === EXPANSION_TODO);
  return bare < 0 ? problems : problems.slice(0, bare + 1);
}

function wordsOf({ code, message }: YAMLError): string {
  const [first = ''] = message.split('\n');
  return SAID_ALIKE.has(code) ? first.replace(/[.:]$/, '') : (YAML_WHAT[code] ?? 'this cannot be read');
}

class Locator {
  readonly #document: Document.Parsed;
  readonly #place: (offset: number) => Position;
  readonly #problems: Problem[];
  #aliases = 0;

  constructor(document: Document.Parsed, place: (offset: number) => Position, problems: Problem[]) {
    this.#document = document;
    this.#place = place;
    this.#problems = problems;
  }

  /** `offset` is where a value would stand that the user left out. */
  locate(node: unknown, offset: number, path: Path): Located {
    const start = startOf(node) ?? offset;
    const at = this.#place(start);
    if (isAlias(node)) {
      this.#aliases += 1;
      const target = node.resolve(this.#document);
      if (target !== undefined && this.#aliases <= ALIASES_MAX) return moved(this.locate(target, start, path), at);
      // Not by its name: it may be a password that begins with an asterisk.
      const what = target === undefined ? 'there is no anchor of this name' : 'too many aliases';
      return this.#broken(at, path, what, target === undefined ? QUOTE_TEXT : undefined);
    }
    if (isMap(node)) return { kind: 'map', at, entries: this.#entries(node, path) };
    if (isSeq(node))
      return { kind: 'list', at, items: node.items.map((item, i) => this.locate(item, start, [...path, i])) };
    return { kind: 'scalar', at, value: scalarValue(node) };
  }

  #entries(map: YAMLMap, path: Path): Map<string, Entry> {
    const entries = new Map<string, Entry>();
    const inherited: Located[] = [];
    for (const pair of map.items as Pair[]) {
      const start = startOf(pair.key) ?? startOf(map) ?? 0;
      const keyAt = this.#place(start);
      const key = isScalar(pair.key) ? scalarValue(pair.key) : undefined;
      const keyPath = [...path, String(key ?? '')];
      const value = this.locate(pair.value, start, keyPath);
      if (key === undefined || key === null) this.#broken(keyAt, path, 'a key must be text');
      else if (key === '<<') inherited.push(...(value.kind === 'list' ? value.items : [value]));
      else if (entries.has(String(key))) this.#duplicate(keyAt, keyPath, entries.get(String(key)));
      else entries.set(String(key), { keyAt, value });
    }
    for (const source of inherited) {
      if (source.kind !== 'map') this.#broken(source.at, path, '<< must name a map or a list of maps');
      else for (const [key, entry] of source.entries) if (!entries.has(key)) entries.set(key, entry);
    }
    return entries;
  }

  #duplicate(at: Position, path: Path, first: Entry | undefined): void {
    const todo = `keep one; the first is in line ${first?.keyAt.line}`;
    this.#problems.push({ at, path: formatPath(path), what: 'duplicate key', todo });
  }

  #broken(at: Position, path: Path, what: string, todo = 'mend the YAML here'): LocatedScalar {
    this.#problems.push({ at, path: formatPath(path), what: `not valid YAML: ${what}`, todo });
    return { kind: 'scalar', at, value: null, broken: true };
  }
}

/** In the Collector's `yaml:` sources `a::b: 1` stands for `a: {b: 1}`. */
export function splitKeys(node: Located): Located {
  if (node.kind !== 'map') return node;
  let result: Located = { kind: 'map', at: node.at, entries: new Map() };
  for (const [key, { keyAt, value }] of node.entries) {
    const nested = key
      .split('::')
      .reduceRight<Located>(
        (inner, part) => ({ kind: 'map', at: keyAt, entries: new Map([[part, { keyAt, value: inner }]]) }),
        splitKeys(value),
      );
    result = merge(result, nested);
  }
  return result;
}

function moved(node: Located, at: Position): Located {
  return { ...node, at };
}

function startOf(node: unknown): number | undefined {
  return (node as { range?: readonly number[] | null } | null | undefined)?.range?.[0];
}

function scalarValue(node: unknown): string | number | boolean | null {
  const value: unknown = isScalar(node) ? node.value : null;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return value === null || value === undefined ? null : String(value);
}
