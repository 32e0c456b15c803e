import { describe, expect, it } from 'vitest';
import { TelemetryBatch } from '../../../pipeline/batch.ts';
import { PipelineError } from '../../../pipeline/errors.ts';
import { keyValues, logs, metrics, nanos, open, type SpanSpec, traces } from '../../support/telemetry.ts';
import { Folding, NOW, RESOURCE, totals } from './support.ts';

const again = (batch: TelemetryBatch) => TelemetryBatch.open(batch.signal, Uint8Array.from(batch.bytes));
const id = (n: number) => n.toString(16).padStart(16, '0');
const spans = (count: number, of: (i: number) => Partial<SpanSpec> = () => ({})) =>
  traces({
    resource: RESOURCE,
    items: Array.from({ length: count }, (_, i) => ({
      end: NOW,
      spanId: id(i + 1),
      traceId: 'ab'.repeat(16),
      ...of(i),
    })),
  });
const withoutIds = () => {
  const span = { traceId: 'ab'.repeat(16), kind: 2, endTimeUnixNano: nanos(NOW), startTimeUnixNano: nanos(NOW) };
  const resource = { attributes: keyValues(RESOURCE) };
  return open('traces', { resourceSpans: [{ resource, scopeSpans: [{ spans: [span, span] }] }] });
};
const duration = (value: number, time = NOW) =>
  metrics({
    resource: RESOURCE,
    items: [
      {
        name: 'http.server.request.duration',
        unit: 's',
        histogram: {
          aggregationTemporality: 1,
          dataPoints: [
            {
              startTimeUnixNano: `${time - 10}000000000`,
              timeUnixNano: `${time}000000000`,
              count: `${value}`,
              explicitBounds: [1],
              bucketCounts: [`${value}`, '0'],
            },
          ],
        },
      },
    ],
  });
const record = (time: number, severity = 17) => logs({ resource: RESOURCE, items: [{ time, severity }] });

async function foldAll(batches: readonly TelemetryBatch[], config: Record<string, unknown> = {}) {
  const folding = new Folding(config);
  for (const batch of batches) await folding.consume(batch);
  return folding;
}

describe('a request that comes twice', () => {
  it.each([
    ['traces', spans(40), 'span', 40],
    ['metrics', duration(7), 'metric', 7],
    ['logs', record(NOW + 0.25), 'log', 1],
  ] as const)('counts once, is passed on twice, and is told: %s', async (signal, batch, kind, all) => {
    const folding = await foldAll([batch, again(batch), again(batch)]);
    expect(totals(await folding.series(), kind).all).toBe(all);
    expect(await folding.ignored(signal, 'duplicate')).toBe(2 * batch.items);
    expect(await folding.folded(signal)).toBe(batch.items);
    expect(folding.sink.batches.filter((passed) => passed.signal === signal)).toHaveLength(3);
  });

  it('counts twice where drop_duplicates is off', async () => {
    const folding = await foldAll([spans(3), spans(3)], { drop_duplicates: false });
    expect(totals(await folding.series(), 'span').all).toBe(6);
    expect(await folding.ignored('traces', 'duplicate')).toBe(0);
  });

  it('counts when it was refused the first time', async () => {
    const folding = new Folding();
    folding.sink.answer = async ({ signal }) => {
      if (signal === 'traces') throw new PipelineError('queue_full', 'told to');
    };
    await expect(folding.consume(spans(3))).rejects.toMatchObject({ code: 'queue_full' });
    folding.sink.answer = async () => {};
    await folding.consume(spans(3));
    expect(totals(await folding.series(), 'span').all).toBe(3);
  });

  it('is known for five minutes since it came last', async () => {
    const folding = new Folding({ max_skew: '1h' });
    const send = async (seconds: number) => {
      await folding.clock.advanceTo((NOW + seconds) * 1000);
      await folding.consume(spans(1));
    };
    await send(0);
    await send(300);
    await send(600);
    await send(901);
    expect(await folding.ignored('traces', 'duplicate')).toBe(2);
  });

  it('is known among 8192 others, and not among more', async () => {
    const others = (count: number, from: number) =>
      Array.from({ length: count }, (_, i) => spans(1, () => ({ spanId: id(from + i) })));
    const folding = await foldAll([spans(1), ...others(8191, 10), spans(1), ...others(8192, 10_000), spans(1)]);
    expect(await folding.ignored('traces', 'duplicate')).toBe(1);
  });
});

describe('requests that are much alike', () => {
  const changed = (at: number, change: Partial<SpanSpec>) => spans(16, (i) => (i === at ? change : {}));

  it.each<[string, TelemetryBatch, TelemetryBatch]>([
    ['another id first', spans(16), changed(0, { spanId: id(99) })],
    ['another id in the middle', spans(16), changed(7, { spanId: id(99) })],
    ['another id last', spans(16), changed(15, { spanId: id(99) })],
    ['ids in another order', spans(2), spans(2, (i) => ({ spanId: id(2 - i) }))],
    ['another time', spans(16), changed(3, { end: NOW - 1e-6 })],
    ['one span more', spans(16), spans(17)],
    ['a longer name', spans(16), changed(3, { name: 'work!' })],
    ['another value', duration(7), duration(8)],
    ['the same value later', duration(7), duration(7, NOW - 1)],
    ['another severity', record(NOW + 0.25, 17), record(NOW + 0.25, 18)],
    // Equal errors within a second look alike where the clock only counts seconds.
    ['records timed to the second', record(NOW), record(NOW)],
    ['spans without ids', withoutIds(), withoutIds()],
  ])('both count: %s', async (_, one, other) => {
    const folding = await foldAll([one, other]);
    expect(await folding.folded(one.signal)).toBe(one.items + other.items);
    expect(await folding.ignored(one.signal, 'duplicate')).toBe(0);
  });
});
