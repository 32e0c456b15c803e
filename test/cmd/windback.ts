import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const PROGRAM = join(import.meta.dirname, '../../cmd/windback.ts');

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export type Env = Readonly<Record<string, string>>;

/** Starts the real program. */
export function start(args: readonly string[], env: Env = {}): ChildProcessWithoutNullStreams {
  const inherited = { PATH: process.env.PATH ?? '', NODE_NO_WARNINGS: '1' };
  return spawn(process.execPath, [PROGRAM, ...args], { env: { ...inherited, ...env } });
}

/** Runs the real program to its end. */
export async function windback(args: readonly string[], env: Env = {}): Promise<Finished> {
  const child = start(args, env);
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await code, stdout, stderr };
}
