/** The command lines of the project's own scripts, `npm run NAME -- [options]`: read as those of `windback` are. */
import { readFileSync } from 'node:fs';
import { closest } from '../pipeline/config/suggest.ts';
import { PipelineError } from '../pipeline/errors.ts';
import { parseCommandLine, usage } from '../cmd/args.ts';
import type { OptionSpecs } from '../cmd/command.ts';

const USAGE = 2;

/** An option of a script, and how what was given becomes a value. */
export interface Option<T> {
  readonly type: 'string' | 'boolean';
  readonly isMultiple?: boolean;
  /** `given`: what stands behind the option, each time that it was given. `name`: `--like-this`. Throws code `usage`. */
  read(given: readonly string[], name: string): T;
}

type Options = Readonly<Record<string, Option<unknown>>>;
type Values<O extends Options> = { readonly [Name in keyof O]: O[Name] extends Option<infer T> ? T : never };

export const flag: Option<boolean> = { type: 'boolean', read: (given) => given.length > 0 };

export const texts: Option<readonly string[]> = { type: 'string', isMultiple: true, read: (given) => given };

export function text(): Option<string | undefined>;
export function text(standard: string): Option<string>;
export function text(standard?: string): Option<string | undefined> {
  return { type: 'string', read: ([given]) => given ?? standard };
}

/** A number above 0. */
export function number(): Option<number | undefined>;
export function number(standard: number): Option<number>;
export function number(standard?: number): Option<number | undefined> {
  return numeric(standard, (value) => value > 0 && Number.isFinite(value), 'a number above 0');
}

/** A whole number, `least` or more. */
export function whole(standard?: undefined, least?: number): Option<number | undefined>;
export function whole(standard: number, least?: number): Option<number>;
export function whole(standard?: number, least = 1): Option<number | undefined> {
  return numeric(
    standard,
    (value) => Number.isSafeInteger(value) && value >= least,
    `a whole number of ${least} or more`,
  );
}

function numeric(standard: number | undefined, isFine: (value: number) => boolean, wanted: string) {
  return {
    type: 'string',
    read([given], name) {
      if (given === undefined) return standard;
      const value = given.trim() === '' ? Number.NaN : Number(given);
      if (!isFine(value)) throw usage(`${name} wants ${wanted}, not "${given}"`);
      return value;
    },
  } satisfies Option<number | undefined>;
}

/** What stands in a file. */
export function contents(): Option<Buffer | undefined> {
  return { type: 'string', read: ([path], name) => (path === undefined ? undefined : contentsOf(path, name)) };
}

/** What a run before wrote as JSON. `list`: a list that is in it, by which it is told from what another script wrote. */
export function saved<T>(list: keyof T & string): Option<T | undefined> {
  return {
    type: 'string',
    read([path], name) {
      if (path === undefined) return undefined;
      const value = parsed(contentsOf(path, name).toString());
      if (!hasList(value, list)) throw usage(`${name} wants what --json wrote: there is no list "${list}" in ${path}`);
      return value as T;
    },
  };
}

function contentsOf(path: string, name: string): Buffer {
  try {
    return readFileSync(path);
  } catch (thrown) {
    throw usage(`${name} wants a file that can be read: ${(thrown as Error).message}`);
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function hasList(value: unknown, list: string): boolean {
  return typeof value === 'object' && value !== null && Array.isArray(Reflect.get(value, list));
}

/** One of `names`. */
export function oneOf<Name extends string>(names: readonly Name[]): Option<Name | undefined>;
export function oneOf<Name extends string>(names: readonly Name[], standard: Name): Option<Name>;
export function oneOf<Name extends string>(names: readonly Name[], standard?: Name): Option<Name | undefined> {
  return {
    type: 'string',
    read: ([given], name) => (given === undefined ? standard : known(names, given, name)),
  };
}

/** Some of `names`, separated by commas or given one by one; all of them where it is not given. */
export function someOf<Name extends string>(names: readonly Name[]): Option<readonly Name[]> {
  return {
    type: 'string',
    isMultiple: true,
    read: (given, name) =>
      given.length === 0
        ? names
        : given.flatMap((list) => list.split(',').map((one) => known(names, one.trim(), name))),
  };
}

function known<Name extends string>(names: readonly Name[], given: string, option: string): Name {
  const found = names.find((name) => name === given);
  if (found !== undefined) return found;
  const meant = closest(given, names);
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
  throw usage(`${option} wants ${names.join(', ')}, not "${given}"${hint}`);
}

/** The values of `options` on a command line. Throws `PipelineError` with the code `usage`. */
export function readOptions<O extends Options>(args: readonly string[], options: O): Values<O> {
  const specs: OptionSpecs = Object.fromEntries(
    Object.entries(options).map(([name, { type, isMultiple }]) => [
      name,
      { type, multiple: isMultiple ?? false, description: '' },
    ]),
  );
  const line = parseCommandLine(args, { options: specs });
  const given = (name: string, { type }: Option<unknown>): readonly string[] => {
    if (type === 'string') return line.texts(name);
    return line.flag(name) ? ['true'] : [];
  };
  const values = Object.entries(options).map(([name, one]) => [name, one.read(given(name, one), `--${name}`)]);
  return Object.fromEntries(values) as Values<O>;
}

/**
 * The values of a script's options. Where `--help` is given it prints `help` and ends the process, and where the line
 * cannot be meant it says why and ends it with exit code 2: a script has nothing to do before it has its options.
 */
export function scriptOptions<O extends Options>(
  script: string,
  help: string,
  options: O,
  args: readonly string[] = process.argv.slice(2),
): Values<O> {
  return forScript(script, help, args, () => readOptions(args, options));
}

/** The same for a script that makes more of its options than their values: `read` may throw code `usage`, too. */
export function forScript<T>(script: string, help: string, args: readonly string[], read: () => T): T {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(help);
    process.exit(0);
  }
  try {
    return read();
  } catch (thrown) {
    if (!(thrown instanceof PipelineError) || thrown.code !== 'usage') throw thrown;
    process.stderr.write(`${script}: ${thrown.detail}\nnpm run ${script} -- --help shows the options\n`);
    process.exit(USAGE);
  }
}
