/** The contract between the program and its commands. Types only. */
import type { Environment } from '../pipeline/config/expand.ts';

/** What a command sees of the process. Data goes to `stdout`, messages go to `stderr`. */
export interface Io {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: Environment;
  /** Calls `listener` on each SIGINT and SIGTERM until the returned function is called. */
  onSignal(listener: (signal: NodeJS.Signals) => void): () => void;
  /** Calls `listener` on each SIGHUP until the returned function is called. */
  onHangUp(listener: () => void): () => void;
  /** Ends the process at once, for the second signal; otherwise a command returns its exit code. */
  exit(code: number): never;
}

export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  /** May be given more than once. */
  readonly multiple?: boolean;
  /** One letter. */
  readonly short?: string;
  /** What stands for the value in the help, such as `FILE`. */
  readonly value?: string;
  readonly description: string;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

/** A command line that fits the command's options. */
export interface Args {
  /** The value of an option of type string, the last one if it was repeated. */
  text(name: string): string | undefined;
  /** All values of a repeatable option, in order. */
  texts(name: string): readonly string[];
  flag(name: string): boolean;
  readonly positionals: readonly string[];
}

export interface Command {
  readonly name: string;
  /** One line for `windback --help`. */
  readonly summary: string;
  /** What follows the name in the usage line, such as `[options] CAPTURE...`. */
  readonly usage: string;
  /** Shown below the options: what it does, exit codes of its own, examples. */
  readonly help: string;
  readonly options: OptionSpecs;
  /** What positional arguments are called in messages; undefined if it takes none. */
  readonly positionals?: string;
  /** Whether it goes on when nobody reads its stdout any more; others end quietly. */
  readonly outlivesStdout?: boolean;
  /**
   * Resolves to the exit code: 0 ok, 1 failed. What it throws is printed and gives the code of its error: 2 usage,
   * 78 configuration, 1 for all others.
   */
  run(args: Args, io: Io): Promise<number>;
}

/** What is known of a command before its file is loaded. */
export interface CommandEntry {
  readonly name: string;
  /** The same as in the command; a test compares them. */
  readonly summary: string;
  load(): Promise<{ readonly command: Command }>;
  /** Whether it runs on until it is stopped, so that memory counts more than the last bit of speed. */
  readonly stays?: boolean;
}
