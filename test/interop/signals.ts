import type { TelemetrySignal } from '../../pipeline/batch.ts';

export const SIGNALS = ['traces', 'metrics', 'logs'] as const satisfies readonly TelemetrySignal[];

export type BySignal<T> = Readonly<Record<TelemetrySignal, T>>;

export type Transport = 'grpc' | 'http';
