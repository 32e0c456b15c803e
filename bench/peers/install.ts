/** Builds and installs the peers, pinned, into a folder that git ignores. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SystemName } from './system.ts';

export const COLLECTOR_VERSION = '0.161.0';
export const ROTEL_VERSION = '0.0.1a15';

const CACHE = join(import.meta.dirname, '../../node_modules/.cache/windback-peers');
const MANIFEST = join(import.meta.dirname, 'builder.yaml');
const BUILT_MANIFEST = join(CACHE, 'builder.yaml');
const BUILDER = join(CACHE, 'bin/builder');
const ROTEL = join(CACHE, `rotel-${ROTEL_VERSION}`);
const BEAT_MS = 15_000;

export const COLLECTOR = join(CACHE, 'collector/otelcol-peer');

/** Where pip puts it; undefined where it is not installed. */
export function rotelBinary(): string | undefined {
  return globSync(join(ROTEL, 'lib/python3*/site-packages/rotel/rotel-agent'))[0];
}

export function isInstalled(name: SystemName): boolean {
  if (name === 'windback') return true;
  if (name === 'rotel') return rotelBinary() !== undefined;
  return existsSync(COLLECTOR) && existsSync(BUILT_MANIFEST) && isSame(MANIFEST, BUILT_MANIFEST);
}

/** Installs it where it is not; why that was not possible, where it was not. */
export async function install(name: SystemName, say: (line: string) => void): Promise<string | undefined> {
  if (isInstalled(name)) return undefined;
  mkdirSync(CACHE, { recursive: true });
  try {
    if (name === 'collector') await buildCollector(say);
    else await installRotel(say);
    return isInstalled(name) ? undefined : 'it was installed, but is not where it should be';
  } catch (thrown) {
    return (thrown as Error).message;
  }
}

async function buildCollector(say: (line: string) => void): Promise<void> {
  if (!isThere('go', 'version')) throw new Error('it is built with Go, and there is no go here (https://go.dev/dl)');
  const env = { GOBIN: join(CACHE, 'bin'), CGO_ENABLED: '0' };
  if (!existsSync(BUILDER)) {
    say('collector: building its builder, the first time only');
    await run('go', ['install', `go.opentelemetry.io/collector/cmd/builder@v${COLLECTOR_VERSION}`], env, say);
  }
  say('collector: building it, the first time only; some minutes');
  const manifest = readFileSync(MANIFEST);
  const next = join(CACHE, 'builder.next.yaml');
  writeFileSync(next, manifest);
  await run(BUILDER, ['--config', next], env, say);
  // Last, so that a build that was cut short is not taken for one.
  writeFileSync(BUILT_MANIFEST, manifest);
}

async function installRotel(say: (line: string) => void): Promise<void> {
  if (!isThere('python3', '--version')) throw new Error('it is installed with pip, and there is no python3 here');
  say('rotel: installing it, the first time only');
  await run('python3', ['-m', 'venv', ROTEL], {}, say);
  const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--quiet', `rotel==${ROTEL_VERSION}`];
  await run(join(ROTEL, 'bin/python'), pip, {}, say);
}

function isThere(command: string, question: string): boolean {
  return spawnSync(command, [question], { stdio: 'ignore' }).status === 0;
}

function isSame(one: string, other: string): boolean {
  return readFileSync(one).equals(readFileSync(other));
}

/** Runs a command to its end, saying now and then that it is still at it. */
function run(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  say: (line: string) => void,
): Promise<void> {
  const started = performance.now();
  const child = spawn(command, args, {
    cwd: CACHE,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let last = '';
  const read = (chunk: Buffer): void => {
    const lines = chunk.toString().trimEnd().split('\n');
    for (const line of lines) last = line.trim() === '' ? last : line;
  };
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  const seconds = (): string => `${Math.round((performance.now() - started) / 1000)} s`;
  const beat = setInterval(() => say(`  ${seconds()}: ${last}`), BEAT_MS);
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(error));
    child.once('exit', (code) => {
      clearInterval(beat);
      if (code === 0) resolve();
      else reject(new Error(`${command} ${args[0]} failed after ${seconds()}: ${last}`));
    });
  });
}
