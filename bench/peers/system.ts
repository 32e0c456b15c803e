/** What a system under test has to say, so that it can be started for a case. */
import type { Case } from './cases.ts';

export type SystemName = 'windback' | 'collector' | 'rotel';

export interface Places {
  /** Where OTLP comes in. */
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Where the sink listens. */
  readonly sink: { readonly grpc: number; readonly http: number };
  /** Files go here. */
  readonly folder: string;
  /** Whether it is bound to one core, and should not try to use more. */
  readonly isPinned: boolean;
}

export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Files to write before, by path. */
  readonly files: Readonly<Record<string, string>>;
}

export interface System {
  readonly name: SystemName;
  readonly title: string;
  /** Why it cannot do a case; undefined where it can. */
  cannot(one: Case): string | undefined;
  launch(one: Case, places: Places): Launch;
}

/**
 * What may wait between receiver and exporter, with what is under way, bytes: so a platform bounds it that has not much
 * memory. The defaults count a thousand requests or batches, which in a closed loop makes the memory that of the queue: as
 * many requests of 4 MB as fit.
 */
export const QUEUE_BYTES = 16 * 1024 * 1024;
/** Requests under way to the sink; the Collector's default. */
export const CONSUMERS = 10;
export const REQUEST_MIB_MAX = 64;
