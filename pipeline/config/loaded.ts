/** A configuration that has been read, merged and found valid: what the graph is built from. Types only. */
import type { AuthExtension } from '../auth/config.ts';
import type { Signal } from '../batch.ts';
import type { ExporterFactory, ProcessorFactory, ReceiverFactory } from '../component.ts';
import type { ServerTlsConfig } from '../server-tls.ts';
import type { LogLevel } from '../telemetry/logger.ts';
import type { FileStorageConfig } from './file-storage.ts';
import type { Position, Problem } from './report.ts';
import type { Endpoint } from './scalars.ts';

/** A component that was configured, whether or not a pipeline uses it. */
export interface Configured<Factory> {
  /** `type` or `type/name`. */
  readonly id: string;
  readonly factory: Factory;
  /** What `factory.config` made of the user's value. */
  readonly config: unknown;
  /** Where its id stands. */
  readonly at: Position;
}

/** One entry of a pipeline's list. */
export interface Ref {
  readonly id: string;
  /** Where the entry stands in the pipeline's list. */
  readonly at: Position;
  /** The map of `LoadedConfig` that holds the id: a pipeline's receiver may be a processor that is a source too. */
  readonly from: 'receivers' | 'processors' | 'exporters';
}

export interface PipelineConfig {
  /** `signal` or `signal/name`. */
  readonly id: string;
  readonly signal: Signal;
  /** The part after the slash; empty for an unnamed pipeline. */
  readonly name: string;
  readonly receivers: readonly Ref[];
  readonly processors: readonly Ref[];
  readonly exporters: readonly Ref[];
  /** Where its id stands. */
  readonly at: Position;
}

/** Where the operator's own pages are served. */
export interface AdminEndpoint extends Endpoint {
  readonly tls?: ServerTlsConfig | undefined;
}

export interface ServiceSettings {
  readonly logLevel: LogLevel;
  /** Where `/metrics` and the API are served; undefined: nowhere (`metrics: {level: none}`). */
  readonly metrics: AdminEndpoint | undefined;
  /** What requests that change something must carry. A secret. */
  readonly adminToken: string | undefined;
  /** Where components remember; undefined: nowhere. */
  readonly fileStorage: FileStorageConfig | undefined;
  /** Who tells who may send, for receivers to name. */
  readonly authenticators: readonly AuthExtension[];
  /** Where `/livez` and `/readyz` are served; undefined: nowhere (`health_check: {enabled: false}`). */
  readonly healthCheck: AdminEndpoint | undefined;
  /** How many threads receive telemetry; 1: the main one, and no others. */
  readonly workers: number;
  /** How long stopping may take, in milliseconds. */
  readonly shutdownTimeoutMs: number;
}

export interface LoadedConfig {
  readonly receivers: ReadonlyMap<string, Configured<ReceiverFactory>>;
  /** Also those that stand under `connectors`. */
  readonly processors: ReadonlyMap<string, Configured<ProcessorFactory>>;
  readonly exporters: ReadonlyMap<string, Configured<ExporterFactory>>;
  readonly pipelines: readonly PipelineConfig[];
  readonly service: ServiceSettings;
  /** What is allowed but surely not meant, such as a component that no pipeline uses. */
  readonly warnings: readonly Problem[];
  /** Merged and expanded, as the user wrote it: units are still text, defaults are not filled in. Holds secrets. */
  readonly tree: unknown;
}
