/**
 * The contract between the engine and every component. Types and doc comments only: what is written here is the
 * specification, and `test/contract` holds each component against it.
 */
import type { z } from 'zod';
import type { Authenticators } from './auth/authenticator.ts';
import type { Batch, Signal } from './batch.ts';
import type { Clock } from './clock.ts';
import type { QueueConfig, RetryConfig } from './queue-config.ts';
import type { Roles } from './roles.ts';
import type { Routes } from './routes.ts';
import type { SpoolSettings } from './spool/spool.ts';
import type { Storage } from './storage.ts';
import type { Logger } from './telemetry/logger.ts';
import type { Instruments } from './telemetry/meter.ts';
import type { Siblings } from './workers/siblings.ts';

export type Stability = 'stable' | 'beta' | 'alpha';

/**
 * Takes batches. The promise is the acknowledgement:
 * - resolved: responsibility is taken; the caller may acknowledge upstream and forget the batch;
 * - rejected: with a `PipelineError` (nothing else), which says whether a retry can help.
 *
 * `consume` may be called concurrently, and is never called before `start` has resolved or after `stop` was called.
 * The batch belongs to the consumer from the call on; whoever needs it unchanged forks it first (see `mutates`), and
 * whoever reads it after `consume` has resolved says so first (`TelemetryBatch.keep`).
 */
export interface Consumer {
  consume(batch: Batch): Promise<void>;
}

/**
 * Anything with a life. `start` resolves when the component works (a listener listens, a file is open) and rejects
 * with a `PipelineError` when it cannot. It does not wait for remote peers: a broker may be down when we start.
 *
 * `stop` finishes what was accepted, as far as `deadline` allows, and releases everything. It is legal before
 * `start`, during it, and twice; after it settles the component holds no timer, socket or file. It rejects where
 * something that had been accepted was lost. One that has stopped is not started again: another one is made, with the
 * same storage.
 */
export interface Component {
  start(): Promise<void>;
  stop(deadline: AbortSignal): Promise<void>;
}

/**
 * A receiver whose clients can be sent elsewhere: what the balance between ingest workers is kept by. Optional, and
 * found by its methods.
 */
export interface Sheddable {
  /** The open connections. */
  load(): readonly ConnectionLoad[];
  /**
   * Asks the client of one connection to open another one, as an orderly end does (GOAWAY with NO_ERROR, `connection:
   * close`): requests under way are answered, none is lost. Nothing where the connection is gone.
   */
  shed(id: number): void;
}

export interface ConnectionLoad {
  /** Never used again by this receiver. */
  readonly id: number;
  /** What has come over it so far. */
  readonly bytes: number;
}

/**
 * The next consumer for each signal that a component emits and somebody listens to. The configuration may change while a
 * component runs: who listens is another one then, and `to` gives the same consumer, which leads there.
 */
export interface Outlets {
  /** The consumer of `signal`; one that takes and forgets where no pipeline listens. */
  to(signal: Signal): Consumer;
  /** Whether anybody listens, for components that can spare work. */
  has(signal: Signal): boolean;
  /** Whether anybody there reads what attributes of items say; without this method, everybody does. */
  readsAttributes?(signal: Signal): boolean;
}

/** All of the outside world that a component may touch. Everything in it can be replaced in a test. */
export interface Context {
  /** The id as configured: `type` or `type/name`. */
  readonly id: string;
  readonly logger: Logger;
  readonly meter: Instruments;
  readonly clock: Clock;
  /** Uniform in [0, 1). Seeded in replays and tests. */
  readonly random: () => number;
  /** Which version of a service is baseline and which candidate, as far as anybody in this process knows. */
  readonly roles: Roles;
  /** What it remembers beyond this process, where the configuration has a `file_storage`; else nothing survives. */
  readonly storage: Storage;
  /** Where its queue may lie on disk, where the configuration has a `file_storage`. */
  readonly spool?: SpoolSettings;
  /** The share of this thread in the memory of the process; all of it where there are no ingest workers. */
  readonly memoryShare?: number;
  /** Where it registers what it answers to the operator. Nobody asks where metrics are not served, as in a replay. */
  readonly routes: Routes;
  /** Who tells who may send, by id of an extension; ready before any component starts. */
  readonly authenticators?: Authenticators;
  /**
   * What a processor says where it leaves items of a batch out on purpose, and why, once the rest has been taken: else
   * they are missing in the ledger. `reason` is one of a few words.
   */
  readonly filtered?: (signal: Signal, reason: string, items: number) => void;
  /** What it shares with its like in other threads, where ingest workers run it too. */
  readonly siblings?: Siblings;
}

interface Declared<C extends z.ZodType> {
  /** The name in configuration files, snake_case. */
  readonly type: string;
  readonly stability: Stability;
  /** One sentence for `windback components` and the generated documentation. */
  readonly summary: string;
  /** A strict schema with a default and a description for every key: the only source of the option tables. */
  readonly config: C;
}

/** Makes receivers: sources of batches. One instance per configured id, whatever the number of pipelines. */
export interface ReceiverFactory<C extends z.ZodType = z.ZodType> extends Declared<C> {
  /** Whether each ingest worker runs one, all on the same addresses. Else it runs in the main thread alone. */
  readonly isShareable?: boolean;
  readonly emits: readonly Signal[];
  create(config: z.output<C>, next: Outlets, context: Context): Component;
}

/**
 * Makes processors. One instance per configured id and pipeline name: `traces` and `logs` (both unnamed) share one,
 * `traces/eu` has its own.
 *
 * A signal that is both accepted and emitted passes through. One that is emitted but not accepted makes the processor
 * a source as well: a pipeline that lists its id under `receivers` gets that signal (the Collector says connector).
 */
export interface ProcessorFactory<C extends z.ZodType = z.ZodType> extends Declared<C> {
  readonly accepts: readonly Signal[];
  readonly emits: readonly Signal[];
  /** Whether it changes batches: the engine forks a batch before a pipeline that does, if others see it too. */
  readonly mutates: boolean;
  /** Whether it reads the columns that come from attributes of items. They are empty where nobody does. */
  readonly readsAttributes?: boolean;
  /** Types of processors that must stand earlier in the same pipeline. */
  readonly after?: readonly string[];
  /** Types of processors that must not stand earlier in the same pipeline: they would see what this one takes away. */
  readonly before?: readonly string[];
  create(config: z.output<C>, next: Outlets, context: Context): Component & Consumer;
}

/**
 * Makes exporters. One instance per configured id. `consume` makes one attempt to deliver; the engine puts the queue
 * and the retries of `sending_queue` and `retry_on_failure` in front of it, if the schema has these keys, and counts.
 * Where the destination took a part and refused the rest for good, `consume` rejects with a permanent error whose
 * `items` says how many were refused.
 */
export interface ExporterFactory<C extends z.ZodType = z.ZodType> extends Declared<C> {
  /** Whether a process may have only one, such as the writer of a file: then ingest workers hand it their batches. */
  readonly isSingle?: boolean;
  readonly accepts: readonly Signal[];
  create(config: z.output<C>, context: Context): Component & Consumer;
}

/** The part of an exporter's configuration that the engine reads. */
export interface QueuedConfig {
  readonly sending_queue?: QueueConfig;
  readonly retry_on_failure?: RetryConfig;
}

/** Everything that a configuration may name. `cmd/components.ts` holds the one instance. */
export interface ComponentTable {
  readonly receivers: readonly ReceiverFactory[];
  readonly processors: readonly ProcessorFactory[];
  readonly exporters: readonly ExporterFactory[];
}
