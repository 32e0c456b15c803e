import { type Meter, ValueType } from '@opentelemetry/api';
import { JsonMetricsSerializer } from '@opentelemetry/otlp-transformer';
import {
  AggregationTemporality,
  AggregationType,
  MeterProvider,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import { EVERY_VALUE, ordinary, SCHEMA_URL, SIMPLE_VALUES, UNVERSIONED, VERSIONED } from './attributes.ts';
import { Recorder } from './recorded.ts';

/** How many series the widest metric has. */
const SERIES = 800;

/** Records with every kind of instrument, cumulative and delta, and delivers it. Resolves to the requests. */
export async function sendMetrics(
  newExporter: (temporality: AggregationTemporality) => PushMetricExporter,
): Promise<unknown[]> {
  const recorder = new Recorder<ResourceMetrics>({
    serializeRequest: (metrics) => JsonMetricsSerializer.serializeRequest(metrics),
  });
  for (const temporality of [AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA]) {
    const exporter = recorder.around(newExporter(temporality));
    const provider = new MeterProvider({
      resource: temporality === AggregationTemporality.DELTA ? UNVERSIONED : VERSIONED,
      readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })],
      views: [{ instrumentName: '*.exponential', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }],
    });
    const meter = provider.getMeter('cart', '2.0.1', { schemaUrl: SCHEMA_URL });
    observe(meter);
    const record = instruments(meter);
    record(1);
    await provider.forceFlush();
    record(2);
    const wide = provider.getMeter('plain').createCounter('cart.wide');
    for (let i = 0; i < SERIES; i++) wide.add(i, ordinary(i) as never);
    await provider.shutdown();
  }
  return recorder.delivered();
}

/** Makes the instruments that are recorded to; the function records to each. */
function instruments(meter: Meter): (factor: number) => void {
  const int = { valueType: ValueType.INT };
  const counter = meter.createCounter('cart.items', { ...int, unit: '{item}', description: 'Items put into a cart.' });
  const amount = meter.createCounter('cart.amount', { unit: 'EUR' });
  const open = meter.createUpDownCounter('cart.open', int);
  const level = meter.createGauge('cart.level');
  const whole = meter.createGauge('cart.level.whole', int);
  const duration = meter.createHistogram('cart.duration', {
    unit: 's',
    advice: { explicitBucketBoundaries: [0, 0.005, 0.5, 10] },
  });
  const plain = meter.createHistogram('cart.size', { ...int, unit: 'By' });
  const exponential = meter.createHistogram('cart.exponential', { unit: 's' });
  return (factor) => {
    for (const attributes of [EVERY_VALUE, SIMPLE_VALUES, {}] as never[]) {
      counter.add(3 * factor, attributes);
      amount.add(0.1 * factor, attributes);
      open.add(factor === 1 ? 5 : -9, attributes);
      level.record(-0.5 * factor, attributes);
      whole.record(0, attributes);
      for (const value of [0, 0.001, 0.25, 3, 70]) {
        duration.record(value * factor, attributes);
        exponential.record(value * factor, attributes);
      }
    }
    // A sum of zero is no missing sum.
    plain.record(0);
  };
}

function observe(meter: Meter): void {
  let calls = 0;
  const int = { valueType: ValueType.INT };
  meter.createObservableCounter('cart.cpu', { unit: 's' }).addCallback((result) => {
    calls++;
    result.observe(calls * 0.75, { mode: 'user' });
    result.observe(calls * 2, { mode: 'system' });
  });
  meter.createObservableUpDownCounter('cart.queue', int).addCallback((result) => result.observe(4 - 3 * calls));
  meter.createObservableGauge('cart.temperature').addCallback((result) => result.observe(-273.15, { at: 'core' }));
}
