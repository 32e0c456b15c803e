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
import { WorkerPool } from '../../../pipeline/workers/pool.ts';
import { shareMemory } from '../../../pipeline/workers/shared-memory.ts';
import { recordingLogger } from '../../support/context.ts';
import { startThreads, stopAll } from './threads.ts';

afterEach(stopAll);

/** A worker that finds fault with every configuration: the first one at once, others later, and those say so before. */
const PICKY = `
import { parentPort, workerData } from 'node:worker_threads';
const error = { code: 'config', detail: 'not this one' };
const told = { kind: 'batch', call: 1, target: 'checked', batch: { signal: 'health', items: 0, deltas: [] } };
parentPort.on('message', ({ kind }) => {
  if (kind === 'start') parentPort.postMessage({ kind: 'ready' });
  if (kind === 'check' && workerData.index === 0) parentPort.postMessage({ kind: 'done', error });
  else if (kind === 'check')
    setTimeout(() => [told, { kind: 'done', error }].forEach((one) => parentPort.postMessage(one)), 200);
  if (kind !== 'stop') return;
  parentPort.postMessage({ kind: 'stopped', isClean: true });
  parentPort.close();
});
`;

test('a configuration that one worker finds wrong is refused once all have looked at it', async () => {
  const config: ConfigTexts = { sources: [], sets: [], env: {}, files: new Map() };
  const memory = shareMemory([], 2);
  const deliver = vi.fn<() => Promise<void>>(async () => {});
  const pool = new WorkerPool({
    config,
    memory,
    entry: new URL(`data:text/javascript,${encodeURIComponent(PICKY)}`),
    deliver,
    roles: new Roles(),
    clock: new SystemClock(),
    logger: recordingLogger().logger,
    meter: new Meter(METRICS),
  });
  await pool.start();
  for (const times of [1, 2]) {
    await expect(pool.reload({ config, memory })).rejects.toMatchObject({ code: 'config' });
    expect(deliver).toHaveBeenCalledTimes(times);
  }
  expect(await pool.stop(1000)).toBe(true);
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
