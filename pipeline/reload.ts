import { isDeepStrictEqual } from 'node:util';
import type { Clock } from './clock.ts';
import { configHash } from './config/hash.ts';
import type { LoadedConfig, ServiceSettings } from './config/loaded.ts';
import { ConfigError, formatProblem } from './config/report.ts';
import { asPipelineError, PipelineError } from './errors.ts';
import type { Changes } from './service.ts';
import type { Logger } from './telemetry/logger.ts';
import type { Level, Meter } from './telemetry/meter.ts';
import type { ConfigTexts } from './workers/messages.ts';

/** A configuration as it was found now, with the texts that it was read from. */
export interface Source {
  readonly loaded: LoadedConfig;
  readonly texts: ConfigTexts;
}

const OUTCOMES = ['applied', 'unchanged', 'invalid', 'needs_restart', 'failed'] as const;

type Outcome = (typeof OUTCOMES)[number];

/** What whoever asked for a reload is told. */
export interface Reloaded extends Changes {
  readonly outcome: 'applied' | 'unchanged';
  /** Of the configuration that runs now. */
  readonly hash: string;
}

export interface ReloadParts {
  /** Reads and checks the sources anew. Rejects with `config`. */
  read(): Promise<Source>;
  /** Goes over to another configuration, or rejects and stays with the one there is. */
  apply(source: Source): Promise<Changes>;
  /** Resolves when everything has started, or never. */
  readonly started: Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** Reloads the configuration on request: one at a time, and what is asked for meanwhile afterwards, once. */
export class Reloads {
  readonly #parts: ReloadParts;
  readonly #succeeded: Level;
  #current: LoadedConfig;
  #hash: string | undefined;
  #running: Promise<unknown> | undefined;
  #next: Promise<Reloaded> | undefined;

  constructor(current: LoadedConfig, parts: ReloadParts) {
    this.#current = current;
    this.#parts = parts;
    const { meter, clock } = parts;
    for (const outcome of OUTCOMES) meter.counter('windback_config_reloads_total', { outcome });
    this.#succeeded = meter.gauge('windback_config_last_reload_success_timestamp_seconds');
    this.#succeeded.set(clock.now() / 1000);
    this.#showHash();
  }

  /** The configuration that runs. */
  get current(): LoadedConfig {
    return this.#current;
  }

  /** Of the configuration that runs. */
  get hash(): string {
    return (this.#hash ??= configHash(this.#current));
  }

  /** Rejects with why nothing was changed: `config`, `reload_needs_restart`, or what did not start. Both are logged. */
  request(): Promise<Reloaded> {
    if (this.#next !== undefined) return this.#next;
    const before = this.#running;
    const run = async (): Promise<Reloaded> => {
      await before?.catch(() => {});
      await this.#parts.started;
      this.#running = running;
      this.#next = undefined;
      return this.#reload();
    };
    const running: Promise<Reloaded> = run().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    if (before === undefined) this.#running = running;
    else this.#next = running;
    return running;
  }

  async #reload(): Promise<Reloaded> {
    const { logger, clock } = this.#parts;
    try {
      const source = await this.#parts.read();
      for (const warning of source.loaded.warnings) logger.warn(formatProblem(warning));
      const reloaded = await this.#apply(source);
      this.#succeeded.set(clock.now() / 1000);
      this.#count(reloaded.outcome);
      logger.info(reloaded, `the configuration was reloaded: ${reloaded.outcome}`);
      return reloaded;
    } catch (thrown) {
      const error = asPipelineError(thrown);
      this.#count(outcomeOf(error));
      const problems = error instanceof ConfigError ? { problems: error.problems.map(formatProblem) } : {};
      const what = { code: error.code, ...problems, todo: error.row.todo };
      logger.error(what, `not reloaded, the configuration from before goes on: ${error.message}`);
      throw error;
    }
  }

  async #apply(source: Source): Promise<Reloaded> {
    const { loaded } = source;
    if (isDeepStrictEqual(loaded.tree, this.#current.tree)) {
      return { outcome: 'unchanged', hash: this.hash, started: [], stopped: [], kept: 0 };
    }
    const keys = unchangeable(this.#current.service, loaded.service);
    if (keys.length > 0) throw new PipelineError('reload_needs_restart', keys.join(', '));
    const changes = await this.#parts.apply(source);
    this.#current = loaded;
    this.#hash = undefined;
    return { outcome: 'applied', hash: this.hash, ...changes };
  }

  #count(outcome: Outcome): void {
    this.#parts.meter.counter('windback_config_reloads_total', { outcome }).add(1);
  }

  /** Made when somebody looks first, so that starting does not wait for it. */
  #showHash(): void {
    const { meter } = this.#parts;
    let shown: { readonly hash: string; readonly level: Level } | undefined;
    meter.beforeText(() => {
      if (shown?.hash === this.hash) return;
      shown?.level.remove();
      shown = { hash: this.hash, level: meter.gauge('windback_config_info', { hash: this.hash }) };
      shown.level.set(1);
    });
  }
}

function outcomeOf({ code }: PipelineError): Outcome {
  if (code === 'config') return 'invalid';
  return code === 'reload_needs_restart' ? 'needs_restart' : 'failed';
}

/** The keys that differ and are read once, when the process starts. */
function unchangeable(from: ServiceSettings, to: ServiceSettings): string[] {
  const keys = {
    'service.workers': 'workers',
    'service.telemetry.metrics': 'metrics',
    'extensions.health_check': 'healthCheck',
    'extensions.file_storage': 'fileStorage',
  } as const satisfies Record<string, keyof ServiceSettings>;
  return Object.entries(keys)
    .filter(([, field]) => !isDeepStrictEqual(from[field], to[field]))
    .map(([key]) => key);
}
