/** Problems of a configuration: where, what, and what to do. Everything that checks a configuration speaks in these. */
import { PipelineError } from '../errors.ts';

/** A place in a source of the configuration. */
export interface Position {
  /** The path as given on the command line, or `env:NAME`, `yaml#1`, `--set key`. */
  readonly file: string;
  /** From 1. 0 if the source has no lines, as `--set`; then only `file` is printed. */
  readonly line: number;
  /** From 1, in UTF-16 units. */
  readonly column: number;
}

export interface Problem {
  readonly at: Position | undefined;
  /** The keys that lead to the place, joined by dots; empty for the whole configuration. */
  readonly path: string;
  /** What is wrong, lower case, without a period. Never holds a secret. */
  readonly what: string;
  /** What to do about it, in the same style; may be empty. */
  readonly todo: string;
}

/** A configuration that cannot be used: all of its problems at once. */
export class ConfigError extends PipelineError {
  readonly problems: readonly Problem[];

  /** `files` is the order of the sources; without it they come in the order of their first problem. */
  constructor(problems: readonly Problem[], files: readonly string[] = []) {
    const sorted = sortProblems(problems, files);
    super('config', `\n${formatProblems(sorted)}`);
    this.name = 'ConfigError';
    this.problems = sorted;
  }
}

/** In the order of lines: by source, then line, then column; problems without a place come first. */
export function sortProblems(problems: readonly Problem[], files: readonly string[] = []): Problem[] {
  const order = [...new Set([...files, ...problems.map(({ at }) => at?.file ?? '')])];
  const rank = ({ at }: Problem): number => (at === undefined ? -1 : order.indexOf(at.file));
  return [...problems].sort(
    (a, b) => rank(a) - rank(b) || (a.at?.line ?? 0) - (b.at?.line ?? 0) || (a.at?.column ?? 0) - (b.at?.column ?? 0),
  );
}

/** `file:line:column: path: what; what to do`. */
export function formatProblem({ at, path, what, todo }: Problem): string {
  const place = at === undefined ? '' : `${formatPosition(at)}: `;
  return `${place}${path === '' ? '' : `${path}: `}${what}${todo === '' ? '' : `; ${todo}`}`;
}

/** One line a problem, in the order given, without a newline at the end. */
export function formatProblems(problems: readonly Problem[]): string {
  return problems.map(formatProblem).join('\n');
}

export function formatPosition({ file, line, column }: Position): string {
  return line === 0 ? file : `${file}:${line}:${column}`;
}
