/** The options of every command that reads a configuration. */
import { readFileSync } from 'node:fs';
import { styleText } from 'node:util';
import { loadConfigLazily } from '../pipeline/config/load.ts';
import type { LoadedConfig } from '../pipeline/config/loaded.ts';
import { formatProblem } from '../pipeline/config/report.ts';
import type { SourcesInput } from '../pipeline/config/sources.ts';
import { usage } from './args.ts';
import type { Args, Io, OptionSpecs } from './command.ts';
import { loadComponents } from './components.ts';

export const CONFIG_OPTIONS = {
  config: {
    type: 'string',
    multiple: true,
    short: 'c',
    value: 'SOURCE',
    description: 'A YAML file, env:NAME (a variable that holds YAML) or yaml:TEXT. Several merge, the later ones win.',
  },
  set: {
    type: 'string',
    multiple: true,
    value: 'KEY=VALUE',
    description: 'Set one key, such as exporters.kafka.topic=decisions. The value is YAML.',
  },
} as const satisfies OptionSpecs;

/**
 * Loads what the command line names and prints its warnings; `onFile` is told of the files that were read. Throws
 * `PipelineError` with `usage` or `config`.
 */
export async function loadFrom(
  args: Args,
  io: Io,
  command: string,
  onFile: (path: string, text: string) => void = () => {},
): Promise<LoadedConfig> {
  const sources = args.texts('config');
  if (sources.length === 0) {
    throw usage(
      `which configuration? Give one with --config, for example: windback ${command} --config examples/windback.yaml`,
    );
  }
  return load(sources, args, io, onFile);
}

/** Loads a configuration that is built in, with the command line's `--set`. Throws `PipelineError` with `config`. */
export function loadText(yaml: string, args: Args, io: Io): Promise<LoadedConfig> {
  return load([`yaml:${yaml}`], args, io);
}

async function load(
  sources: readonly string[],
  args: Args,
  io: Io,
  onFile: (path: string, text: string) => void = () => {},
): Promise<LoadedConfig> {
  const loaded = await readSources({ sources, sets: args.texts('set'), env: io.env }, onFile);
  printWarnings(loaded, io);
  return loaded;
}

/** Loads a configuration from its sources as they are now. Throws `PipelineError` with `config`. */
export function readSources(
  from: Omit<SourcesInput, 'readFile' | 'readSecret'>,
  onFile: (path: string, text: string) => void,
): Promise<LoadedConfig> {
  const readFile = (path: string): string => {
    const text = readFileSync(path, 'utf8');
    onFile(path, text);
    return text;
  };
  return loadConfigLazily({ ...from, readFile, readSecret: readFile }, loadComponents);
}

function printWarnings({ warnings }: LoadedConfig, io: Io): void {
  const word = styleText('yellow', 'warning:', { stream: io.stderr });
  for (const warning of warnings) io.stderr.write(`${word} ${formatProblem(warning)}\n`);
}
