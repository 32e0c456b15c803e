import { describe, expect, test } from 'vitest';
import { Budget } from '../../../receivers/otlp/budget.ts';
import { PipelineError } from '../../../pipeline/errors.ts';
import { Meter } from '../../../pipeline/telemetry/meter.ts';
import { METRICS } from '../../../pipeline/telemetry/metrics-table.ts';
import { inPieces } from '../../../pipeline/workers/batch-data.ts';
import { SeenTable, seenTableMemory } from '../../../pipeline/workers/seen-table.ts';
import { cellMaker, WorkerSeries } from '../../../pipeline/workers/series.ts';
import { releaseAll, SharedHeld, shareMemory } from '../../../pipeline/workers/shared-memory.ts';

const ACCEPTED = 'windback_receiver_accepted_items_total';

/** A main thread's meter, and those of its workers. */
function meters(count: number) {
  const series = new WorkerSeries();
  const main = new Meter(METRICS);
  main.addSource(() => series.all());
  const workers = Array.from(
    { length: count },
    (_, index) =>
      new Meter(
        METRICS,
        cellMaker((place) => series.add(index, place)),
      ),
  );
  return { series, main, workers };
}

describe('the meters of workers', () => {
  test('are added to that of the main thread, series by series', async () => {
    const { main, workers } = meters(2);
    const labels = { receiver: 'otlp', transport: 'grpc', signal: 'traces' };
    workers.forEach((meter, i) => meter.counter(ACCEPTED, labels).add(10 * (i + 1)));
    workers[1]?.counter(ACCEPTED, { ...labels, signal: 'logs' }).add(5);
    workers.forEach((meter) => meter.observe('windback_exporter_queue_size', { exporter: 'otlp' }, () => 3));
    for (const meter of workers) meter.refresh();
    const text = await main.text();
    expect(text).toContain(`${ACCEPTED}{receiver="otlp",transport="grpc",signal="traces"} 30\n`);
    expect(text).toContain(`${ACCEPTED}{receiver="otlp",transport="grpc",signal="logs"} 5\n`);
    expect(text).toContain('windback_exporter_queue_size{exporter="otlp"} 6\n');
    expect(text.match(/# TYPE windback_receiver_accepted/g)).toHaveLength(1);
  });

  test('are not added up where each measures the same', () => {
    const { main, workers } = meters(3);
    workers.forEach((meter, i) =>
      meter.gauge('windback_memory_limiter_bytes', { processor: 'memory_limiter' }).set(100 + i),
    );
    expect(main.read('windback_memory_limiter_bytes').map(({ value }) => value)).toEqual([102]);
  });

  test('leave their counters behind when they are gone, and not their gauges', () => {
    const { series, main, workers } = meters(2);
    const labels = { receiver: 'otlp', transport: 'grpc', signal: 'traces' };
    for (const meter of workers) {
      meter.counter(ACCEPTED, labels).add(7);
      meter.gauge('windback_exporter_queue_size', { exporter: 'otlp' }).set(4);
    }
    series.retire(0);
    expect(main.read(ACCEPTED).map(({ value }) => value)).toEqual([14]);
    expect(main.read('windback_exporter_queue_size').map(({ value }) => value)).toEqual([4]);
    // One that comes in its place begins at 0.
    new Meter(
      METRICS,
      cellMaker((place) => series.add(0, place)),
    )
      .counter(ACCEPTED, labels)
      .add(1);
    series.retire(0);
    expect(main.read(ACCEPTED).map(({ value }) => value)).toEqual([15]);
  });

  test('show no gauge that was taken away', () => {
    const { main, workers } = meters(1);
    const level = workers[0]?.gauge('windback_health_score', { processor: 'verdict' });
    level?.set(5);
    level?.remove();
    expect(main.read('windback_health_score')).toEqual([]);
  });
});

describe('requests seen by any thread', () => {
  const tables = () => {
    const memory = seenTableMemory();
    return [new SeenTable(memory, 0), new SeenTable(memory, 1)] as const;
  };

  test('are known to all, for as long as they are wanted', () => {
    const [one, other] = tables();
    expect(one.isRepeated('a', 1000, 700)).toBe(false);
    expect(other.isRepeated('b', 1000, 700)).toBe(false);
    expect(other.isRepeated('a', 1200, 900)).toBe(true);
    expect(one.isRepeated('b', 1301.5, 1001.5)).toBe(false);
    expect(one.isRepeated('b', 1302, 1002)).toBe(true);
  });

  test('some thousands of them at once, and the oldest go first', () => {
    const [table] = tables();
    for (let i = 0; i < 8192; i++) expect(table.isRepeated(`request ${i}`, 1000 + i / 100, 0)).toBe(false);
    let known = 0;
    for (let i = 4096; i < 8192; i++) if (table.isRepeated(`request ${i}`, 1100, 0)) known++;
    expect(known).toBeGreaterThan(4096 * 0.95);
  });

  test('are forgotten with the thread that saw them last, where it was lost right after', () => {
    const [one, other] = tables();
    one.isRepeated('early', 1000, 0);
    one.isRepeated('late', 1009, 0);
    other.isRepeated('elsewhere', 1009, 0);
    other.forget(0, 1005);
    expect(other.isRepeated('late', 1010, 0)).toBe(false);
    expect(other.isRepeated('early', 1010, 0)).toBe(true);
    expect(other.isRepeated('elsewhere', 1010, 0)).toBe(true);
  });
});

test('deltas cross in pieces that are as much together', () => {
  const names = { namespace: '', service: 's', environment: '', version: '1', instance: '', operation: '', name: '' };
  const series = (count: number, first: number) =>
    Array.from({ length: count }, (_, i) => ({
      ...names,
      kind: 'log' as const,
      all: first + i,
      bad: 0,
      bins: { bin: [], count: [] },
      exemplars: [],
    }));
  const event = { ...names, previousVersion: '', status: '', weight: null, atSeconds: 3 };
  const deltas = [
    { source: 'a', slot: 1, series: series(700, 0), events: [] },
    { source: 'a', slot: 2, series: [], events: [event] },
    { source: 'a', slot: 3, series: series(2600, 1000), events: [event] },
  ];
  const pieces = inPieces({ signal: 'health', items: 3, deltas }).map(({ deltas: own }) => own);
  const sizes = pieces.map((own) => own.reduce((sum, { series: { length } }) => sum + length, 0));
  expect(sizes).toEqual([1000, 1000, 1000, 300]);
  const whole = pieces.flat();
  expect(whole.flatMap(({ series: own }) => own)).toEqual(deltas.flatMap(({ series: own }) => own));
  expect(whole.flatMap(({ slot, events }) => events.map(() => slot))).toEqual([2, 3]);
  expect(whole.flatMap(({ slot, series: own }) => own.map(({ all }) => [slot, all]))).toEqual(
    deltas.flatMap(({ slot, series: own }) => own.map(({ all }) => [slot, all])),
  );
});

describe('a budget that threads share', () => {
  test('refuses what all of them hold together, and gets back what a lost one held', () => {
    const memory = shareMemory(['otlp'], 2);
    const held = memory.held.get('otlp') as SharedArrayBuffer;
    const [one, other] = [new Budget(100, new SharedHeld(held, 0)), new Budget(100, new SharedHeld(held, 1))];
    one.take(60);
    expect(other.freeBytes).toBe(40);
    expect(() => other.take(50)).toThrow(expect.objectContaining({ code: 'memory_limit' }));
    other.take(40);
    one.give(10);
    expect(other.usedBytes).toBe(90);
    releaseAll(memory, 0, 0);
    expect(other.usedBytes).toBe(40);
  });

  test('takes all or nothing where another thread takes at the same moment', () => {
    let looks = 0;
    const held = {
      own: 0,
      // Between two looks another thread takes 60.
      get all() {
        return this.own + (looks++ === 0 ? 0 : 60);
      },
    };
    const refusal = () => new PipelineError('tenant_limit', 'used up');
    const share = { all: new Budget(100, held), name: 'tenant acme', refusal, charge: () => {} };
    const tenant = new Budget(80, undefined, share);
    tenant.take(50);
    expect([tenant.usedBytes, held.own]).toEqual([50, 50]);
    expect(() => tenant.take(10)).toThrow(expect.objectContaining({ code: 'memory_limit' }));
    expect([tenant.usedBytes, held.own]).toEqual([50, 50]);
    tenant.give(50);
    expect([tenant.usedBytes, held.own]).toEqual([0, 0]);
  });
});
