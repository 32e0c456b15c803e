from attributes import EVERY_VALUE, SCHEMA_URL, SIMPLE_VALUES, UNVERSIONED, VERSIONED, ordinary
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider, LogRecordLimits
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.trace import NonRecordingSpan, set_span_in_context
from traces import REMOTE

ORDINARY_RECORDS = 1200


def send_logs(new_exporter):
    """Makes log records that use all that one can have, and delivers them."""
    versioned = LoggerProvider(resource=VERSIONED)
    versioned.add_log_record_processor(batching(new_exporter()))
    logger = versioned.get_logger("basket", "2.0.1", SCHEMA_URL, SIMPLE_VALUES)
    for record in every_record():
        logger.emit(**record)
    plain = versioned.get_logger("plain")
    for i in range(ORDINARY_RECORDS):
        plain.emit(severity_number=SeverityNumber.INFO, body=f"GET /basket/{i}", attributes=ordinary(i))
    versioned.shutdown()

    limited = LoggerProvider(resource=UNVERSIONED, log_record_limits=LogRecordLimits(max_attributes=2))
    limited.add_log_record_processor(batching(new_exporter()))
    limited.get_logger("").emit(body="too much", attributes=EVERY_VALUE)
    limited.shutdown()


def batching(exporter):
    return BatchLogRecordProcessor(exporter, max_queue_size=4096, max_export_batch_size=512)


def every_record():
    yield {}
    yield {"attributes": EVERY_VALUE}
    yield {"body": EVERY_VALUE}
    for level in SeverityNumber:
        yield {"severity_number": level, "severity_text": level.name}
    for body in EVERY_VALUE.values():
        yield {"body": body}
    yield {
        "event_name": "basket.checkout",
        "timestamp": 1_600_000_000_000_000_001,
        "observed_timestamp": 1_600_000_001_000_000_002,
    }
    yield {"body": "of a span", "context": set_span_in_context(NonRecordingSpan(REMOTE))}
    yield {"body": "failed", "exception": KeyError("no such item")}
