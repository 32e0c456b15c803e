/** Reloads of a service of several threads that come to nothing: all is as it was before. */
import { afterEach, expect, it, vi } from 'vitest';
import { loadConfig } from '../../../pipeline/config/load.ts';
import type { WorkerPool } from '../../../pipeline/workers/pool.ts';
import { shareMemory } from '../../../pipeline/workers/shared-memory.ts';
import { sharedIds } from '../../../pipeline/workers/split.ts';
import { metrics, nanos, traces } from '../../support/telemetry.ts';
import { collected } from './extra.ts';
import { startThreads, stopAll, TABLE, type Threads } from './threads.ts';

afterEach(stopAll);

const YAML = `
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:PORT"}}}}
processors: {deployment: {}, health: {flush_interval: 100ms}, broken: {}}
exporters: {debug: {}, collect: {}}
service:
  workers: 2
  telemetry: {logs: {level: error}}
  pipelines:
    traces: {receivers: [otlp], processors: [deployment, health], exporters: [debug]}
    metrics: {receivers: [otlp], processors: [deployment, health], exporters: [debug]}
    health: {receivers: [health], exporters: [collect]}
`;
const RENAMED = YAML.replaceAll('otlp:', 'otlp/x:').replaceAll('[otlp]', '[otlp/x]');

const RESOURCE = { 'service.name': 'shop', 'service.version': '1' };

function next({ address }: Threads, yaml: string) {
  const sources = [`yaml:${yaml.replaceAll('PORT', address.split(':')[1] as string)}`];
  const loaded = loadConfig({ sources, sets: [], env: {}, readFile: () => '' }, TABLE);
  return { loaded, config: { sources, sets: [], env: {}, files: new Map<string, string>() } };
}

function reload(threads: Threads, yaml: string) {
  const { loaded, config } = next(threads, yaml);
  return threads.service.reload(loaded, config);
}

/** Resolves once new connections have come to both workers. */
async function reachBoth(threads: Threads): Promise<void> {
  const received = () => ['0', '1'].map((worker) => threads.sum('windback_worker_received_items_total', { worker }));
  const [first = 0, second = 0] = received();
  await vi.waitFor(async () => {
    await threads.sender().send(traces({ resource: RESOURCE, items: [{ end: Date.now() / 1000 }] }).bytes);
    const [one = 0, two = 0] = received();
    expect(Math.min(one - first, two - second)).toBeGreaterThan(0);
  }, 10_000);
}

it('a receiver that would get another name on its port is shared as before, and can get it later', async () => {
  const threads = await startThreads(YAML);
  const broken = RENAMED.replace('traces: {receivers: [otlp/x], processors: [', '$&broken, ');
  await expect(reload(threads, broken)).rejects.toMatchObject({ code: 'internal' });
  await reachBoth(threads);
  await reload(threads, RENAMED);
  await reachBoth(threads);
  expect(threads.lines).toEqual([]);
}, 60_000);

it('an instance of the main thread that is made anew takes again what workers leave to it', async () => {
  const threads = await startThreads(YAML);
  const renamed = YAML.replace('health: {flush', 'health/x: {flush')
    .replaceAll(', health]', ', health/x]')
    .replace('health: {receivers: [health]', 'health: {receivers: [health/x], processors: [broken]');
  await expect(reload(threads, renamed)).rejects.toMatchObject({ code: 'internal' });
  collected.splice(0);
  const now = Date.now() / 1000;
  const point = { startTimeUnixNano: nanos(now - 10), timeUnixNano: nanos(now), count: '8', sum: 1 };
  const buckets = { bucketCounts: ['0', '8', '0'], explicitBounds: [0.001, 0.1] };
  const histogram = { aggregationTemporality: 1, dataPoints: [{ ...point, ...buckets }] };
  const metric = { name: 'http.server.request.duration', unit: 's', histogram };
  await threads.sender().send(metrics({ resource: RESOURCE, items: [metric] }).bytes, 'metrics');
  await vi.waitFor(() => {
    const found = collected.flatMap(({ series }) => series).filter(({ kind }) => kind === 'metric');
    expect(found.map(({ all }) => all)).toEqual([8]);
  }, 5000);
}, 60_000);

it('a worker that was lost meanwhile leaves nothing behind, and the one in its place goes back too', async () => {
  const threads = await startThreads(YAML);
  const pool = threads.service.pool as WorkerPool;
  const before = pool.memory;
  const { loaded, config } = next(threads, RENAMED);
  const memory = shareMemory(sharedIds(loaded), 2, before);
  const { back } = await pool.reload({ config, memory });
  const parts = [before.held.get('otlp'), memory.held.get('otlp/x')].map(
    (buffer) => new Float64Array(buffer as SharedArrayBuffer),
  );
  for (const part of parts) part.set([5000, 6000]);
  await pool.threads[0]?.terminate();
  expect(parts.map((part) => [...part])).toEqual(parts.map(() => [0, 6000]));
  for (const part of parts) part.fill(0);
  await vi.waitFor(() => expect(pool.isReady).toBe(true), 10_000);

  await back();
  expect(pool.memory).toBe(before);
  await vi.waitFor(() => expect(pool.isReady).toBe(true), 10_000);
  await reachBoth(threads);
  expect(threads.sum('windback_receiver_accepted_items_total', { receiver: 'otlp/x' })).toBe(0);
}, 60_000);
