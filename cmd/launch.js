#!/usr/bin/env node
// What `npx windback` starts: the bundle, where there is one of just these sources (`npm run build`), else the sources,
// TypeScript that Node.js 24 runs as it is. An older Node.js hands over to the one that `npm ci` brings along. This file
// must parse on any of them.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const NEEDED = 24;
const ROOT = new URL('../', import.meta.url);
const SOURCE = new URL('cmd/windback.ts', ROOT);
const BROUGHT = fileURLToPath(new URL('node_modules/node/bin/node', ROOT));

if (Number(process.versions.node.split('.')[0]) >= NEEDED) {
  returnFreedMemory();
  await import((bundle() ?? SOURCE).href);
} else if (existsSync(BROUGHT)) {
  await handOver();
} else {
  process.stderr.write(
    `windback needs Node.js ${NEEDED} or later, this is ${process.version}; run npm ci, which brings it along\n`,
  );
  process.exitCode = 1;
}

/**
 * Begins anew, as the same process, with a setting of glibc that can only be given at the start. Once blocks of some size
 * have been freed, glibc keeps such memory for later instead of returning it to the system, in pieces between others: after
 * a load, or one stall of a destination, a process stays several times as large as it needs to be, for good. A threshold
 * that is given does not move. Only what stays is worth the 40 ms (docs/decisions/0005-startup-and-memory.md).
 */
function returnFreedMemory() {
  const [, , command = ''] = process.argv;
  const isRun = command === 'run' || (command.startsWith('-') && !/^(-h|--help|-v|--version)$/.test(command));
  if (!isRun || process.platform !== 'linux' || 'MALLOC_MMAP_THRESHOLD_' in process.env) return;
  const env = { ...process.env, MALLOC_MMAP_THRESHOLD_: String(128 * 1024) };
  process.execve?.(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1)], env);
}

/** The bundle; undefined where there is none, or something that went into it is no longer as it was. */
function bundle() {
  let manifest;
  try {
    manifest = JSON.parse(readFileSync(new URL('dist/manifest.json', ROOT), 'utf8'));
  } catch {
    return undefined;
  }
  const { folder, inputs } = manifest;
  const program = new URL(`dist/${folder}/windback.js`, ROOT);
  if (!existsSync(program)) return undefined;
  // Without the sources beside it, a bundle is what there is.
  return !existsSync(SOURCE) || inputs.every(isSame) ? program : undefined;
}

/** Whether a file is what was bundled: by size and time, or else, as after copying, by its content. */
function isSame({ path, bytes, mtimeMs, sha256 }) {
  const file = new URL(path, ROOT);
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) return path.startsWith('node_modules/');
  if (found.size !== bytes) return false;
  if (found.mtimeMs === mtimeMs) return true;
  const { createHash } = process.getBuiltinModule('node:crypto');
  return createHash('sha256').update(readFileSync(file)).digest('hex') === sha256;
}

async function handOver() {
  const { spawn } = await import('node:child_process');
  const child = spawn(BROUGHT, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  // The terminal sends Ctrl-C to both; only what was sent to this process alone is passed on.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === null ? 1 : 130);
  });
}
