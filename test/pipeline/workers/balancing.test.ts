import { afterEach, describe, expect, test } from 'vitest';
import { traces } from '../../support/telemetry.ts';
import { startThreads, stopAll, type Threads } from './threads.ts';

afterEach(stopAll);

const YAML = `
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:PORT"}}}}
processors: {deployment: {}, health: {}, verdict: {}}
exporters: {debug: {}}
service:
  workers: 2
  telemetry: {logs: {level: error}}
  pipelines:
    traces: {receivers: [otlp], processors: [deployment, health], exporters: [debug]}
    decisions: {receivers: [health], processors: [verdict], exporters: [debug]}
`;
const ROUNDS_MAX = 60;
const RECEIVED = 'windback_worker_received_items_total';

/** Requests with the same number of spans, all different. */
function request(): Uint8Array {
  const now = Date.now() / 1000;
  const items = Array.from({ length: 20 }, () => ({ end: now }));
  return traces({ resource: { 'service.name': 'shop', 'service.version': '1' }, items }).bytes;
}

/** How far the worker with the most is from the one with the least in a round, as a share of the mean. */
async function spreadOfRound(threads: Threads, send: () => Promise<void>): Promise<number> {
  const before = ['0', '1'].map((worker) => threads.sum(RECEIVED, { worker }));
  await send();
  const [first = 0, second = 0] = ['0', '1'].map(
    (worker, i) => threads.sum(RECEIVED, { worker }) - (before[i] as number),
  );
  return Math.abs(first - second) / ((first + second) / 2);
}

describe.each([4, 64])('%i long-lived connections over two workers', (connections) => {
  test('end up within 20 %, after few rounds, and then stay where they are', async () => {
    const threads = await startThreads(YAML);
    const senders = Array.from({ length: connections }, () => threads.sender());
    // All begin at one worker, or nearly all.
    const [crowded] = threads.service.pool?.threads ?? [];
    await crowded?.openDoors(300);
    await Promise.all(senders.map((sender) => sender.send(request())));
    crowded?.tell({ kind: 'doors', count: 0 });
    const send = async () => {
      await Promise.all(senders.map((sender) => sender.send(request())));
      await Promise.all(senders.map((sender) => sender.send(request())));
    };
    const spreads: number[] = [];
    let calm = 0;
    while (calm < 5 && spreads.length < ROUNDS_MAX) {
      const spread = await spreadOfRound(threads, send);
      spreads.push(spread);
      calm = spread <= 0.2 ? calm + 1 : 0;
      await threads.service.pool?.round();
    }
    expect(spreads[0]).toBeGreaterThan(0.9);
    expect(spreads.slice(-5).every((spread) => spread <= 0.2)).toBe(true);
    const shed = threads.sum('windback_worker_shed_connections_total');
    expect(shed).toBeGreaterThanOrEqual(connections / 4);
    expect(shed).toBeLessThanOrEqual(connections);
    for (let round = 0; round < 10; round++) {
      expect(await spreadOfRound(threads, send)).toBeLessThanOrEqual(0.2);
      await threads.service.pool?.round();
    }
    // What is within the bounds may still be bettered a little, but does not go to and fro.
    const shedInAll = threads.sum('windback_worker_shed_connections_total');
    expect(shedInAll - shed).toBeLessThanOrEqual(connections / 16);
    // Each reconnection was asked for, and no request was lost over it.
    const opened = senders.reduce((sum, sender) => sum + sender.connections, 0);
    expect(opened - connections).toBeLessThanOrEqual(shedInAll);
    const sent = (1 + (spreads.length + 10) * 2) * connections * 20;
    expect(threads.sum('windback_receiver_accepted_items_total')).toBe(sent);
  }, 60_000);
});
