import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { main } from '../../cmd/main.ts';
import { start } from './windback.ts';

const CONFIG = `receivers: {otlp: {protocols: {grpc: {endpoint: 'localhost:0'}}}}
exporters: {debug: }
service:
  pipelines: {traces: {receivers: [otlp], exporters: [debug]}}
`;

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, 'localhost');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function run(...sets: string[]) {
  const options = sets.flatMap((set) => ['--set', set]);
  const child = start(['run', '--config', 'env:CONFIG', ...options], { CONFIG });
  cleanups.push(() => child.kill('SIGKILL'));
  let stderr = '';
  child.stderr.on('data', (chunk) => (stderr += String(chunk)));
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  const ready = new Promise<void>((resolve, reject) => {
    child.stderr.on('data', () => stderr.includes(' is ready: ') && resolve());
    void closed.then((code) => reject(new Error(`ended with ${code}: ${stderr}`)));
  });
  ready.catch(() => {});
  return { child, closed, ready, stderr: () => stderr };
}

async function ports() {
  const [metrics, health] = [await freePort(), await freePort()];
  const sets = [
    `service.telemetry.metrics.endpoint=localhost:${metrics}`,
    `extensions.health_check.endpoint=localhost:${health}`,
  ];
  return { metrics, health, sets };
}

describe('run', () => {
  it('says where it listens, serves metrics and health, and stops on SIGTERM', async () => {
    const { metrics, health, sets } = await ports();
    const { child, closed, ready, stderr } = run(...sets);
    await ready;
    expect(stderr()).toContain(
      `is ready: otlp grpc localhost:0, metrics http://localhost:${metrics}/metrics, health http://localhost:${health}/readyz`,
    );
    const text = await (await fetch(`http://localhost:${metrics}/metrics`)).text();
    expect(text).toContain('# TYPE');
    expect((await fetch(`http://localhost:${health}/readyz`)).status).toBe(200);
    child.kill('SIGTERM');
    expect(await closed).toBe(0);
  });

  it('goes on when nobody reads its stdout', async () => {
    const { health, sets } = await ports();
    const { child, closed, ready } = run(...sets);
    child.stdout.destroy();
    await ready;
    expect((await fetch(`http://localhost:${health}/livez`)).status).toBe(200);
    child.kill('SIGINT');
    expect(await closed).toBe(0);
  });

  it('remembers where it is told to, for itself alone, and lets go of it when it stops', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'windback-state-'));
    cleanups.push(() => rmSync(folder, { recursive: true }));
    const remembering = async () => {
      const { sets } = await ports();
      return run(...sets, `extensions.file_storage.directory=${folder}`, 'extensions.file_storage.timeout=0ms');
    };
    const first = await remembering();
    await first.ready;
    expect(existsSync(join(folder, 'windback.db'))).toBe(true);
    const second = await remembering();
    expect(await second.closed).toBe(1);
    expect(second.stderr()).toContain('error: the stored state is in use by another process: ');
    expect(second.stderr()).toContain('its own directory of file_storage');
    first.child.kill('SIGTERM');
    expect(await first.closed).toBe(0);
    const third = await remembering();
    await third.ready;
    third.child.kill('SIGKILL');
    await third.closed;
    await (await remembering()).ready;
  });

  it('ends although a thread hangs in the system, as in opening a pipe that nobody reads', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'windback-pipe-'));
    cleanups.push(() => rmSync(folder, { recursive: true }));
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const { health, sets } = await ports();
    const piped = [`exporters.file.path=${pipe}`, 'service.pipelines.traces.exporters=[file]'];
    const { child, closed } = run(...sets, ...piped, 'service.shutdown_timeout=500ms');
    const isAlive = async () => expect((await fetch(`http://localhost:${health}/livez`)).status).toBe(200);
    await vi.waitFor(isAlive, { timeout: 20_000, interval: 100 });
    child.kill('SIGTERM');
    expect(await closed).toBe(0);
  });

  it('names a port that is taken, and the key to change', async () => {
    const { sets, metrics } = await ports();
    const other = createServer().listen(metrics, 'localhost');
    cleanups.push(() => other.close());
    await new Promise((resolve) => other.once('listening', resolve));
    const { closed, stderr } = run(...sets);
    expect(await closed).toBe(1);
    expect(stderr()).toContain(
      `error: the address is already in use: localhost:${metrics} (service.telemetry.metrics.endpoint); stop the other process or choose another endpoint`,
    );
  });
});

it('ends at once on a second signal', async () => {
  const { sets } = await ports();
  const listeners: ((signal: NodeJS.Signals) => void)[] = [];
  const exits: number[] = [];
  const stderr = new PassThrough({ encoding: 'utf8' });
  let messages = '';
  stderr.on('data', (text: string) => (messages += text));
  const io = {
    stdout: process.stdout,
    stderr: stderr as unknown as NodeJS.WriteStream,
    env: { CONFIG },
    onSignal: (listener: (signal: NodeJS.Signals) => void) => {
      listeners.push(listener);
      return () => {};
    },
    onHangUp: () => () => {},
    exit: (code: number) => exits.push(code) as never,
  };
  const ended = main(['run', '--config', 'env:CONFIG', ...sets.flatMap((set) => ['--set', set])], io);
  await vi.waitFor(() => expect(messages).toContain(' is ready: '), 10_000);
  listeners[0]?.('SIGTERM');
  expect(exits).toEqual([]);
  // The same Ctrl-C once more, by way of npm.
  listeners[0]?.('SIGTERM');
  expect(exits).toEqual([]);
  const now = performance.now();
  const later = vi.spyOn(performance, 'now').mockReturnValue(now + 1000);
  listeners[0]?.('SIGTERM');
  later.mockRestore();
  expect(exits).toEqual([1]);
  expect(await ended).toBe(0);
});
