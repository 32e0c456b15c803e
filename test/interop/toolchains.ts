/** Runs once, before and after all tests: brings the clients that are not npm packages, and says what was left out. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';
import type { Tool } from './tool.ts';

/** Needs Go 1.26. */
const TELEMETRYGEN_VERSION = 'v0.161.0';
const TELEMETRYGEN = 'github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen';
const H2SPEC_VERSION = 'v2.2.1+incompatible';
const H2SPEC = 'github.com/summerwind/h2spec/cmd/h2spec';
const REQUIREMENTS = join(import.meta.dirname, 'python/requirements.txt');
/** Not among the sources: what is built here is large, and depends on the machine. */
const CACHE = join(import.meta.dirname, '../../node_modules/.cache/windback-interop');
const INSTALL_MS_MAX = 15 * 60_000;
const PROGRESS_MS = 15_000;

export default async function setup(project: TestProject): Promise<() => void> {
  await mkdir(CACHE, { recursive: true });
  const [python, telemetrygen, h2spec] = await Promise.all([
    attempt(installPython),
    attempt(() => installGo('telemetrygen', TELEMETRYGEN, TELEMETRYGEN_VERSION)),
    attempt(() => installGo('h2spec', H2SPEC, H2SPEC_VERSION)),
  ]);
  project.provide('python', python);
  project.provide('telemetrygen', telemetrygen);
  project.provide('h2spec', h2spec);
  return () => {
    sayLeftOut('the OpenTelemetry SDK of Python (gRPC, HTTP/protobuf)', python);
    sayLeftOut('telemetrygen, the Go client (gRPC, HTTP/protobuf)', telemetrygen);
    sayLeftOut('h2spec, the conformance of HTTP/2', h2spec);
  };
}

function sayLeftOut(what: string, tool: Tool): void {
  if ('missing' in tool) say(`LEFT OUT: ${what} because ${tool.missing}`);
}

async function attempt(install: () => Promise<string>): Promise<Tool> {
  try {
    return { path: await install() };
  } catch (error) {
    const missing = (error as Error).message;
    say(`interop: ${missing}`);
    return { missing };
  }
}

/** An environment per version of Python and of the requirements. */
async function installPython(): Promise<string> {
  const version = await run('python3', ['-c', 'import sys; print(sys.prefix, sys.version)']);
  const key = createHash('sha256')
    .update(version)
    .update(await readFile(REQUIREMENTS))
    .digest('hex');
  const folder = join(CACHE, `python-${key.slice(0, 12)}`);
  const python = join(folder, 'bin/python');
  const complete = join(folder, 'complete');
  if (existsSync(complete)) return python;
  await reporting('installing the OpenTelemetry SDK of Python', async () => {
    await run('python3', ['-m', 'venv', '--clear', folder]);
    await run(python, ['-m', 'pip', 'install', '--quiet', '--no-input', '--requirement', REQUIREMENTS]);
  });
  await writeFile(complete, version);
  return python;
}

async function installGo(name: string, from: string, version: string): Promise<string> {
  const folder = join(CACHE, `${name}-${version}`);
  const binary = join(folder, name);
  if (existsSync(binary)) return binary;
  await run('go', ['version']);
  await reporting(`building ${name} ${version}, which can take minutes the first time`, () =>
    run('go', ['install', `${from}@${version}`], { GOBIN: folder, CGO_ENABLED: '0' }),
  );
  return binary;
}

/** What the command printed. Rejects with a message that can follow "because". */
async function run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  try {
    const options = { cwd: tmpdir(), env: { ...process.env, ...env }, timeout: INSTALL_MS_MAX };
    return (await promisify(execFile)(command, args, options)).stdout;
  } catch (error) {
    const { code, killed, stderr } = error as { code?: unknown; killed?: boolean; stderr?: string };
    if (code === 'ENOENT') throw new Error(`${command} is missing`, { cause: error });
    const why = killed === true ? `took over ${INSTALL_MS_MAX / 60_000} minutes` : (stderr ?? '').trim();
    throw new Error(`what it needs is missing: ${command} ${args.join(' ')} failed: ${why}`, { cause: error });
  }
}

async function reporting(what: string, work: () => Promise<unknown>): Promise<void> {
  const startMs = Date.now();
  const elapsedS = () => Math.round((Date.now() - startMs) / 1000);
  say(`interop: ${what}`);
  const timer = setInterval(() => say(`interop: still ${what} (${elapsedS()} s)`), PROGRESS_MS);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  say(`interop: done ${what} (${elapsedS()} s)`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
