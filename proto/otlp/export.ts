import { BYTES, Reader, VARINT } from '../wire/reader.ts';
import { Writer } from '../wire/writer.ts';
import type { TelemetrySignal } from './columns.ts';

/** Where OTLP sends each signal (opentelemetry/proto/collector, OTLP specification). */
export const EXPORT_METHODS = {
  traces: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  metrics: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
  logs: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
} as const satisfies Record<TelemetrySignal, string>;

export const EXPORT_PATHS = {
  traces: '/v1/traces',
  metrics: '/v1/metrics',
  logs: '/v1/logs',
} as const satisfies Record<TelemetrySignal, string>;

/** What an ExportPartialSuccess says. `rejected` 0 with a message is a warning: everything was accepted. */
export interface PartialSuccess {
  readonly rejected: number;
  readonly message: string;
}

/** An Export{Trace,Metrics,Logs}ServiceResponse with its partial_success set; see `decodeExportResponse`. */
export function encodeExportResponse({ rejected, message }: PartialSuccess): Uint8Array {
  const partial = new Writer();
  partial.varintField(1, rejected);
  if (message !== '') partial.stringField(2, message);
  const response = new Writer();
  response.bytesField(1, partial.finish());
  return response.finish();
}

const REJECTED = { traces: 'rejectedSpans', metrics: 'rejectedDataPoints', logs: 'rejectedLogRecords' } as const;

/** The same in the JSON mapping of proto3: an int64 is a string there. */
export function exportResponseToJson({ rejected, message }: PartialSuccess, signal: TelemetrySignal): string {
  return JSON.stringify({ partialSuccess: { [REJECTED[signal]]: String(rejected), errorMessage: message } });
}

/**
 * Reads an Export{Trace,Metrics,Logs}ServiceResponse; the numbers are the same in all three.
 * ```
 * ExportTraceServiceResponse partial_success = 1
 * ExportTracePartialSuccess  rejected_spans = 1 int64, error_message = 2 string
 * ```
 * Throws `WireError` where it is malformed.
 */
export function decodeExportResponse(bytes: Uint8Array): PartialSuccess {
  const reader = new Reader(bytes);
  let rejected = 0;
  let message = '';
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag !== ((1 << 3) | BYTES)) {
      reader.skip(tag & 7);
      continue;
    }
    const end = reader.length() + reader.pos;
    while (reader.pos < end) {
      const inner = reader.tag();
      if (inner === ((1 << 3) | VARINT)) rejected = reader.varint();
      else if (inner === ((2 << 3) | BYTES)) {
        const length = reader.length();
        message = Buffer.from(bytes.subarray(reader.pos, reader.pos + length)).toString('utf8');
        reader.pos += length;
      } else reader.skip(inner & 7);
    }
  }
  // A negative int64 comes as nearly 2^64: nonsense, and nothing that may be counted.
  return { rejected: rejected > Number.MAX_SAFE_INTEGER ? 0 : rejected, message };
}
