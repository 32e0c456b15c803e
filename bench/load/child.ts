/** A server under test in a process of its own, that tells what it has used. */
import { type ChildProcess, fork } from 'node:child_process';

/** CPU since the process started, user and system, seconds; peak resident memory, bytes. */
export interface Usage {
  readonly cpuSeconds: number;
  readonly peakRssBytes: number;
  /** What the server itself counted, to show that it did the work. */
  readonly items: number;
}

export interface ServerUnderTest {
  readonly port: number;
  usage(): Promise<Usage>;
  stop(): Promise<void>;
}

/** Starts `script` with `args` in a child that calls `serve`, and waits until it listens. */
export async function startServer(script: string, args: readonly string[]): Promise<ServerUnderTest> {
  const child = fork(script, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const { port } = (await answer(child)) as { port: number };
  return {
    port,
    usage: () => {
      child.send('usage');
      return answer(child) as Promise<Usage>;
    },
    stop: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve());
        child.kill('SIGTERM');
      }),
  };
}

/** The child's side: says where it listens, then answers each question. */
export function serve(port: number, items: () => number): void {
  process.on('message', () => {
    const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
    const usage: Usage = {
      cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
      peakRssBytes: maxRSS * 1024,
      items: items(),
    };
    process.send?.(usage);
  });
  process.send?.({ port });
}

function answer(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`the server ended with exit code ${code}`));
    child.once('exit', ended);
    child.once('message', (message) => {
      child.removeListener('exit', ended);
      resolve(message);
    });
  });
}
