#!/usr/bin/env node
// What `npx windback` starts. Windback is TypeScript that Node.js 24 runs as it is; an older Node.js hands over to the
// one that `npm ci` brings along. This file must parse on any of them.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const NEEDED = 24;
const program = fileURLToPath(new URL('./windback.ts', import.meta.url));
const brought = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url));

if (Number(process.versions.node.split('.')[0]) >= NEEDED) {
  await import('./windback.ts');
} else if (existsSync(brought)) {
  const child = spawn(brought, [program, ...process.argv.slice(2)], { stdio: 'inherit' });
  // The terminal sends Ctrl-C to both; only what was sent to this process alone is passed on.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === null ? 1 : 130);
  });
} else {
  process.stderr.write(
    `windback needs Node.js ${NEEDED} or later, this is ${process.version}; run npm ci, which brings it along\n`,
  );
  process.exitCode = 1;
}
