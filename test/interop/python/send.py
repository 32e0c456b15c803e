"""Sends what the OpenTelemetry SDK of Python can express, and prints what it sent.

One JSON object a line: {"signal": ..., "request": ...}, the request in OTLP/JSON. Ends with 1 where the SDK could not
deliver something.
"""

import argparse
import base64
import json
import sys
import threading

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http import Compression as HttpCompression

IDS = ("traceId", "spanId", "parentSpanId")


class Recorder:
    """Writes down what goes through exporters, with the encoder that they use, and whether they failed."""

    def __init__(self):
        self.failed = False
        self._printing = threading.Lock()

    def around(self, exporter, signal, encode):
        send = exporter.export

        def export(items, *args, **kwargs):
            self._print(signal, MessageToDict(encode(items), use_integers_for_enums=True))
            result = send(items, *args, **kwargs)
            if result.name != "SUCCESS":
                self.failed = True
            return result

        exporter.export = export
        return exporter

    def _print(self, signal, request):
        line = json.dumps({"signal": signal, "request": with_hex_ids(request)})
        with self._printing:
            print(line)


def with_hex_ids(value, key=None):
    """OTLP/JSON writes ids as hex, where protobuf's own JSON has base64."""
    if isinstance(value, dict):
        return {name: with_hex_ids(member, name) for name, member in value.items()}
    if isinstance(value, list):
        return [with_hex_ids(element) for element in value]
    return base64.b64decode(value).hex() if key in IDS else value


class Exporters:
    """Makes exporters of one protocol, all recorded."""

    def __init__(self, protocol, port, compression):
        self.recorder = Recorder()
        self._protocol = protocol
        self._port = port
        self._compression = compression

    def spans(self):
        if self._protocol == "grpc":
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        else:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        return self.recorder.around(OTLPSpanExporter(**self._options("traces")), "traces", encode_spans)

    def metrics(self, temporality):
        if self._protocol == "grpc":
            from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        else:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        exporter = OTLPMetricExporter(preferred_temporality=temporality, **self._options("metrics"))
        return self.recorder.around(exporter, "metrics", encode_metrics)

    def logs(self):
        if self._protocol == "grpc":
            from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        else:
            from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        return self.recorder.around(OTLPLogExporter(**self._options("logs")), "logs", encode_logs)

    def _options(self, signal):
        if self._protocol == "grpc":
            compression = grpc.Compression.Gzip if self._compression == "gzip" else grpc.Compression.NoCompression
            return {"endpoint": f"http://127.0.0.1:{self._port}", "insecure": True, "compression": compression}
        endpoint = f"http://127.0.0.1:{self._port}/v1/{signal}"
        return {"endpoint": endpoint, "compression": HttpCompression(self._compression)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--protocol", choices=["grpc", "http"], required=True)
    parser.add_argument("--compression", choices=["none", "gzip", "deflate"], required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    exporters = Exporters(arguments.protocol, arguments.port, arguments.compression)

    from logs import send_logs
    from metrics import send_metrics
    from traces import send_traces

    send_traces(exporters.spans)
    send_metrics(exporters.metrics)
    send_logs(exporters.logs)
    sys.exit(1 if exporters.recorder.failed else 0)


if __name__ == "__main__":
    main()
