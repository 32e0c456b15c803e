#!/usr/bin/env node
/** The program. The only file that ends the process. */
import { existsSync } from 'node:fs';
import type { Io } from './command.ts';
import { main } from './main.ts';

const io: Io = {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  onSignal(listener) {
    process.on('SIGINT', listener).on('SIGTERM', listener);
    return () => void process.off('SIGINT', listener).off('SIGTERM', listener);
  },
  onHangUp(listener) {
    process.on('SIGHUP', listener);
    return () => void process.off('SIGHUP', listener);
  },
  exit: endAtOnce,
};

/**
 * `process.exit` waits for threads, and one may hang in the system for ever: in opening a named pipe that nobody reads, say.
 * A process that becomes another program has no threads to wait for, and that one does nothing but end.
 */
function endAtOnce(code: number): never {
  if (existsSync(process.execPath))
    process.execve?.(process.execPath, [process.execPath, '-e', `process.exit(${code})`], {});
  process.exit(code);
}

/** Whether a thread is at work on a file, or looks up a name. */
function isAtWork(): boolean {
  return process.getActiveResourcesInfo().some((what) => /^(?:FS|Get(?:Addr|Name)Info)Req/.test(what));
}

// A reader that has gone (`windback … | head`) is no crash.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // What else fails is for whoever writes to handle, by the callback of the write; a full disk is no defect either.
    if (error.code !== 'EPIPE' && error.code !== 'ENOSPC') throw error;
  });
}

const code = await main(process.argv.slice(2), io);
await new Promise((resolve) => process.stdout.write('', resolve));
if (isAtWork()) endAtOnce(code);
process.exit(code);
