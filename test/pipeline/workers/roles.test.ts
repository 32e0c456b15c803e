import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { logs, traces } from '../../support/telemetry.ts';
import { collected } from './extra.ts';
import { startThreads, stopAll, type Threads } from './threads.ts';

const folder = mkdtempSync(join(tmpdir(), 'windback-roles-'));
const FILE = join(folder, 'traces.jsonl');
afterEach(stopAll);
afterAll(() => rmSync(folder, { recursive: true }));

const YAML = `
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:PORT"}}}}
processors: {deployment: {}, health: {flush_interval: 100ms}}
exporters: {collect: {}, file: {path: ${FILE}}, debug: {}}
service:
  workers: 2
  telemetry: {logs: {level: error}}
  pipelines:
    traces: {receivers: [otlp], processors: [deployment, health], exporters: [file, debug]}
    logs: {receivers: [otlp], processors: [deployment, health], exporters: [debug]}
    health: {receivers: [health], exporters: [collect]}
`;

function span(version: string): Uint8Array {
  const resource = { 'service.name': 'shop', 'service.version': version };
  return traces({ resource, items: [{ end: Date.now() / 1000 }] }).bytes;
}

const deployed = () =>
  logs({
    resource: { 'service.name': 'shop' },
    items: [
      {
        time: Date.now() / 1000,
        eventName: 'deployment',
        attributes: { 'service.version': '2', 'deployment.previous_version': '1', 'deployment.status': 'started' },
      },
    ],
  }).bytes;

/** Sends spans of version 2 until both workers have had some more, and gives the roles that were written meanwhile. */
async function rolesWritten(threads: Threads): Promise<Set<string>> {
  const received = () => ['0', '1'].map((worker) => threads.sum('windback_worker_received_items_total', { worker }));
  const before = received();
  const known = lines().length;
  while (received().some((now, i) => now === before[i])) {
    const sender = threads.sender();
    await sender.send(span('2'));
    sender.close();
  }
  const written = lines().slice(known);
  return new Set(written.map((line) => /"deployment.role","value":\{"stringValue":"(\w+)"/.exec(line)?.[1] ?? 'none'));
}

function lines(): string[] {
  return readFileSync(FILE, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
}

test('what a deployment event tells one worker, and what the judge knows, reaches all taggers, new ones too', async () => {
  const threads = await startThreads(YAML);
  expect(await rolesWritten(threads)).toEqual(new Set(['none']));

  await threads.sender().send(deployed(), 'logs');
  await vi.waitFor(() => expect(threads.service.roles.of('/shop/', '2')).toBe('candidate'));
  await vi.waitFor(() => expect(collected.flatMap(({ events }) => events)).toHaveLength(1));
  await vi.waitFor(async () => expect(await rolesWritten(threads)).toEqual(new Set(['candidate'])), 10_000);

  await threads.service.pool?.threads[0]?.terminate();
  await vi.waitFor(() => expect(threads.service.state).toBe('ready'), 20_000);
  expect(await rolesWritten(threads)).toEqual(new Set(['candidate']));

  // The judge sees the rollout end.
  threads.service.roles.end('/shop/');
  await vi.waitFor(async () => expect(await rolesWritten(threads)).toEqual(new Set(['none'])), 10_000);

  // The file has one writer, the main thread's; what came was written once, and counted once.
  expect(threads.sum('windback_exporter_sent_items_total', { exporter: 'file' })).toBe(lines().length);
  expect(lines()).toHaveLength(threads.sum('windback_receiver_accepted_items_total', { signal: 'traces' }));
}, 60_000);
