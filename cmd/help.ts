import { allOptions } from './args.ts';
import type { Command, CommandEntry, OptionSpec } from './command.ts';

/** `windback --help`. */
export function programHelp(commands: readonly CommandEntry[]): string {
  return `Windback receives OpenTelemetry data, judges the versions of your services by it, and says which one to roll back.

Usage: windback [COMMAND] [options]

Commands:
${columns(commands.map(({ name, summary }) => [name, name === 'run' ? `${summary} The default.` : summary]))}

Options:
${columns([
  ['-h, --help', 'Show this help, or that of a command: windback COMMAND --help.'],
  ['-v, --version', 'Show the version.'],
])}

Examples:
  windback demo                                     watch a bad version being caught
  windback --config windback.yaml                   run
  windback validate --config windback.yaml          check a configuration
  windback replay --config windback.yaml day.jsonl  judge recorded telemetry

Exit codes: 0 ok, 1 failed, 2 wrong usage, 78 wrong configuration.
`;
}

/** `windback COMMAND --help`. */
export function commandHelp({ name, summary, usage, options, help }: Command): string {
  const rows = Object.entries(allOptions(options)).map(
    ([option, spec]) => [optionName(option, spec), spec.description] as const,
  );
  return `${summary}

Usage: windback ${name}${usage === '' ? '' : ` ${usage}`}

Options:
${columns(rows)}

${help.replace(/^\n+/, '').trimEnd()}
`;
}

function optionName(name: string, { short, value, type, multiple }: OptionSpec): string {
  const letter = short === undefined ? '    ' : `-${short}, `;
  return `${letter}--${name}${type === 'string' ? ` ${value ?? 'VALUE'}` : ''}${multiple === true ? '...' : ''}`;
}

const WIDTH = 100;

function columns(rows: readonly (readonly [string, string])[]): string {
  const left = Math.max(...rows.map(([name]) => name.length)) + 4;
  return rows.map(([name, text]) => `  ${name.padEnd(left - 2)}${wrap(text, WIDTH - left, left)}`).join('\n');
}

function wrap(text: string, width: number, indent: number): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) as string;
    if (line.length + word.length >= width && line !== '') lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.join(`\n${' '.repeat(indent)}`);
}
