/** Reloads of a service of several threads. */
import { afterEach, expect, it, vi } from 'vitest';
import { loadConfig } from '../../../pipeline/config/load.ts';
import { traces } from '../../support/telemetry.ts';
import { startThreads, stopAll, TABLE, type Threads } from './threads.ts';

afterEach(stopAll);

const YAML = `
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:PORT"}}}}
processors: {deployment: {}, health: {flush_interval: 100ms}, verdict: {}}
exporters: {debug: {}}
service:
  workers: 2
  pipelines:
    traces: {receivers: [otlp], processors: [deployment, health], exporters: [debug]}
`;
const JUDGED = `${YAML}    decisions: {receivers: [health], processors: [verdict], exporters: [debug]}\n`;

async function reload({ service, address }: Threads, yaml: string) {
  const sources = [`yaml:${yaml.replaceAll('PORT', address.split(':')[1] as string)}`];
  const loaded = loadConfig({ sources, sets: [], env: {}, readFile: () => '' }, TABLE);
  return service.reload(loaded, { sources, sets: [], env: {}, files: new Map() });
}

async function send(threads: Threads, connections = 8): Promise<void> {
  for (let i = 0; i < connections; i++) {
    const sender = threads.sender();
    await sender.send(
      traces({ resource: { 'service.name': 'shop', 'service.version': '1' }, items: [{ end: Date.now() / 1000 }] })
        .bytes,
    );
  }
}

it('what workers come to hand over for the first time is taken, and no more once nobody wants it', async () => {
  const threads = await startThreads(YAML);
  await send(threads);
  const cohorts = () => threads.sum('windback_verdict_cohorts');
  for (let i = 0; i < 2; i++) {
    expect(await reload(threads, JUDGED)).toMatchObject({ started: expect.arrayContaining(['verdict']) });
    await send(threads);
    await vi.waitFor(async () => {
      await threads.meter.text();
      expect(cohorts()).toBe(1);
    });
    expect(await reload(threads, YAML)).toMatchObject({ stopped: expect.arrayContaining(['verdict']) });
    await send(threads);
  }
  const { lines } = threads;
  expect(lines.filter(({ level }) => (level as number) >= 40)).toEqual([]);
  expect(threads.sum('windback_processor_dropped_items_total')).toBe(0);
  expect(threads.sum('windback_exporter_sent_items_total', { exporter: 'debug', signal: 'traces' })).toBe(40);
}, 60_000);

it('a worker that is started again runs what was reloaded', async () => {
  const threads = await startThreads(YAML);
  await reload(threads, JUDGED);
  await Promise.all(threads.service.pool?.threads.map((thread) => thread.terminate()) ?? []);
  await vi.waitFor(() => expect(threads.service.state).toBe('ready'), 10_000);
  await send(threads);
  await vi.waitFor(async () => {
    await threads.meter.text();
    expect(threads.sum('windback_verdict_cohorts')).toBe(1);
  });
}, 60_000);

it('while a worker is being started again nothing is reloaded', async () => {
  const threads = await startThreads(YAML);
  await threads.service.pool?.threads[0]?.terminate();
  await expect(reload(threads, JUDGED)).rejects.toMatchObject({ code: 'worker_lost' });
});

it('a configuration without a receiver that threads can share needs a restart', async () => {
  const threads = await startThreads(YAML);
  const yaml = YAML.replace(/receivers: \{otlp.*\n/, 'receivers: {otlp_file: {include: [/dev/null]}}\n').replace(
    '[otlp]',
    '[otlp_file]',
  );
  await expect(reload(threads, yaml)).rejects.toMatchObject({ code: 'reload_needs_restart' });
  await send(threads);
});
