/** What the main thread and its ingest workers tell each other. Types, and errors as data. */
import type { TelemetrySignal } from '../batch.ts';
import type { ConnectionLoad } from '../component.ts';
import { type ErrorCode, PipelineError } from '../errors.ts';
import type { HealthDelta } from '../../proto/windback/health.ts';
import type { Tag } from '../tag.ts';
import type { ForeignReading, Labels } from '../telemetry/meter.ts';
import type { SharedMemory } from './shared-memory.ts';

/** The sources of a configuration, as the main thread read them. Holds secrets. */
export interface ConfigTexts {
  readonly sources: readonly string[];
  readonly sets: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By path: those that are a configuration, and those that `${file:PATH}` names. */
  readonly files: ReadonlyMap<string, string>;
}

/** What a worker is started with. */
export interface WorkerStart {
  /** From 0. */
  readonly index: number;
  readonly config: ConfigTexts;
  readonly memory: SharedMemory;
  readonly isFirst: boolean;
  readonly roles: readonly (readonly [serviceKey: string, baseline: string, candidates: readonly string[]])[];
}

export type ToWorker =
  | { readonly kind: 'start' }
  /** Read this configuration and keep it ready, without going over to it. */
  | { readonly kind: 'check'; readonly question: number; readonly config: ConfigTexts; readonly memory: SharedMemory }
  /** Go over to the configuration that was checked last; `probes`: try whether its new addresses are free. */
  | { readonly kind: 'swap'; readonly question: number; readonly probes: boolean }
  | { readonly kind: 'stop'; readonly timeoutMs: number }
  | { readonly kind: 'taken'; readonly call: number; readonly error?: ErrorData }
  | {
      readonly kind: 'roles';
      readonly serviceKey: string;
      readonly baseline: string;
      readonly candidates: readonly string[];
    }
  | { readonly kind: 'report' }
  /** Send what the ledger is made of, as it is at one moment. */
  | { readonly kind: 'books' }
  /** Listen so many times more, so that new connections come here; 0: no more than usual. */
  | { readonly kind: 'doors'; readonly count: number }
  | { readonly kind: 'shed'; readonly connections: readonly ConnectionName[] };

export type ToMain =
  | { readonly kind: 'ready' }
  /** The answer to the `check` or the `swap` of this number. */
  | { readonly kind: 'done'; readonly question: number; readonly error?: ErrorData }
  | { readonly kind: 'failed'; readonly error: ErrorData }
  | { readonly kind: 'batch'; readonly call: number; readonly target: string; readonly batch: BatchData }
  | ({ readonly kind: 'series' } & SeriesPlace)
  | { readonly kind: 'begun'; readonly serviceKey: string; readonly baseline: string; readonly candidate: string }
  | { readonly kind: 'opened' }
  | { readonly kind: 'load'; readonly connections: readonly ConnectionOf[] }
  | { readonly kind: 'books'; readonly readings: readonly ForeignReading[] }
  | { readonly kind: 'stopped'; readonly isClean: boolean };

/** Where a time series of a worker stands. */
export interface SeriesPlace {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly labels: Labels;
  readonly memory: SharedArrayBuffer;
  readonly index: number;
}

export interface ConnectionName {
  readonly receiver: string;
  readonly id: number;
}

export type ConnectionOf = ConnectionLoad & { readonly receiver: string };

/** A batch as plain data. */
export type BatchData =
  | { readonly signal: 'health'; readonly items: number; readonly deltas: readonly HealthDelta[] }
  | { readonly signal: TelemetrySignal; readonly bytes: Uint8Array; readonly tags?: readonly Tag[] };

export interface ErrorData {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly retryAfterMs?: number;
  readonly items?: number;
}

export function errorData({ code, detail, retryAfterMs, items }: PipelineError): ErrorData {
  return {
    code,
    detail,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(items === undefined ? {} : { items }),
  };
}

export function errorOf({ code, detail, retryAfterMs, items }: ErrorData): PipelineError {
  return new PipelineError(code, detail, {
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(items === undefined ? {} : { items }),
  });
}
