from attributes import EVERY_VALUE, SCHEMA_URL, SIMPLE_VALUES, UNVERSIONED, VERSIONED, ordinary
from opentelemetry.context import attach, detach
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    MeterProvider,
    ObservableCounter,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.trace import NonRecordingSpan, set_span_in_context
from traces import REMOTE

# How many series the widest metric has.
SERIES = 800

SUMS = (Counter, Histogram, ObservableCounter, ObservableUpDownCounter, UpDownCounter)


def send_metrics(new_exporter):
    """Records with every kind of instrument, cumulative and delta, with exemplars, and delivers it."""
    for resource, temporality in (
        (VERSIONED, AggregationTemporality.CUMULATIVE),
        (UNVERSIONED, AggregationTemporality.DELTA),
    ):
        exporter = new_exporter({instrument: temporality for instrument in SUMS})
        views = [
            View(instrument_name="*.exponential", aggregation=ExponentialBucketHistogramAggregation()),
            # What the view takes away from the series stays with the exemplar. Exemplars are drawn by lot, so there
            # must be no other.
            View(instrument_name="basket.filtered", attribute_keys={"text"}),
        ]
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
        provider = MeterProvider([reader], resource, views=views)
        meter = provider.get_meter("basket", "2.0.1", SCHEMA_URL, SIMPLE_VALUES)
        observe(meter)
        record = instruments(meter)
        # Exemplars are taken within a sampled span.
        token = attach(set_span_in_context(NonRecordingSpan(REMOTE)))
        record(1)
        detach(token)
        provider.force_flush()
        record(2)
        wide = provider.get_meter("plain").create_counter("basket.wide")
        for i in range(SERIES):
            wide.add(i, ordinary(i))
        provider.shutdown()


def instruments(meter):
    """Makes the instruments that are recorded to; the function records to each."""
    counter = meter.create_counter("basket.items", "{item}", "Items put into a basket.")
    amount = meter.create_counter("basket.amount", "EUR")
    is_open = meter.create_up_down_counter("basket.open")
    level = meter.create_gauge("basket.level")
    bounds = [0, 0.005, 0.5, 10]
    duration = meter.create_histogram("basket.duration", "s", explicit_bucket_boundaries_advisory=bounds)
    size = meter.create_histogram("basket.size", "By")
    exponential = meter.create_histogram("basket.exponential", "s")
    filtered = meter.create_counter("basket.filtered")

    def record(factor):
        for attributes in (SIMPLE_VALUES, {"text": ""}, {}):
            counter.add(3 * factor, attributes)
            amount.add(0.1 * factor, attributes)
            is_open.add(5 if factor == 1 else -9, attributes)
            level.set(-0.5 * factor, attributes)
            for value in (0, 0.001, 0.25, 3, 70):
                duration.record(value * factor, attributes)
                exponential.record(value * factor, attributes)
        # A sum of zero is no missing sum.
        size.record(0)
        level.set(0)
        filtered.add(2**60, EVERY_VALUE)

    return record


def observe(meter):
    calls = [0]

    def cpu(_options):
        calls[0] += 1
        return [Observation(calls[0] * 0.75, {"mode": "user"}), Observation(calls[0] * 2.0, {"mode": "system"})]

    meter.create_observable_counter("basket.cpu", [cpu], "s")
    meter.create_observable_up_down_counter("basket.queue", [lambda _options: [Observation(4 - 3 * calls[0])]])
    meter.create_observable_gauge("basket.temperature", [lambda _options: [Observation(-273.15, {"at": "core"})]])
