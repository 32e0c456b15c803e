/** Reloads of a service of several threads with queues on disk: each thread keeps to what is its own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, it } from 'vitest';
import { loadConfig } from '../../../pipeline/config/load.ts';
import { traces } from '../../support/telemetry.ts';
import { startThreads, stopAll, TABLE, type Threads } from './threads.ts';

const folder = mkdtempSync(join(tmpdir(), 'windback-reload-disk-'));
writeFileSync(join(folder, 'none.jsonl'), '');

afterEach(stopAll);
afterAll(() => rmSync(folder, { recursive: true }));

/** At first nothing but a file feeds the exporter, so that the main thread alone runs it. */
const YAML = `
extensions: {file_storage: {directory: ${folder}, fsync: false}}
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:PORT"}}}, otlp_file: {include: ["${folder}/none.jsonl"]}}
exporters:
  debug: {}
  otlp: {endpoint: "127.0.0.1:1", tls: {insecure: true}, timeout: 1s, sending_queue: {storage: file_storage}}
service:
  workers: 2
  telemetry: {logs: {level: error}}
  pipelines:
    traces: {receivers: [otlp], exporters: [debug]}
    traces/file: {receivers: [otlp_file], exporters: [otlp]}
`;

function reload(threads: Threads, timeout: string) {
  return reloadTo(
    threads,
    YAML.replace('timeout: 1s', `timeout: ${timeout}`).replace('exporters: [debug]', 'exporters: [otlp]'),
  );
}

function reloadTo({ service, address }: Threads, text: string) {
  const sources = [`yaml:${text.replaceAll('PORT', address.split(':')[1] as string)}`];
  const loaded = loadConfig({ sources, sets: [], env: {}, readFile: () => '' }, TABLE);
  return service.reload(loaded, { sources, sets: [], env: {}, files: new Map<string, string>() });
}

it('the main thread leaves alone what workers write for an exporter that it alone had at the start', async () => {
  const threads = await startThreads(YAML);
  await reload(threads, '2s');
  const resource = { 'service.name': 'shop' };
  for (let i = 0; i < 4; i++)
    await threads.sender().send(traces({ resource, items: [{ end: Date.now() / 1000 }] }).bytes);
  await reload(threads, '3s');
  expect(threads.sum('windback_exporter_restored_items_total', { exporter: 'otlp' })).toBe(4);
}, 60_000);

it.each([
  { from: 'the main thread to workers', first: ['debug', 'otlp'], next: ['otlp', 'debug'] },
  { from: 'workers to the main thread', first: ['otlp', 'debug'], next: ['debug', 'otlp'] },
])(
  'a queue on disk does not go over from $from while they run: a restart is asked for',
  async ({ first, next }) => {
    const feeding = ([network, file]: string[]) =>
      YAML.replace('exporters: [debug]', `exporters: [${network}]`).replace(
        'receivers: [otlp_file], exporters: [otlp]',
        `receivers: [otlp_file], exporters: [${file}]`,
      );
    const threads = await startThreads(feeding(first));
    const refused = { code: 'reload_needs_restart', message: expect.stringContaining('exporters.otlp') };
    await expect(reloadTo(threads, feeding(next))).rejects.toMatchObject(refused);
    // Not by a way round either: what it left may still be written.
    await reloadTo(threads, feeding(['debug', 'debug']));
    await expect(reloadTo(threads, feeding(next))).rejects.toMatchObject(refused);
    await reloadTo(threads, feeding(first));
  },
  60_000,
);
