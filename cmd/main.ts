import { styleText } from 'node:util';
import packageJson from '../package.json' with { type: 'json' };
import { ConfigError, formatProblems } from '../pipeline/config/report.ts';
import { closest } from '../pipeline/config/suggest.ts';
import { PipelineError } from '../pipeline/errors.ts';
import { parseCommandLine, usage } from './args.ts';
import type { Command, CommandEntry, Io } from './command.ts';
import { COMMANDS } from './commands.ts';
import { commandHelp, programHelp } from './help.ts';
import { keepMemorySmall } from './memory.ts';
import { sourceStack } from './stack.ts';

/** Runs one command line, without the program's name. Resolves to the exit code and never rejects. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  try {
    return await dispatch(argv, io);
  } catch (thrown) {
    return report(thrown, io);
  }
}

async function dispatch(argv: readonly string[], io: Io): Promise<number> {
  const [first = ''] = argv;
  if (first === '--help' || first === '-h' || (first === 'help' && argv.length === 1)) {
    io.stdout.write(programHelp(COMMANDS));
    return 0;
  }
  if (first === '--version' || first === '-v') {
    io.stdout.write(`windback ${packageJson.version}\n`);
    return 0;
  }
  if (first === 'help') return dispatch([argv[1] as string, '--help'], io);
  const isNamed = first !== '' && !first.startsWith('-');
  const entry = find(isNamed ? first : 'run');
  if (entry.stays === true) keepMemorySmall();
  const { command } = await entry.load();
  const args = parseCommandLine(isNamed ? argv.slice(1) : argv, command);
  if (args.flag('help')) {
    io.stdout.write(commandHelp(command));
    return 0;
  }
  endWithStdout(command, io);
  return command.run(args, io);
}

function find(name: string): CommandEntry {
  const entry = COMMANDS.find((command) => command.name === name);
  if (entry !== undefined) return entry;
  if (/\.ya?ml$/.test(name)) throw usage(`there is no command ${name}; did you mean --config ${name}?`);
  const names = COMMANDS.map((command) => command.name);
  const meant = closest(name, names);
  throw usage(
    `there is no command ${name}; ${meant === undefined ? `known commands: ${names.join(', ')}` : `did you mean ${meant}?`}`,
  );
}

/** `windback replay … | head -1`: when the reader has gone, more output is of no use, and that is no failure. */
function endWithStdout(command: Command, io: Io): void {
  if (command.outlivesStdout === true) return;
  io.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') io.exit(0);
  });
}

/** Prints what was thrown, and gives the exit code of it. */
function report(thrown: unknown, io: Io): number {
  const error = styleText('red', 'error:', { stream: io.stderr });
  if (thrown instanceof ConfigError) {
    const { length } = thrown.problems;
    io.stderr.write(`${formatProblems(thrown.problems)}\n`);
    io.stderr.write(`${error} the configuration has ${length} problem${length === 1 ? '' : 's'}\n`);
    return thrown.row.exit;
  }
  if (thrown instanceof PipelineError) {
    const { message, row, code, cause } = thrown;
    const text = code === 'usage' ? thrown.detail : message;
    io.stderr.write(`${error} ${text}; ${row.todo}\n`);
    if (code === 'internal' && cause instanceof Error)
      io.stderr.write(`${sourceStack(cause.stack ?? String(cause))}\n`);
    return row.exit;
  }
  io.stderr.write(`${error} a defect in Windback; please report it\n`);
  io.stderr.write(`${sourceStack((thrown instanceof Error && thrown.stack) || String(thrown))}\n`);
  return 1;
}
