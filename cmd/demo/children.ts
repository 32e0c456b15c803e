import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DemoFailure } from './failure.ts';

/** How long a process may take to end after SIGTERM. */
const GRACE_MS = 5000;
/** Lines of a log that are shown when its process has failed. */
const TAIL_LINES = 15;

/** A process of the demo. */
export interface Child {
  readonly name: string;
  readonly process: ChildProcess;
  /** Its stderr. */
  readonly log: string;
  /** Resolves when it has ended. */
  readonly ended: Promise<void>;
  isStopping: boolean;
}

/**
 * The processes of the demo. Each one is a process group of its own, since Ctrl-C in a terminal reaches a whole group
 * and here the demo stops them in order. Should the demo itself be killed, a guard ends them and removes the folder.
 */
export class Children {
  readonly #folder: string;
  readonly #onFailure: (failure: DemoFailure) => void;
  readonly #running = new Set<Child>();
  readonly #guard: ChildProcess;

  /** `onFailure` is told of a child that ends although nobody stopped it. */
  constructor(folder: string, isKept: boolean, onFailure: (failure: DemoFailure) => void) {
    this.#folder = folder;
    this.#onFailure = onFailure;
    this.#guard = startGuard(folder, isKept);
  }

  /** Starts a TypeScript file with this very Node. Its stderr goes to `<name>.log`, its stdout to `onLine`. */
  start(
    name: string,
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    onLine: (line: string) => void = () => {},
  ): Child {
    const log = join(this.#folder, `${name}.log`);
    const logFile = openSync(log, 'a');
    const child = spawn(process.execPath, args, {
      detached: true,
      stdio: ['ignore', 'pipe', logFile],
      env: { ...process.env, ...env },
    });
    closeSync(logFile);
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()).once('error', () => resolve()));
    const entry: Child = { name, process: child, log, ended, isStopping: false };
    this.#running.add(entry);
    if (child.pid !== undefined) this.#guard.stdin?.write(`${child.pid}\n`);
    readLines(child, onLine);
    void ended.then(() => {
      this.#running.delete(entry);
      if (!entry.isStopping) this.#onFailure(endedByItself(entry));
    });
    return entry;
  }

  /** Runs a file to its end. Rejects with a `DemoFailure` if it fails. */
  async run(name: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<void> {
    const child = this.start(name, args, env);
    child.isStopping = true;
    await child.ended;
    if (child.process.exitCode !== 0) throw endedByItself(child);
  }

  /** Ends a process in order, and after a while without mercy. */
  async stop(child: Child): Promise<void> {
    child.isStopping = true;
    child.process.kill('SIGTERM');
    const timer = setTimeout(() => child.process.kill('SIGKILL'), GRACE_MS);
    await child.ended;
    clearTimeout(timer);
  }

  /** Ends all of them, the youngest first: senders before Windback. */
  async stopAll(): Promise<void> {
    const [oldest, ...others] = this.#running;
    await Promise.all(others.map((child) => this.stop(child)));
    if (oldest !== undefined) await this.stop(oldest);
    this.#guard.stdin?.end('done\n');
  }
}

/** The last lines of a child's log. */
export function tailOf({ log }: Child): string {
  return readFileSync(log, 'utf8').trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
}

function endedByItself(child: Child): DemoFailure {
  const { exitCode, signalCode } = child.process;
  const how = signalCode === null ? `with exit code ${exitCode}` : `by ${signalCode}`;
  return new DemoFailure(`${child.name} ended ${how}; its last lines:`, tailOf(child));
}

function readLines(child: ChildProcess, onLine: (line: string) => void): void {
  let rest = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() as string;
    for (const line of lines) onLine(line);
  });
}

/** Reads process ids, a line each. When its input ends without a `done`, the demo is gone: it ends what it knows. */
const GUARD = `
pids=
while read -r line; do
  [ "$line" = done ] && exit 0
  pids="$pids $line"
done
kill $pids 2>/dev/null
sleep 3
kill -9 $pids 2>/dev/null
[ "$2" = keep ] || rm -rf "$1"
`;

function startGuard(folder: string, isKept: boolean): ChildProcess {
  const args = ['-c', GUARD, 'guard', folder, isKept ? 'keep' : 'remove'];
  const guard = spawn('sh', args, { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  // Without a guard the demo still stops everything, unless it is killed.
  guard.on('error', () => {});
  guard.stdin.on('error', () => {});
  guard.unref();
  (guard.stdin as unknown as { unref(): void }).unref();
  return guard;
}
