import type { TelemetrySignal } from '../../proto/otlp/columns.ts';
import { logsRequest } from './records.ts';
import { metricsRequest } from './points.ts';
import { type Part, partsOf, type Shape } from './shape.ts';
import { tracesRequest } from './spans.ts';

const MAKERS: Record<TelemetrySignal, (shape: Shape, parts: readonly Part[], nowMs: number) => Uint8Array> = {
  traces: tracesRequest,
  metrics: metricsRequest,
  logs: logsRequest,
};

/** Request number `variant` of a shape, as an encoded Export request whose items ended in the second before `nowMs`. */
export function encodeRequest(shape: Shape, variant: number, nowMs: number): Uint8Array {
  return MAKERS[shape.signal](shape, partsOf(shape, variant), nowMs);
}
