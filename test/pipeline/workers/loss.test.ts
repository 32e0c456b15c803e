import { afterEach, describe, expect, test, vi } from 'vitest';
import type { AccountRow } from '../../../pipeline/ledger/view.ts';
import { assertBalanced, assertSettled, bookOf } from '../../support/ledger.ts';
import { traces } from '../../support/telemetry.ts';
import { startThreads, stopAll, type Threads } from './threads.ts';

afterEach(stopAll);

const YAML = `
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:PORT"}}}}
processors: {deployment: {}, fragile: {}, health: {flush_interval: 1h}}
exporters: {collect: {}, stuck: {}, debug: {}}
service:
  workers: 2
  shutdown_timeout: 1s
  telemetry: {logs: {level: error}}
  pipelines:
    traces: {receivers: [otlp], processors: [deployment, fragile, health], exporters: [stuck]}
    logs: {receivers: [otlp], processors: [deployment, health], exporters: [debug]}
    health: {receivers: [health], exporters: [collect]}
`;
const SPANS = 10;

function request(service = 'shop'): Uint8Array {
  const items = Array.from({ length: SPANS }, () => ({ end: Date.now() / 1000 }));
  return traces({ resource: { 'service.name': service, 'service.version': '1' }, items }).bytes;
}

/** Sends until both workers have something. Returns how many spans. */
async function feedBoth(threads: Threads): Promise<number> {
  let spans = 0;
  const received = (worker: string) => threads.sum('windback_worker_received_items_total', { worker });
  while (received('0') === 0 || received('1') === 0) {
    await threads.sender().send(request());
    spans += SPANS;
  }
  return spans;
}

const loses = {
  'is ended from outside': async (threads: Threads) => {
    await threads.service.pool?.threads[0]?.terminate();
  },
  'throws where nobody catches': async (threads: Threads) => {
    const sender = threads.sender();
    // The answer may be lost with the worker, and then it is sent again, to the other one, which goes the same way.
    void sender.send(request('bomb')).catch(() => {});
    await vi.waitFor(() => expect(threads.sum('windback_worker_lost_total')).toBeGreaterThan(0), 10_000);
    sender.close();
  },
};

describe.each(Object.entries(loses))('a worker that %s', (_name, lose) => {
  test('takes nobody with it, is counted and started again; its own counters stay', async () => {
    const threads = await startThreads(YAML);
    const spans = await feedBoth(threads);
    const had = ['0', '1'].map((worker) => threads.sum('windback_worker_received_items_total', { worker }));
    await lose(threads);
    await vi.waitFor(() => expect(threads.sum('windback_worker_lost_total')).toBeGreaterThan(0), 10_000);
    expect(threads.service.state).toBe('starting');
    // The other one goes on meanwhile.
    await threads.sender().send(request());
    await vi.waitFor(() => expect(threads.service.state).toBe('ready'), 20_000);

    // What was in queues and had been folded there is lost, and said so; what the other one had is not.
    const lost = threads.sum('windback_exporter_dropped_items_total', { reason: 'worker_lost' });
    expect(threads.sum('windback_health_ignored_items_total', { reason: 'worker_lost' })).toBeGreaterThan(0);
    expect(lost).toBeGreaterThan(0);
    const ledger = await threads.service.ledger();
    assertBalanced(ledger);
    // The exporter delivers nothing: what it accepted is lost, or waits with the other worker.
    const account = bookOf(ledger, 'traces').exporters[0] as AccountRow;
    expect([account.dropped, account.accepted]).toEqual([{ worker_lost: lost }, lost + account.queued]);
    expect(account.queued).toBe(threads.sum('windback_health_unsent_items'));
    const accepted = threads.sum('windback_receiver_accepted_items_total');
    expect(accepted).toBeGreaterThanOrEqual(spans + SPANS);
    for (const [i, before] of had.entries()) {
      const now = threads.sum('windback_worker_received_items_total', { worker: String(i) });
      expect(now).toBeGreaterThanOrEqual(before);
    }
    const told = threads.lines.find(({ code }) => code === 'worker_lost');
    expect(told?.todo).toMatch(/started again/);

    // It is back: connections come to both again.
    const seen = () => ['0', '1'].map((worker) => threads.sum('windback_worker_received_items_total', { worker }));
    const [first = 0, second = 0] = seen();
    await vi.waitFor(async () => {
      await threads.sender().send(request());
      const [one = 0, two = 0] = seen();
      expect(Math.min(one - first, two - second)).toBeGreaterThan(0);
    }, 10_000);
  }, 60_000);
});

describe('stopping', () => {
  test('delivers what was folded, and says what was left in queues', async () => {
    const threads = await startThreads(YAML);
    const spans = await feedBoth(threads);
    const { collected } = await import('./extra.ts');
    collected.splice(0);
    // The exporter of spans is stuck: what it has cannot be delivered.
    expect(await threads.service.stop(500)).toBe(false);
    const ledger = await threads.service.ledger();
    assertSettled(ledger);
    expect(bookOf(ledger, 'traces').accepted).toBe(spans);
    expect(threads.sum('windback_exporter_dropped_items_total', { reason: 'abandoned' })).toBe(spans);
    const folded = collected.flatMap(({ series }) => series).reduce((sum, { all }) => sum + all, 0);
    expect(folded).toBe(spans);
    expect(threads.sum('windback_health_unsent_items')).toBe(0);
    expect(threads.service.pool?.threads).toEqual([]);
    expect(threads.service.state).toBe('stopped');
  });

  test('is legal twice', async () => {
    const threads = await startThreads(YAML.replace('[stuck]', '[debug]'));
    expect(await threads.service.stop()).toBe(true);
    expect(await threads.service.stop()).toBe(true);
    expect(threads.lines.filter(({ code }) => code === 'worker_lost')).toEqual([]);
  }, 40_000);
});
