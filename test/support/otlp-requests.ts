import type { TelemetrySignal } from '../../pipeline/batch.ts';
import { jsonToProtobuf } from '../../proto/otlp/json.ts';

const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'checkout' } }] };
const scope = { name: 'test' };
const START_NS = 1_700_000_000_000_000_000n;

/** An Export request as OTLP/JSON would write it, with `count` items of one resource. */
export function requestJson(signal: TelemetrySignal, count: number): Record<string, unknown> {
  const items = Array.from({ length: count }, (_, i) => item(signal, i));
  switch (signal) {
    case 'traces':
      return { resourceSpans: [{ resource, scopeSpans: [{ scope, spans: items }] }] };
    case 'logs':
      return { resourceLogs: [{ resource, scopeLogs: [{ scope, logRecords: items }] }] };
    case 'metrics': {
      const sum = { dataPoints: items, aggregationTemporality: 2, isMonotonic: true };
      return { resourceMetrics: [{ resource, scopeMetrics: [{ scope, metrics: [{ name: 'requests', sum }] }] }] };
    }
  }
}

/** The same, encoded. */
export function requestBytes(signal: TelemetrySignal, count: number): Uint8Array {
  return jsonToProtobuf(signal, JSON.stringify(requestJson(signal, count)));
}

function item(signal: TelemetrySignal, i: number): Record<string, unknown> {
  const timeNs = (START_NS + BigInt(i) * 1_000_000n).toString();
  const attributes = [{ key: 'n', value: { intValue: i } }];
  if (signal === 'logs')
    return { timeUnixNano: timeNs, severityNumber: 9, body: { stringValue: `line ${i}` }, attributes };
  if (signal === 'metrics')
    return { startTimeUnixNano: `${START_NS}`, timeUnixNano: timeNs, asInt: `${i}`, attributes };
  return {
    traceId: i.toString(16).padStart(32, 'a'),
    spanId: i.toString(16).padStart(16, 'b'),
    name: `GET /items/${i}`,
    kind: 2,
    startTimeUnixNano: `${START_NS}`,
    endTimeUnixNano: timeNs,
    attributes,
  };
}
