import { parseArgs } from 'node:util';
import { closest } from '../pipeline/config/suggest.ts';
import { PipelineError } from '../pipeline/errors.ts';
import type { Args, Command, OptionSpecs } from './command.ts';

const HELP = { help: { type: 'boolean', short: 'h', description: 'Show this help.' } } as const;

/** The command's own options and those that every command has. */
export function allOptions(options: OptionSpecs): OptionSpecs {
  return { ...options, ...HELP };
}

/** Parses what follows the command's name. Throws `PipelineError` with the code `usage`. */
export function parseCommandLine(argv: readonly string[], command: Pick<Command, 'options' | 'positionals'>): Args {
  const options = allOptions(command.options);
  // Not strict: its messages are written for programmers, so each token is judged below.
  const { tokens } = parseArgs({ args: [...argv], options: toNode(options), strict: false, tokens: true });
  const texts = new Map<string, string[]>();
  const flags = new Set<string>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const spec = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (spec === undefined) throw unknownOption(token.rawName, options);
    if (spec.type === 'boolean') {
      if (token.value !== undefined) throw usage(`${token.rawName} takes no value`);
      flags.add(token.name);
      continue;
    }
    const isOption = token.inlineValue === false && /^-./.test(token.value ?? '');
    if (token.value === undefined || isOption) throw usage(`${token.rawName} needs a value: ${spec.value ?? 'VALUE'}`);
    const values = texts.get(token.name) ?? [];
    if (values.length > 0 && spec.multiple !== true) throw usage(`${token.rawName} is given twice`);
    texts.set(token.name, [...values, token.value]);
  }
  if (positionals.length > 0 && command.positionals === undefined && !flags.has('help')) {
    throw usage(`"${positionals[0]}" is not expected here`);
  }
  return {
    text: (name) => texts.get(name)?.at(-1),
    texts: (name) => texts.get(name) ?? [],
    flag: (name) => flags.has(name),
    positionals,
  };
}

function toNode(options: OptionSpecs) {
  return Object.fromEntries(
    Object.entries(options).map(([name, { type, short, multiple = false }]) => {
      return [name, short === undefined ? { type, multiple } : { type, short, multiple }];
    }),
  );
}

function unknownOption(rawName: string, options: OptionSpecs): PipelineError {
  const meant = closest(rawName.replace(/^-+/, ''), Object.keys(options));
  return usage(`there is no option ${rawName}${meant === undefined ? '' : `; did you mean --${meant}?`}`);
}

export function usage(detail: string): PipelineError {
  return new PipelineError('usage', detail);
}
