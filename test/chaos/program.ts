import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const LAUNCHER = join(import.meta.dirname, '../../cmd/launch.js');
const CLOCK = join(import.meta.dirname, 'stepped-clock.ts');
const READY_MS = 60_000;
/** The shutdown timeout of the configuration, and what a busy machine may take beside it. */
const STOPPED_MS = 40_000;

/** A decision as Windback's log says it. */
export interface Logged {
  readonly id: string;
  readonly service: string;
  readonly decision: string;
}

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly code?: string;
  readonly id?: string;
  readonly service?: string;
  readonly decision?: string;
}

const LOOK_MS = 20;
const ERROR_LEVEL = 50;

/** One Windback after another: a process that is started, killed, stopped, and started again. */
export class Program {
  /** What all processes have decided, in the order in which they said so. */
  readonly logged: Logged[] = [];
  /** What should not have happened: ends that nobody asked for, wrong exit codes, defects that it reports. */
  readonly complaints: string[] = [];
  /** Messages of level error, with how often they came. */
  readonly errors = new Map<string, number>();
  readonly #configs: readonly string[];
  readonly #env: Readonly<Record<string, string>>;
  readonly #log: WriteStream;
  readonly #onStart: (pid: number) => void;
  #reloads = 0;
  #child: ChildProcess | undefined;
  #closed: Promise<void> = Promise.resolve();
  #isEndWanted = false;

  /** `onStart` is told of every process, so that none outlives us. */
  constructor(
    configs: readonly string[],
    env: Readonly<Record<string, string>>,
    logPath: string,
    onStart: (pid: number) => void,
  ) {
    this.#configs = configs;
    this.#env = env;
    this.#log = createWriteStream(logPath, { flags: 'a' });
    this.#onStart = onStart;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /** Starts a process; `ready` resolves when it serves, and rejects when it ends before. */
  start(workers: number): { readonly ready: Promise<void> } {
    const args = ['--import', CLOCK, LAUNCHER, 'run', ...this.#configs.flatMap((path) => ['--config', path])];
    const child = spawn(process.execPath, args, {
      env: { PATH: process.env.PATH ?? '', NODE_NO_WARNINGS: '1', ...this.#env, WORKERS: String(workers) },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child = child;
    this.#isEndWanted = false;
    this.#onStart(child.pid as number);
    this.note(`--- started as ${child.pid}, workers: ${workers}`);
    const ready = Promise.withResolvers<void>();
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line.includes(' is ready: ')) ready.resolve();
      this.#read(line);
    });
    this.#closed = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.note(`--- ended: ${signal ?? code}`);
        if (this.#child === child) this.#child = undefined;
        if (!this.#isEndWanted) this.complaints.push(`Windback ended by itself: ${signal ?? `exit code ${code}`}`);
        else if (signal !== 'SIGKILL' && code !== 0)
          this.complaints.push(`exit code ${code} (${signal}) after SIGTERM`);
        ready.reject(new Error('Windback ended before it was ready'));
        resolve();
      });
    });
    ready.promise.catch(() => {});
    return { ready: Promise.race([ready.promise, late(READY_MS, 'Windback is not ready')]) };
  }

  async kill(): Promise<void> {
    this.#isEndWanted = true;
    this.#child?.kill('SIGKILL');
    await this.#closed;
  }

  /** Asks it to end, and waits for it. */
  async stop(): Promise<void> {
    this.#isEndWanted = true;
    this.#child?.kill('SIGTERM');
    await Promise.race([this.#closed, sleep(STOPPED_MS, undefined, { ref: false })]);
    if (this.#child === undefined) return;
    this.complaints.push(`it does not end within ${STOPPED_MS / 1000} s of SIGTERM`);
    await this.kill();
  }

  /** Tells it to read its configuration again, and waits until it has. */
  async reload(): Promise<void> {
    const before = this.#reloads;
    this.#child?.kill('SIGHUP');
    for (let waitedMs = 0; waitedMs < READY_MS && this.#reloads === before; waitedMs += LOOK_MS) await sleep(LOOK_MS);
    if (this.#reloads === before) this.complaints.push(`no reload within ${READY_MS / 1000} s of SIGHUP`);
  }

  note(text: string): void {
    this.#log.write(`${text}\n`);
  }

  async close(): Promise<void> {
    await this.stop();
    await new Promise((resolve) => this.#log.end(resolve));
  }

  #read(line: string): void {
    this.note(line);
    const { level, msg, code, id, service, decision } = parsed(line);
    if (decision !== undefined && id !== undefined && service !== undefined)
      this.logged.push({ id, service, decision });
    if (msg.includes('reloaded: applied')) this.#reloads++;
    if (level < ERROR_LEVEL) return;
    if (msg.startsWith('not reloaded')) this.complaints.push(line);
    const what = `${code ?? ''} ${msg.replaceAll(/[0-9a-f]{8,}|\d+/g, '#')}`.trim();
    this.errors.set(what, (this.errors.get(what) ?? 0) + 1);
    if (code === 'internal' || msg.includes('please report')) this.complaints.push(`a defect: ${line}`);
  }
}

/** What is no JSON is what Node says of a crash. */
function parsed(line: string): Line {
  try {
    return JSON.parse(line) as Line;
  } catch {
    return { level: 0, msg: line };
  }
}

async function late(ms: number, what: string): Promise<never> {
  await sleep(ms, undefined, { ref: false });
  throw new Error(`${what} after ${ms / 1000} s`);
}
