import { afterEach, expect, it } from 'vitest';
import { askLedger, assertBalanced, bookOf } from '../support/ledger.ts';
import { OtlpSender } from '../support/otlp-sender.ts';
import { traces } from '../support/telemetry.ts';
import { freePort } from '../pipeline/workers/threads.ts';
import { start } from './windback.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

it('runs with two workers: ready when both listen, one set of metrics, and SIGTERM ends all of them', async () => {
  const [grpc, metrics, health] = [await freePort(), await freePort(), await freePort()];
  const CONFIG = `
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:${grpc}"}}}}
processors: {deployment: {}, health: {}, verdict: {}}
exporters: {debug: {}}
extensions: {health_check: {endpoint: "127.0.0.1:${health}"}}
service:
  workers: 2
  telemetry: {metrics: {endpoint: "127.0.0.1:${metrics}"}}
  pipelines:
    traces: {receivers: [otlp], processors: [deployment, health], exporters: [debug]}
    decisions: {receivers: [health], processors: [verdict], exporters: [debug]}
`;
  const child = start(['run', '--config', 'env:CONFIG'], { CONFIG });
  cleanups.push(() => child.kill('SIGKILL'));
  let stderr = '';
  child.stderr.on('data', (chunk) => (stderr += String(chunk)));
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', () => stderr.includes(' is ready: ') && resolve());
    void closed.then((code) => reject(new Error(`ended with ${code}: ${stderr}`)));
  });
  expect((await fetch(`http://127.0.0.1:${health}/readyz`)).status).toBe(200);

  const items = [{ end: Date.now() / 1000 }];
  for (let i = 0; i < 10; i++) {
    const sender = new OtlpSender(`127.0.0.1:${grpc}`);
    await sender.send(traces({ resource: { 'service.name': 'shop', 'service.version': '1' }, items }).bytes);
    sender.close();
  }
  const text = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();
  expect(text).toContain('windback_worker_threads 2\n');
  expect(text).toContain(
    'windback_receiver_accepted_items_total{receiver="otlp",transport="grpc",signal="traces"} 10\n',
  );
  expect(text.match(/^windback_process_memory_rss_bytes /gm)).toHaveLength(1);

  const ledger = await askLedger(metrics);
  assertBalanced(ledger);
  expect(bookOf(ledger, 'traces')).toMatchObject({ received: 10, accepted: 10, handed: 10 });
  const page = await (await fetch(`http://127.0.0.1:${metrics}/debug/ledger`)).text();
  expect(page).toMatch(/^Every item is accounted for\.\n\ntraces\n {2}received 10 = accepted 10 /);

  child.kill('SIGTERM');
  expect(await closed).toBe(0);
  expect(stderr).not.toContain('not accounted for');
  expect(stderr).not.toContain('worker_lost');
}, 60_000);
