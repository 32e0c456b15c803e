import { afterEach, describe, expect, test } from 'vitest';
import type { TelemetrySignal } from '../../../pipeline/batch.ts';
import type { HealthDelta } from '../../../proto/windback/health.ts';
import { type Arrival, judged } from '../../support/history.ts';
import { logs, metrics, type MetricSpec, nanos, traces } from '../../support/telemetry.ts';
import { START } from '../../support/judging.ts';
import { OtlpSender } from '../../support/otlp-sender.ts';
import { collected } from './extra.ts';
import { startAlone, startThreads, stopAll, sumOf } from './threads.ts';

afterEach(stopAll);

const yaml = (workers: number) => `
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:PORT"}}}}
processors: {deployment: {}, health: {max_skew: 9999d, flush_interval: 100ms}}
exporters: {collect: {}, debug: {}}
service:
  workers: ${workers}
  telemetry: {logs: {level: error}}
  pipelines:
    traces: {receivers: [otlp], processors: [deployment, health], exporters: [debug]}
    metrics: {receivers: [otlp], processors: [deployment, health], exporters: [debug]}
    logs: {receivers: [otlp], processors: [deployment, health], exporters: [debug]}
    health: {receivers: [health], exporters: [collect]}
`;

interface Request {
  readonly signal: TelemetrySignal;
  readonly bytes: Uint8Array;
}

const SECONDS = 240;
const FIRST = START;
const CANDIDATE_AFTER = 60;

/** Four minutes of a service, of which the new version fails a third of its requests; each instance for itself. */
function capture(): Request[][] {
  const instances = ['1.0 a', '1.0 b', '1.1 a', '1.1 b'];
  return instances.map((name) => {
    const [version = '', pod = ''] = name.split(' ');
    const resource = { 'service.name': 'shop', 'service.version': version, 'service.instance.id': `${version}-${pod}` };
    const begin = version === '1.1' ? CANDIDATE_AFTER : 0;
    return Array.from({ length: SECONDS - begin }, (_, i): Request[] => {
      const at = FIRST + begin + i;
      const items = Array.from({ length: 8 }, (_, n) => ({
        name: 'GET /cart',
        end: at + n / 10,
        status: version === '1.1' && (i + n) % 3 === 0 ? 2 : 0,
      }));
      const spans = { signal: 'traces', bytes: traces({ resource, items }).bytes } as const;
      const failed = {
        signal: 'logs',
        bytes: logs({ resource, items: [{ time: at + 0.25, severity: 17 }] }).bytes,
      } as const;
      const total = {
        signal: 'metrics',
        bytes: metrics({ resource, items: [requestsSoFar(at, (i + 1) * 8)] }).bytes,
      } as const;
      return i % 10 === 0 ? [spans, failed, total] : [spans];
    }).flat();
  });
}

/** A cumulative histogram of requests since the beginning. */
function requestsSoFar(at: number, count: number): MetricSpec {
  return {
    name: 'http.server.request.duration',
    unit: 's',
    histogram: {
      aggregationTemporality: 2,
      dataPoints: [
        {
          startTimeUnixNano: nanos(FIRST - 10),
          timeUnixNano: nanos(at),
          count: String(count),
          sum: count * 0.005,
          bucketCounts: ['0', String(count), '0'],
          explicitBounds: [0.001, 0.1],
          attributes: [{ key: 'http.route', value: { stringValue: '/cart' } }],
        },
      ],
    },
  };
}

/** What is sent to `address`; after each `every` requests an instance comes by another connection. */
async function send(address: string, requests: readonly Request[][], every: number): Promise<void> {
  await Promise.all(
    requests.map(async (own) => {
      const sender = new OtlpSender(address);
      for (const [i, { signal, bytes }] of own.entries()) {
        if (i > 0 && i % every === 0) sender.close();
        await sender.send(bytes, signal);
      }
      sender.close();
    }),
  );
}

/** Deltas by series and slot, added up. */
function merged(deltas: readonly HealthDelta[]): Map<string, unknown> {
  const sums = new Map<string, { all: number; bad: number; bins: Map<number, number>; exemplars: Set<string> }>();
  for (const { slot, series } of deltas) {
    for (const { all, bad, bins, exemplars, ...names } of series) {
      const key = JSON.stringify([slot, names]);
      const sum = sums.get(key) ?? { all: 0, bad: 0, bins: new Map(), exemplars: new Set() };
      sum.all += all;
      sum.bad += bad;
      bins.bin.forEach((bin, i) => sum.bins.set(bin, (sum.bins.get(bin) ?? 0) + (bins.count[i] as number)));
      for (const id of exemplars) sum.exemplars.add(id);
      sums.set(key, sum);
    }
  }
  return new Map([...sums].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function arrivals(deltas: readonly HealthDelta[]): Arrival[] {
  return deltas.map((delta) => ({ atMs: (delta.slot + 1) * 1000, delta })).sort((a, b) => a.atMs - b.atMs);
}

describe('the same telemetry', () => {
  test('makes the same deltas and decisions, whichever of two workers it comes to, cumulative metrics too', async () => {
    const requests = capture();
    const alone = await startAlone(yaml(1));
    await send(alone.address, requests, 1000);
    await alone.service.stop(5000);
    const expected = collected.splice(0);

    const threads = await startThreads(yaml(2));
    await send(threads.address, requests, 7);
    await threads.service.stop(5000);
    const found = collected.splice(0);

    for (const worker of ['0', '1']) {
      expect(threads.sum('windback_worker_received_items_total', { worker })).toBeGreaterThan(500);
    }
    expect(new Set(found.map(({ source }) => source)).size).toBe(3);
    expect(merged(found)).toEqual(merged(expected));
    const kinds = new Set(found.flatMap(({ series }) => series.map(({ kind }) => kind)));
    expect(kinds).toEqual(new Set(['span', 'metric', 'log', 'signature']));
    const text = await judged(arrivals(expected));
    expect(text).toContain('"rollback"');
    expect(await judged(arrivals(found))).toBe(text);
    // What is counted adds up over the threads.
    for (const name of [
      'windback_receiver_accepted_items_total',
      'windback_health_folded_items_total',
      'windback_health_ignored_items_total',
      'windback_deployment_resources_total',
      'windback_exporter_sent_items_total',
    ]) {
      const exporter = { exporter: 'debug' };
      const labels = name.startsWith('windback_exporter') ? exporter : {};
      expect([name, threads.sum(name, labels)]).toEqual([name, sumOf(alone.meter, name, labels)]);
    }
    expect(threads.sum('windback_health_unsent_items')).toBe(0);
  }, 60_000);

  test('sent twice, to one worker and to the other, counts once', async () => {
    const threads = await startThreads(yaml(2));
    const requests =
      capture()[0]
        ?.slice(0, 24)
        .filter(({ signal }) => signal === 'traces') ?? [];
    for (const { bytes } of requests) {
      // Each time by a new connection: mostly to the other worker at some time.
      for (let again = 0; again < 4; again++) {
        const sender = threads.sender();
        await sender.send(bytes);
        sender.close();
      }
    }
    expect(threads.sum('windback_health_folded_items_total', { signal: 'traces' })).toBe(requests.length * 8);
    const labels = { signal: 'traces', reason: 'duplicate' };
    expect(threads.sum('windback_health_ignored_items_total', labels)).toBe(requests.length * 8 * 3);
    for (const worker of ['0', '1']) {
      expect(threads.sum('windback_worker_received_items_total', { worker })).toBeGreaterThan(0);
    }
  }, 60_000);
});
