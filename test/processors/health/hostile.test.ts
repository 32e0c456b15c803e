/** Hostile telemetry of all three signals, through tagger, folder and judge: counted by reason, never judged, never fatal. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TelemetryBatch, TelemetrySignal } from '../../../pipeline/batch.ts';
import { REASONS } from '../../../processors/health/policy.ts';
import { verdictConfig } from '../../../processors/verdict/config.ts';
import { VerdictProcessor } from '../../../processors/verdict/verdict.ts';
import type { DeltaSeries, HealthDelta } from '../../../proto/windback/health.ts';
import { MAX_BIN } from '../../../proto/windback/latency-bins.ts';
import { MAX_VALUE_BIN } from '../../../proto/windback/value-bins.ts';
import { counted, Sink, testContext } from '../../support/context.ts';
import {
  keyValues,
  logsJson,
  metrics,
  nanos,
  open,
  type SpanSpec,
  traces,
  tracesJson,
} from '../../support/telemetry.ts';
import { Folding, NOW, RESOURCE } from './support.ts';

const HTTP = 'http.server.request.duration';
const HUGE = '9007199254740993';
const NEGATIVE = '18446744073709551615';
const [DELTA, CUMULATIVE] = [1, 2];
const MAX_SKEW = 300;

/** Times that no request has. */
const absurdTime = fc.constantFrom(0, 1, 1000, NOW - 90_000, NOW + 90_000, 4e9, 7_258_118_400, 1.8e10);
/** Numbers that no measurement is, as OTLP/JSON has them. */
const noNumber = fc.constantFrom('NaN', 'Infinity', '-Infinity');

const hostileSpan = fc.oneof(
  absurdTime.map((end) => traces({ resource: RESOURCE, items: [{ end, durationMs: 0, status: 2 }] })),
  fc
    .constantFrom(-1, -1000, -86_400_000, 86_400_001, 1e12)
    .map((durationMs) => traces({ resource: RESOURCE, items: [{ end: NOW, durationMs }] })),
  // Begins in 2200, ends in 1970.
  fc.constant(0).map(() => spanOf({ startTimeUnixNano: nanos(7_258_118_400), endTimeUnixNano: nanos(1000) })),
  fc.constantFrom(NEGATIVE, HUGE).map((ns) => spanOf({ startTimeUnixNano: ns, endTimeUnixNano: ns })),
);

function spanOf(fields: Record<string, unknown>): TelemetryBatch {
  const json: any = tracesJson({ resource: RESOURCE, items: [{ end: NOW, status: 2 }] });
  Object.assign(json.resourceSpans[0].scopeSpans[0].spans[0], fields);
  return open('traces', json);
}

const hostileRecord = fc
  .record({ time: absurdTime, severity: fc.constantFrom(0, 17, 24) })
  .map((record) => open('logs', logsJson({ resource: RESOURCE, items: [record] })));

const anyTemporality = fc.constantFrom(DELTA, CUMULATIVE);

function point(fields: Record<string, unknown>): Record<string, unknown> {
  return { timeUnixNano: nanos(NOW), startTimeUnixNano: nanos(NOW - 10), ...fields };
}

const metric = (item: Record<string, unknown>) => metrics({ resource: RESOURCE, items: [item] });

const hostileHistogram = fc
  .tuple(
    anyTemporality,
    fc.oneof(
      absurdTime.map((time) => ({ timeUnixNano: nanos(time) })),
      noNumber.map((sum) => ({ sum })),
      noNumber.map((bound) => ({ explicitBounds: [0.1, bound], bucketCounts: [1, 2, 1] })),
      fc.constantFrom([2, 1], [1, 1], [0, -1]).map((explicitBounds) => ({ explicitBounds, bucketCounts: [1, 2, 1] })),
      fc.constantFrom(HUGE, NEGATIVE).map((count) => ({ count, bucketCounts: [count, 0] })),
      fc.constant({ bucketCounts: [1, 1, 1, 1] }),
    ),
  )
  .map(([aggregationTemporality, fields]) => {
    const sound = { count: '4', sum: 1, explicitBounds: [0.1], bucketCounts: [2, 2] };
    const dataPoints = [point({ ...sound, ...fields })];
    return metric({ name: HTTP, histogram: { aggregationTemporality, dataPoints } });
  });

const hostileExponential = fc
  .tuple(
    anyTemporality,
    fc.oneof(
      absurdTime.map((time) => ({ timeUnixNano: nanos(time) })),
      noNumber.map((sum) => ({ sum })),
      fc.constantFrom(2 ** 31 - 1, -(2 ** 31), 1000, -1000).map((scale) => ({ scale })),
      fc.constantFrom(HUGE, NEGATIVE).map((zeroCount) => ({ zeroCount })),
    ),
  )
  .map(([aggregationTemporality, fields]) => {
    const sound = { count: '4', sum: 1, scale: 3, positive: { offset: 5, bucketCounts: [2, 2] } };
    const dataPoints = [point({ ...sound, ...fields })];
    return metric({ name: HTTP, exponentialHistogram: { aggregationTemporality, dataPoints } });
  });

const hostileNumber = fc.oneof(
  noNumber.map((asDouble) => ({ asDouble })),
  absurdTime.map((time) => ({ asDouble: 1, timeUnixNano: nanos(time) })),
  fc.constantFrom({}, { asDouble: 1, flags: 1 }, { asInt: '1', flags: 3 }),
);

const hostileResource = fc
  .tuple(hostileNumber, fc.constantFrom('gauge', 'level', 'counter', 'deltas', 'below zero', 'untold'))
  .map(([fields, form]) => {
    const dataPoints = [point(form === 'below zero' ? { asDouble: -1 } : fields)];
    const temporalities: Readonly<Record<string, number>> = { deltas: DELTA, untold: 0 };
    const aggregationTemporality = temporalities[form] ?? CUMULATIVE;
    if (form === 'gauge') return metric({ name: 'process.memory.usage', gauge: { dataPoints } });
    const isMonotonic = form !== 'level';
    return metric({ name: 'process.cpu.time', sum: { aggregationTemporality, isMonotonic, dataPoints } });
  });

const hostile = fc.oneof(
  hostileSpan,
  hostileRecord,
  hostileHistogram,
  hostileExponential,
  hostileResource,
) as fc.Arbitrary<TelemetryBatch>;

/** Sound telemetry of all three signals; each call gives requests of their own. */
function sound(): TelemetryBatch[] {
  const dataPoints = [point({ count: '3', sum: 1, explicitBounds: [0.1], bucketCounts: [1, 2] })];
  return [
    traces({ resource: RESOURCE, items: [{ end: NOW, traceId: 'a'.repeat(32), status: 2 }, { end: NOW - 1 }] }),
    open('logs', logsJson({ resource: RESOURCE, items: [{ time: NOW, severity: 17 }] })),
    metric({ name: HTTP, histogram: { aggregationTemporality: CUMULATIVE, dataPoints } }),
    metric({ name: 'go.memory.used', gauge: { dataPoints: [point({ asDouble: 7 })] } }),
  ];
}

const SIGNALS: readonly TelemetrySignal[] = ['traces', 'logs', 'metrics'];

async function ignoredItems(folding: Folding): Promise<number> {
  let sum = 0;
  for (const signal of SIGNALS)
    for (const reason of Object.values(REASONS)) sum += await folding.ignored(signal, reason);
  return sum;
}

function expectSane(deltas: readonly HealthDelta[]): void {
  const isCount = (value: number) => Number.isSafeInteger(value) && value >= 0;
  for (const { slot, series } of deltas) {
    expect(Math.abs(slot - NOW)).toBeLessThanOrEqual(MAX_SKEW + 1);
    for (const { all, bad, bins, name, kind, exemplars } of series) {
      expect([isCount(all), isCount(bad), bad <= all, name.length <= 255, exemplars.length <= 10]).not.toContain(false);
      const highest = kind === 'resource' ? MAX_VALUE_BIN : MAX_BIN;
      bins.bin.forEach((bin, i) => {
        expect(isCount(bin) && bin <= highest && bin > (bins.bin[i - 1] ?? -1)).toBe(true);
        expect(isCount(bins.count[i] as number) && bins.count[i] !== 0).toBe(true);
      });
    }
  }
}

describe('hostile telemetry', () => {
  it('changes nothing of what is folded of the sound telemetry around it, and every item of it is counted', async () => {
    const alone = new Folding();
    for (const batch of sound()) await alone.consume(batch);
    const expected = await alone.deltas();
    expect(expected.length).toBeGreaterThan(1);
    await fc.assert(
      fc.asyncProperty(fc.array(hostile, { minLength: 1, maxLength: 8 }), fc.nat(4), async (batches, at) => {
        const folding = new Folding();
        const good = sound();
        for (const batch of good.slice(0, at)) await folding.consume(batch);
        const before = await ignoredItems(folding);
        for (const batch of batches) await folding.consume(batch);
        expect((await ignoredItems(folding)) - before).toBeGreaterThanOrEqual(batches.length);
        for (const batch of good.slice(at)) await folding.consume(batch);
        const found = await folding.deltas();
        expect(found.map(({ slot, series }) => [slot, byKey(series)])).toEqual(
          expected.map(({ slot, series }) => [slot, byKey(series)]),
        );
        expectSane(found);
      }),
      { numRuns: 300 },
    );
  });

  it('of counters that reset and histograms whose bounds change at random stays sane', async () => {
    const step = fc.record({
      seconds: fc.integer({ min: -20, max: 60 }),
      start: fc.constantFrom(0, NOW - 5000, NOW - 200, NOW - 100, NOW),
      counts: fc.array(fc.nat(1000), { maxLength: 4 }),
      bounds: fc.constantFrom([0.1, 1], [0.2, 1], [1], [], [5, 1]),
      kind: fc.constantFrom('histogram', 'exponential', 'sum'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
        const folding = new Folding();
        let time = NOW - 200;
        let sent = 0;
        for (const { seconds, start, counts, bounds, kind } of steps) {
          time += seconds;
          const count = counts.reduce((sum, each) => sum + each, 0);
          sent += count;
          const common = { timeUnixNano: nanos(time), startTimeUnixNano: nanos(start), count: String(count), sum: 1 };
          const explicit = { ...common, explicitBounds: bounds, bucketCounts: counts };
          const exponential = { ...common, scale: counts.length, positive: { offset: -3, bucketCounts: counts } };
          const form = { aggregationTemporality: CUMULATIVE };
          if (kind === 'histogram')
            await folding.consume(metric({ name: HTTP, histogram: { ...form, dataPoints: [explicit] } }));
          else if (kind === 'sum') {
            const dataPoints = [{ ...common, asDouble: count }];
            await folding.consume(
              metric({ name: 'process.cpu.time', sum: { ...form, isMonotonic: true, dataPoints } }),
            );
          } else
            await folding.consume(metric({ name: HTTP, exponentialHistogram: { ...form, dataPoints: [exponential] } }));
        }
        const deltas = await folding.deltas();
        expectSane(deltas);
        const requests = deltas.flatMap(({ series }) => series.filter(({ kind }) => kind === 'metric'));
        // No point counts for more than the whole that it tells.
        expect(requests.reduce((sum, { all }) => sum + all, 0)).toBeLessThanOrEqual(sent);
      }),
      { numRuns: 200 },
    );
  });

  it('of spans with malformed events, and records with malformed bodies, spoils no other', async () => {
    const json: any = tracesJson({
      resource: RESOURCE,
      items: [
        { end: NOW, status: 2 },
        { end: NOW, status: 2 },
      ],
    });
    const [first] = json.resourceSpans[0].scopeSpans[0].spans;
    first.events = [{ name: 'exception', attributes: keyValues({ 'exception.type': 'XXXXXXXX' }) }];
    const batch = open('traces', json);
    const at = Buffer.from(batch.bytes).indexOf('exception.type');
    // The length of the key reaches past the end of its KeyValue.
    batch.bytes[at - 1] = 0x7f;
    const folding = new Folding();
    await folding.consume(batch);
    expect((await folding.series()).map(({ kind, all, bad }) => [kind, all, bad])).toEqual([['span', 2, 2]]);
    expect(await folding.ignored('traces', 'malformed')).toBe(1);
  });
});

function byKey(series: readonly DeltaSeries[]): unknown[] {
  return series
    .map((one) => [`${one.kind} ${one.operation} ${one.name}`, one])
    .sort(([a], [b]) => ((a as string) < (b as string) ? -1 : 1));
}

describe('10 000 versions in a minute', () => {
  const PER_SECOND = 167;
  const SECONDS = 60;

  it('are folded, counted where they overflow, and neither kept nor judged without bound', async () => {
    const folding = new Folding();
    const context = testContext('verdict', { clock: folding.clock });
    const decisions = new Sink(['decisions']);
    const settings = verdictConfig.parse({});
    const judge = new VerdictProcessor(settings, decisions, context);
    folding.sink.answer = (batch) => (batch.signal === 'health' ? judge.consume(batch) : Promise.resolve());
    await judge.start();
    await folding.folder.start();
    const most = { cohorts: 0, rollouts: 0 };
    for (let second = 0; second < SECONDS; second++) {
      await folding.consume(requestsAt(second));
      await folding.clock.advanceTo((NOW + second + 1) * 1000);
      // Gauges are read when somebody looks.
      await context.meter.text();
      const gauge = (name: string) => counted(context, name, { processor: 'verdict' });
      most.cohorts = Math.max(most.cohorts, await gauge('windback_verdict_cohorts'));
      most.rollouts = Math.max(most.rollouts, await gauge('windback_verdict_rollouts'));
    }
    await folding.folder.stop();
    expect(await folding.folded('traces')).toBe(SECONDS * (PER_SECOND + 20));
    expect(most.cohorts).toBeGreaterThan(1);
    expect(most.cohorts).toBeLessThanOrEqual(settings.max_versions);
    expect(most.rollouts).toBeLessThanOrEqual(settings.max_candidates);
    const overflow = await counted(context, 'windback_verdict_overflow_total', {
      processor: 'verdict',
      limit: 'versions',
    });
    expect(overflow).toBeGreaterThan(SECONDS * (PER_SECOND - settings.max_versions));
    const kinds = decisions.batches.flatMap((batch) =>
      batch.signal === 'decisions' ? batch.decisions.map(({ data }) => data.decision) : [],
    );
    expect(kinds).not.toContain('rollback');
    await judge.stop();
  }, 60_000);

  /** A sound version with 20 requests, and 167 versions that nobody has seen before, all failing. */
  function requestsAt(second: number): TelemetryBatch {
    const end = NOW + second + 0.5;
    const steady: SpanSpec[] = Array.from({ length: 20 }, () => ({ end }));
    const flood = Array.from({ length: PER_SECOND }, (_, i) => ({
      resource: { ...RESOURCE, 'service.version': `v${second * PER_SECOND + i}` },
      items: [{ end, status: 2 }],
    }));
    return traces({ resource: RESOURCE, items: steady }, ...flood);
  }
});
