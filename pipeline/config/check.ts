/** Holds a value of the configuration against a zod schema, and says what is wrong in a user's words. */
import type { z } from 'zod';
import { type Found, type Located, type Path, find, formatPath, namesOf, plain } from './located.ts';
import type { Position, Problem } from './report.ts';
import {
  type Kind,
  childOf,
  discriminatorsOf,
  fieldsOf,
  isObject,
  kindsOf,
  schemaAt,
  shapeOf,
  wordsOf,
} from './shape.ts';
import { suggestion } from './suggest.ts';

/** Where in the configuration the value stands. */
export interface Place {
  readonly path: Path;
  readonly keyAt: Position;
}

export interface Checked<Output> {
  /** What the schema made of the value; undefined if there are problems. */
  readonly output: Output | undefined;
  /** The plain value in the form the schema takes: units are text, an empty value of a map is `{}`. */
  readonly value: unknown;
  readonly problems: readonly Problem[];
}

type Issue = z.core.$ZodIssue;

export function check<S extends z.ZodType>(schema: S, node: Located, place: Place): Checked<z.output<S>> {
  const value = fit(node, schema);
  const result = schema.safeParse(value, { error: (issue) => want(issue), jitless: true });
  if (result.success) return { output: result.data, value, problems: [] };
  const subject = { schema, node, value, place };
  const problems = withoutConsequences(result.error.issues).flatMap((issue) => explain(issue, [], subject));
  return { output: undefined, value, problems: problems.filter(({ broken }) => !broken).map(({ problem }) => problem) };
}

/**
 * The plain value of `node`, bent to the schema only where YAML itself is in the way: an empty value of a map means
 * `{}` (`grpc:`), a number for a duration is judged as text, and text that came from a variable stays text where text
 * is wanted (`${env:VERSION}` is 1.10, not 1.1), as it stands: else ` #` would end a password.
 */
export function fit(node: Located, schema: z.ZodType | undefined): unknown {
  if (schema === undefined) return plain(node);
  const kinds = kindsOf(schema);
  if (node.expansion !== undefined && kinds.has('text') && (!kinds.has(kindOf(node)) || isFreeText(node, schema))) {
    return node.expansion.text;
  }
  if (node.kind === 'list') return node.items.map((item, i) => fit(item, childOf(schema, i, [])));
  if (node.kind === 'map') {
    const keys = Object.fromEntries([...node.entries].map(([key, { value }]) => [key, scalarOrEmpty(value)]));
    return Object.fromEntries(
      [...node.entries].map(([key, { value }]) => [key, fit(value, childOf(schema, key, keys))]),
    );
  }
  if (node.value === null && kinds.has('map') && !kinds.has('null')) return {};
  if (typeof node.value === 'number' && shapeOf(schema).scalar !== undefined && !kinds.has('number')) {
    return String(node.value);
  }
  return node.value;
}

/** Whether text may be any text here: of a word, or of a duration, quotes and spaces around it can be no part. */
function isFreeText(node: Located, schema: z.ZodType): boolean {
  return kindOf(node) === 'text' && wordsOf(schema).length === 0 && shapeOf(schema).scalar === undefined;
}

/** Enough of a value to choose between the alternatives of a union. */
function scalarOrEmpty(node: Located): unknown {
  return node.kind === 'scalar' ? node.value : {};
}

interface Subject extends Pick<Checked<unknown>, 'value'> {
  readonly schema: z.ZodType;
  readonly node: Located;
  readonly place: Place;
}

/** A rule of a map that has unknown keys most likely fails because of them: `want grpc or http` after `grcp`. */
function withoutConsequences(issues: readonly Issue[]): Issue[] {
  const misspelt = issues.filter(({ code }) => code === 'unrecognized_keys').map(({ path }) => path.join('.'));
  return issues.filter(({ code, path }) => code !== 'custom' || !misspelt.includes(path.join('.')));
}

interface Explained {
  readonly problem: Problem;
  /** Stands where another problem was reported already. */
  readonly broken: boolean;
}

function explain(issue: Issue, above: Path, subject: Subject): Explained[] {
  const path = [...above, ...(issue.path as (string | number)[])];
  if (issue.code === 'invalid_union') {
    const branch = nearestBranch(issue.errors);
    if (branch !== undefined) return branch.flatMap((inner) => explain(inner, path, subject));
  }
  const found = find(subject.node, path, subject.place.keyAt);
  const schema = schemaAt(subject.schema, path, subject.value);
  const problem = (at: Position, what: string, todo: string, key?: string): Explained => ({
    problem: {
      at,
      path: formatPath([...subject.place.path, ...shownPath(subject.node, key === undefined ? path : [...path, key])]),
      what,
      todo,
    },
    broken: found.node?.kind === 'scalar' && found.node.broken === true,
  });
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys((schema && fieldsOf(schema, valueAt(subject.value, path))) ?? {});
    return issue.keys.map((key) => {
      const at = found.node?.kind === 'map' ? (found.node.entries.get(key)?.keyAt ?? found.at) : found.at;
      return problem(at, 'unknown key', suggestion(key, known, 'keys'), key);
    });
  }
  // A rule about several keys at once: its author says all there is to say.
  if (issue.code === 'custom' && found.node?.kind !== 'scalar') return [problem(found.at, issue.message, '')];
  const what = found.node === undefined ? 'missing key' : `${shown(found, schema)} is not valid`;
  if (issue.code === 'invalid_union' && issue.discriminator !== undefined) {
    const union = schemaAt(subject.schema, path.slice(0, -1), subject.value);
    const words = union === undefined ? [] : discriminatorsOf(union, issue.discriminator);
    return [problem(found.at, what, suggestion(textOf(found) ?? '', words, 'values'))];
  }
  return [problem(found.at, what, todoOf(issue, schema, found))];
}

/** The alternative of a union that failed deepest, hence was meant; undefined if all failed at once. */
function nearestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const isDeep = (issues: readonly Issue[]): boolean =>
    issues.every(
      ({ code, path }) => path.length > 0 || !['invalid_type', 'invalid_value', 'invalid_union'].includes(code),
    );
  return branches.filter(isDeep).sort((a, b) => a.length - b.length)[0];
}

function todoOf(issue: Issue, schema: z.ZodType | undefined, found?: Found): string {
  if (schema === undefined) return issue.message;
  const words = wordsOf(schema);
  const value = found?.node?.kind === 'scalar' ? found.node.value : undefined;
  if (words.length > 0 && typeof value === 'string') return suggestion(value, words, 'values');
  if (issue.code === 'invalid_union') return `want ${wantedKinds(schema)}`;
  const needsQuotes =
    issue.code === 'invalid_type' && issue.expected === 'string' && ['number', 'boolean'].includes(typeof value);
  return needsQuotes ? `${issue.message}: put it in quotes` : issue.message;
}

function wantedKinds(schema: z.ZodType): string {
  const words = wordsOf(schema);
  return words.length > 0
    ? `one of: ${words.join(', ')}`
    : [...kindsOf(schema)].map((kind) => KIND_NAMES[kind]).join(' or ');
}

const KIND_NAMES: Readonly<Record<Kind, string>> = {
  text: 'text',
  number: 'a number',
  boolean: 'true or false',
  null: 'null',
  map: 'a map of keys and values',
  list: 'a list',
  any: 'a value',
};

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: KIND_NAMES.map,
  record: KIND_NAMES.map,
};

/** What zod wanted, where the schema's author gave no message. */
function want(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `want ${EXPECTED[issue.expected as string] ?? issue.expected}`;
    case 'too_small':
      return `want ${bound(issue, issue.inclusive === false ? 'more than' : 'at least', issue.minimum)}`;
    case 'too_big':
      return `want ${bound(issue, issue.inclusive === false ? 'less than' : 'at most', issue.maximum)}`;
    case 'invalid_value':
      return `want ${(issue.values as unknown[]).length > 1 ? 'one of: ' : ''}${(issue.values as unknown[]).join(', ')}`;
    case 'invalid_format':
      return issue.format === 'regex'
        ? `want text that matches ${String(issue.pattern)}`
        : `want a valid ${issue.format}`;
    case 'not_multiple_of':
      return `want a multiple of ${issue.divisor}`;
    default:
      return 'want another value';
  }
}

function bound(issue: z.core.$ZodRawIssue, relation: string, limit: unknown): string {
  const unit = { string: 'character', array: 'entry', set: 'entry', map: 'key', record: 'key' }[String(issue.origin)];
  if (unit === undefined) return `${relation} ${limit}`;
  const plural = unit === 'entry' ? 'entries' : `${unit}s`;
  return `${relation} ${limit} ${Number(limit) === 1 ? unit : plural}`;
}

function textOf({ node }: Found): string | undefined {
  return node?.kind === 'scalar' && typeof node.value === 'string' ? node.value : undefined;
}

/** A value as a message may show it: never a secret, never long. */
function shown({ node }: Found, schema: z.ZodType | undefined): string {
  if (schema !== undefined && shapeOf(schema).secret) return 'the value';
  if (node?.expansion !== undefined) return `the value of ${clip(namesOf(node.expansion))}`;
  if (node?.kind === 'map') return 'a map';
  if (node?.kind === 'list') return node.items.length === 0 ? 'an empty list' : 'a list';
  if (node === undefined) return 'this';
  // `token:S3CRET`, without the space that would make it a key: what is wanted here has secrets inside.
  if (typeof node.value === 'string' && !(schema !== undefined && takesScalar(schema))) return 'this text';
  return node.value === null
    ? 'an empty value'
    : clip(typeof node.value === 'string' ? `"${redactUrl(node.value)}"` : String(node.value));
}

function takesScalar(schema: z.ZodType): boolean {
  const kinds = kindsOf(schema);
  return (['text', 'number', 'boolean', 'any'] as const).some((kind) => kinds.has(kind));
}

/**
 * A path as a message may show it. Where a space is missing behind a colon, the value is part of the key; where a map
 * came from a variable, all keys are what the variable holds.
 */
function shownPath(root: Located, path: Path): Path {
  let node: Located | undefined = root;
  return path.map((step) => {
    const isForeign = node?.expansion !== undefined;
    node = node === undefined ? undefined : find(node, [step]).node;
    if (typeof step === 'number') return step;
    return isForeign ? '…' : step.replace(/(?<=.)[:=].*$/s, '…');
  });
}

function clip(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** Hides the password in `scheme://user:password@host`, also one with a slash or an @ in it, or without a user. */
export function redactUrl(text: string): string {
  return text.replace(/(\b[a-z][a-z0-9+.-]*:\/\/(?:[^\s:/@]*:)?)[^\s]+(?=@)/gi, '$1[REDACTED]');
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (node, key) => (isObject(node) ? (node as Record<string | number, unknown>)[key] : undefined),
    value,
  );
}

function kindOf(node: Located): Kind {
  if (node.kind !== 'scalar') return node.kind;
  if (node.value === null) return 'null';
  return typeof node.value === 'string' ? 'text' : (typeof node.value as 'number' | 'boolean');
}
