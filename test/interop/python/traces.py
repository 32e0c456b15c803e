from attributes import EVERY_VALUE, SCHEMA_URL, SIMPLE_VALUES, UNVERSIONED, VERSIONED, ordinary
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

# More than three requests of 512.
ORDINARY_SPANS = 1600

# What a parent in another process looks like.
REMOTE = SpanContext(
    trace_id=0x0AF7651916CD43DD8448EB211C80319C,
    span_id=0xB7AD6B7169203331,
    is_remote=True,
    trace_flags=TraceFlags(TraceFlags.SAMPLED),
    trace_state=TraceState([("vendor", "a1"), ("other", "b2")]),
)


def send_traces(new_exporter):
    """Makes spans that use all that a span can have, and delivers them."""
    versioned = TracerProvider(resource=VERSIONED)
    versioned.add_span_processor(batching(new_exporter()))
    tracer = versioned.get_tracer("basket", "2.0.1", SCHEMA_URL, SIMPLE_VALUES)
    make_kinds(tracer)
    make_family(tracer)
    make_events_and_links(tracer, "events and links")
    plain = versioned.get_tracer("plain")
    for i in range(ORDINARY_SPANS):
        plain.start_span("GET /basket/:id", kind=SpanKind.SERVER, attributes=ordinary(i)).end()
    versioned.shutdown()

    limits = SpanLimits(
        max_span_attributes=2,
        max_events=1,
        max_links=1,
        max_event_attributes=1,
        max_link_attributes=1,
    )
    limited = TracerProvider(resource=UNVERSIONED, span_limits=limits)
    limited.add_span_processor(batching(new_exporter()))
    make_events_and_links(limited.get_tracer(""), "too much")
    limited.shutdown()


def batching(exporter):
    return BatchSpanProcessor(exporter, max_queue_size=4096, max_export_batch_size=512)


def make_kinds(tracer):
    for kind in SpanKind:
        tracer.start_span(f"kind {kind.name}", kind=kind, attributes=EVERY_VALUE).end()
    tracer.start_span("").end()
    for status in (Status(StatusCode.OK), Status(StatusCode.ERROR, "out of stock"), Status(StatusCode.ERROR)):
        span = tracer.start_span(f"status {status.status_code.name}")
        span.set_status(status)
        span.end()
    tracer.start_span("times", start_time=1_600_000_000_000_000_001).end(1_600_000_000_999_999_999)


def make_family(tracer):
    server = tracer.start_span("child", set_span_in_context(NonRecordingSpan(REMOTE)), SpanKind.SERVER)
    tracer.start_span("grandchild", set_span_in_context(server)).end()
    server.end()


def make_events_and_links(tracer, name):
    links = [Link(REMOTE, EVERY_VALUE), Link(REMOTE)]
    span = tracer.start_span(name, attributes=EVERY_VALUE, links=links)
    span.add_event("looked", EVERY_VALUE)
    span.add_event("looked at a time", timestamp=1_700_000_000_123_456_789)
    try:
        raise KeyError("no such item")
    except KeyError as error:
        span.record_exception(error)
    span.end()
