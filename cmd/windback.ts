#!/usr/bin/env node
/** The program. The only file that ends the process. */
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
  exit: (code) => process.exit(code),
};

// A reader that has gone (`windback … | head`) is no crash.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // What else fails is for whoever writes to handle, by the callback of the write; a full disk is no defect either.
    if (error.code !== 'EPIPE' && error.code !== 'ENOSPC') throw error;
  });
}

const code = await main(process.argv.slice(2), io);
await new Promise((resolve) => process.stdout.write('', resolve));
process.exit(code);
