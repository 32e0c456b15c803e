/** The pool with workers that answer late, or not at all. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { SystemClock } from '../../../pipeline/clock.ts';
import { Roles } from '../../../pipeline/roles.ts';
import { Meter } from '../../../pipeline/telemetry/meter.ts';
import { METRICS } from '../../../pipeline/telemetry/metrics-table.ts';
import type { ConfigTexts } from '../../../pipeline/workers/messages.ts';
import { type PoolParts, WorkerPool } from '../../../pipeline/workers/pool.ts';
import { shareMemory } from '../../../pipeline/workers/shared-memory.ts';
import { recordingLogger } from '../../support/context.ts';
import { startThreads, stopAll } from './threads.ts';

afterEach(stopAll);

/** A worker that finds fault with every configuration: the first one at once, others later, and those say so before. */
const PICKY = `
import { parentPort, workerData } from 'node:worker_threads';
const error = { code: 'config', detail: 'not this one' };
const told = { kind: 'batch', call: 1, target: 'checked', batch: { signal: 'health', items: 0, deltas: [] } };
parentPort.on('message', ({ kind, question }) => {
  if (kind === 'start') parentPort.postMessage({ kind: 'ready' });
  if (kind === 'check' && workerData.index === 0) parentPort.postMessage({ kind: 'done', question, error });
  else if (kind === 'check')
    setTimeout(() => [told, { kind: 'done', question, error }].forEach((one) => parentPort.postMessage(one)), 200);
  if (kind !== 'stop') return;
  parentPort.postMessage({ kind: 'stopped', isClean: true });
  parentPort.close();
});
`;

const CONFIG: ConfigTexts = { sources: [], sets: [], env: {}, files: new Map() };
const PROGRAM = { config: CONFIG, memory: shareMemory([], 2) };

function poolOf(program: string, parts: Partial<PoolParts> = {}): WorkerPool {
  return new WorkerPool({
    ...PROGRAM,
    entry: new URL(`data:text/javascript,${encodeURIComponent(program)}`),
    deliver: async () => {},
    roles: new Roles(),
    clock: new SystemClock(),
    logger: recordingLogger().logger,
    meter: new Meter(METRICS),
    ...parts,
  });
}

test('a configuration that one worker finds wrong is refused once all have looked at it', async () => {
  const deliver = vi.fn<() => Promise<void>>(async () => {});
  const pool = poolOf(PICKY, { deliver });
  await pool.start();
  for (const times of [1, 2]) {
    await expect(pool.reload(PROGRAM)).rejects.toMatchObject({ code: 'config' });
    expect(deliver).toHaveBeenCalledTimes(times);
  }
  expect(await pool.stop(1000)).toBe(true);
}, 20_000);

/** Two workers of which the second one answers what it is asked first with the next question. */
const SLOW = `
import { parentPort, workerData } from 'node:worker_threads';
const unanswered = [];
const done = (question, error) => parentPort.postMessage({ kind: 'done', question, error });
parentPort.on('message', ({ kind, question }) => {
  if (kind === 'start') parentPort.postMessage({ kind: 'ready' });
  if (kind === 'check' && workerData.index === 1 && unanswered.push(question) === 1) return;
  if (kind === 'check') done(unanswered[0], { code: 'config', detail: 'the one before' });
  if (kind === 'check' || kind === 'swap') done(question);
  if (kind !== 'stop') return;
  parentPort.postMessage({ kind: 'stopped', isClean: true });
  parentPort.close();
});
`;

/** Pauses are over a hundred times as soon. */
class HastyClock extends SystemClock {
  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return super.sleep(ms / 100, signal);
  }
}

test('a worker that does not look at a configuration keeps nobody waiting, and what it says later is no answer', async () => {
  const pool = poolOf(SLOW, { clock: new HastyClock() });
  await pool.start();
  await expect(pool.reload(PROGRAM)).rejects.toMatchObject({ code: 'worker_silent' });
  expect(pool.isReady).toBe(true);
  await pool.reload(PROGRAM);
  expect(await pool.stop(100_000)).toBe(true);
}, 20_000);

test('a worker that does not tell of its load keeps no round waiting', async () => {
  const meter = new Meter(METRICS);
  const pool = poolOf(SLOW, { clock: new HastyClock(), meter });
  await pool.start();
  await pool.round();
  expect(meter.read('windback_worker_busy_ratio')).toHaveLength(2);
  expect(await pool.stop(100_000)).toBe(true);
}, 20_000);

const YAML = `
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:PORT"}}}}
processors: {hanging: {where: FILE}}
exporters: {debug: {}}
service:
  workers: 2
  pipelines: {traces: {receivers: [otlp], processors: [hanging], exporters: [debug]}}
`;

test('a worker that hangs as it is started again is ended with the others, in time', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'windback-pool-'));
  const file = join(folder, 'hang');
  const threads = await startThreads(YAML.replace('FILE', file));
  const { pool } = threads.service;
  writeFileSync(file, '');
  await pool?.threads[0]?.terminate();
  await vi.waitFor(() => expect(pool?.threads).toHaveLength(2), 5000);
  const other = vi.spyOn(pool?.threads[1] as object as { stop(): Promise<boolean> }, 'stop');
  const began = performance.now();
  expect(await threads.service.stop(300)).toBe(false);
  expect(performance.now() - began).toBeLessThan(5000);
  expect(pool?.threads).toEqual([]);
  expect(await other.mock.results[0]?.value).toBe(true);
  rmSync(folder, { recursive: true });
}, 30_000);

test('a worker that is just being started again stops in good order', async () => {
  const threads = await startThreads(YAML.replace('FILE', '/nowhere'));
  const { pool } = threads.service;
  await pool?.threads[0]?.terminate();
  await vi.waitFor(() => expect(pool?.threads).toHaveLength(2), 5000);
  expect(pool?.isReady).toBe(false);
  expect(await threads.service.stop(5000)).toBe(true);
  expect(threads.sum('windback_worker_lost_total')).toBe(1);
}, 30_000);
