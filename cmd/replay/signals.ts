import type { Signal, TelemetrySignal } from '../../pipeline/batch.ts';

/** Whether a signal is what services send. */
export function isTelemetrySignal(signal: Signal): signal is TelemetrySignal {
  return signal === 'traces' || signal === 'metrics' || signal === 'logs';
}
