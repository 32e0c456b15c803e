/** A system under test: started as its users start it, in a process of its own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, openSync, closeSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bodyOf } from '../load/body.ts';
import { encodeRequest } from '../load/encode.ts';
import { freePort } from '../load/free-port.ts';
import { openSender, type Sender } from '../load/senders.ts';
import { usualShape } from '../load/shape.ts';
import type { Case } from './cases.ts';
import { type ProcessUsage, usageOf } from './process-usage.ts';
import type { Places, System } from './system.ts';

const READY_MS_MAX = 30_000;
const STOP_MS_MAX = 10_000;
/** The core of the system under test, and that of everything else. */
const SERVER_CORE = '0';
const LOAD_CORE = '1';

export interface UnderTest {
  readonly system: System;
  readonly port: number;
  /** From the start of the process until it had answered a first request of one item. */
  readonly readyMs: number;
  usage(): ProcessUsage;
  stop(): Promise<void>;
}

export interface Start {
  readonly one: Case;
  readonly sink: Places['sink'];
  /** A new folder for its files. */
  readonly folder: string;
  readonly isPinned: boolean;
}

const running = new Set<ChildProcess>();

/** Ends what runs, and then cleans up, when this process is told to end. */
export function endWithThis(clean: () => void): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      for (const child of running) child.kill('SIGKILL');
      clean();
      process.kill(process.pid, signal);
    });
  }
}

export async function start(system: System, { one, sink, folder, isPinned }: Start): Promise<UnderTest> {
  mkdirSync(folder, { recursive: true });
  const places: Places = { grpcPort: await freePort(), httpPort: await freePort(), sink, folder, isPinned };
  const { command, args, env, files } = system.launch(one, places);
  for (const [path, text] of Object.entries(files)) writeFileSync(path, text);
  const log = join(folder, `${system.name}.output`);
  const output = openSync(log, 'w');
  const [program, given] = isPinned ? ['taskset', ['-c', SERVER_CORE, command, ...args]] : [command, [...args]];
  const port = one.protocol === 'grpc' ? places.grpcPort : places.httpPort;
  const request = encodeRequest(usualShape(one.signal, 1), 0, Date.now());
  const first = bodyOf(request, 1, 'identity', one.protocol === 'grpc').bytes;
  const started = performance.now();
  const child = spawn(program, given, { stdio: ['ignore', output, output], env: { ...process.env, ...env } });
  closeSync(output);
  const pid = child.pid as number;
  running.add(child);
  child.once('exit', () => running.delete(child));
  try {
    await ready(child, port, one, first);
  } catch (thrown) {
    child.kill('SIGKILL');
    const said = readFileSync(log, 'utf8').trim().split('\n').slice(-8).join('\n');
    throw new Error(`${system.title} for ${one.name}: ${(thrown as Error).message}\n${said}`, { cause: thrown });
  }
  const readyMs = performance.now() - started;
  return { system, port, readyMs, usage: () => usageOf(pid), stop: () => stopped(child) };
}

/**
 * Waits until it takes connections, then until it answers. What takes a connection need not stay: Windback with workers
 * looks first whether it is alone on its port.
 */
async function ready(child: ChildProcess, port: number, { protocol, signal }: Case, first: Buffer): Promise<void> {
  const until = performance.now() + READY_MS_MAX;
  let trouble = 'it does not listen';
  let failure: Error | undefined;
  child.once('error', (error) => (failure = error));
  while (performance.now() < until) {
    if (failure !== undefined) throw failure;
    if (child.exitCode !== null) throw new Error(`it ended with exit code ${child.exitCode}`);
    if (await accepts(port)) {
      let sender: Sender | undefined;
      try {
        sender = await openSender({ protocol, port, signal, encoding: 'identity', connections: 1 });
        await sender.send(first, 0);
        return;
      } catch (thrown) {
        trouble = (thrown as Error).message;
      } finally {
        sender?.close();
      }
    }
    await sleep(1);
  }
  throw new Error(`not ready within ${READY_MS_MAX / 1000} s: ${trouble}`);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
  await exit;
  clearTimeout(late);
}

/** Whether processes can be bound to cores, and there are two. */
export function canPin(): boolean {
  return spawnSync('taskset', ['-c', LOAD_CORE, 'true'], { stdio: 'ignore' }).status === 0;
}

/** Binds all threads of a process of ours to the core of the load, or frees it. */
export function pinLoad(pid: number, isPinned: boolean): void {
  const cores = isPinned ? LOAD_CORE : `0-${cpus().length - 1}`;
  spawnSync('taskset', ['-a', '-c', '-p', cores, String(pid)], { stdio: 'ignore' });
}
