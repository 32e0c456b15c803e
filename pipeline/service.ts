import type { Authenticator } from './auth/authenticator.ts';
import type { AuthExtension } from './auth/config.ts';
import type { Clock } from './clock.ts';
import type { Context, Sheddable } from './component.ts';
import type { LoadedConfig } from './config/loaded.ts';
import { asPipelineError, PipelineError } from './errors.ts';
import { buildGraph, type Graph, type Instance } from './graph.ts';
import { type Ledger, readLedger } from './ledger/view.ts';
import { Roles } from './roles.ts';
import { Router } from './routes.ts';
import type { SpoolSettings } from './spool/spool.ts';
import { MemoryStorages, type Storages } from './storage.ts';
import type { Logger } from './telemetry/logger.ts';
import type { Meter } from './telemetry/meter.ts';
import type { Siblings } from './workers/siblings.ts';

/** The outside world as the whole service sees it; each component gets its own `Context` cut from it. */
export interface Surroundings {
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger & { child(bindings: Record<string, string>): Logger };
  readonly meter: Meter;
  /** Memory where it is not given. Whoever gives it closes it, after `stop`. */
  readonly storages?: Storages;
  /** Where the queue of the exporter with this id lies on disk, where that may be. */
  readonly spools?: (id: string) => SpoolSettings;
  /** The share of this thread in the memory of the process, from 0 to 1. */
  readonly memoryShare?: number;
  /** Whoever gives it serves it. */
  readonly router?: Router;
  /** What the component with this id shares with those in other threads, where there are others. */
  readonly siblings?: (id: string) => Siblings | undefined;
}

export type ServiceState = 'new' | 'starting' | 'ready' | 'stopping' | 'stopped';

/** A configuration come to life. */
export class Service {
  readonly roles = new Roles();
  readonly #graph: Graph;
  readonly #logger: Logger;
  readonly #shutdownTimeoutMs: number;
  readonly #authExtensions: readonly AuthExtension[];
  readonly #authenticators = new Map<string, Authenticator>();
  readonly #clock: Clock;
  readonly #meter: Meter;
  readonly #pipelines: LoadedConfig['pipelines'];
  #started: Instance[] = [];
  #stopped: Promise<boolean> | undefined;
  #state: ServiceState = 'new';

  constructor(loaded: LoadedConfig, surroundings: Surroundings) {
    const { clock, random, logger, meter, storages = new MemoryStorages(), router = new Router() } = surroundings;
    this.#logger = logger;
    this.#clock = clock;
    this.#meter = meter;
    this.#pipelines = loaded.pipelines;
    this.#shutdownTimeoutMs = loaded.service.shutdownTimeoutMs;
    this.#authExtensions = loaded.service.authenticators;
    this.#graph = buildGraph(
      loaded,
      (id): Context => {
        const siblings = surroundings.siblings?.(id);
        const spool = surroundings.spools?.(id);
        return {
          id,
          logger: logger.child({ component: id }),
          meter,
          clock,
          random,
          roles: this.roles,
          storage: storages.of(id),
          routes: router.of(id),
          authenticators: this.#authenticators,
          ...(siblings === undefined ? {} : { siblings }),
          ...(spool === undefined ? {} : { spool }),
          memoryShare: surroundings.memoryShare ?? 1,
        };
      },
      meter,
    );
  }

  get state(): ServiceState {
    return this.#state;
  }

  /** Where all items are. */
  async ledger(): Promise<Ledger> {
    this.#meter.refresh();
    return readLedger(this.#meter.own(), this.#pipelines);
  }

  /** The receivers whose clients can be sent elsewhere, by id. */
  sheddable(): Map<string, Sheddable> {
    const able = this.#graph.receivers.filter(({ component }) => 'shed' in component && 'load' in component);
    return new Map(able.map(({ id, component }) => [id, component as unknown as Sheddable]));
  }

  /**
   * Exporters first, receivers last. If one cannot start, those that did are stopped and its error is thrown; if it is
   * stopped before all have started, it rejects with `stopping`.
   */
  async start(): Promise<void> {
    this.#state = 'starting';
    await this.#startAuthenticators();
    for (const instance of [...this.#graph.exporters, ...this.#graph.processors, ...this.#graph.receivers]) {
      try {
        this.#started.push(instance);
        await instance.component.start();
        if (this.#state === 'starting') continue;
        // Stopped meanwhile. This one was too, but may have come to life only after that.
        await this.stop();
        this.#started = [instance];
        throw new PipelineError('stopping', 'before everything had started');
      } catch (thrown) {
        await this.stop();
        throw asPipelineError(thrown);
      }
    }
    this.#state = 'ready';
  }

  async #startAuthenticators(): Promise<void> {
    if (this.#authExtensions.length === 0) return;
    const { createAuthenticator } = await import('./auth/create.ts');
    for (const extension of this.#authExtensions) {
      const authenticator = createAuthenticator(extension);
      await authenticator.start(this.#clock, this.#logger);
      this.#authenticators.set(extension.id, authenticator);
    }
  }

  /** Receivers first, exporters last, all within the shutdown timeout. Legal before `start`, during it, and twice. */
  stop(timeoutMs = this.#shutdownTimeoutMs): Promise<boolean> {
    this.#stopped ??= this.#stopAll(timeoutMs).finally(() => {
      this.#stopped = undefined;
    });
    return this.#stopped;
  }

  async #stopAll(timeoutMs: number): Promise<boolean> {
    let isClean = true;
    this.#state = 'stopping';
    const deadline = new AbortController();
    const over = new AbortController();
    void this.#clock.sleep(timeoutMs, over.signal).then(() => deadline.abort());
    // In the reverse of the starting order each part is stopped while all that it hands batches to still runs.
    for (const { id, component } of this.#started.splice(0).reverse()) {
      try {
        await component.stop(deadline.signal);
      } catch (thrown) {
        isClean = false;
        const { code, message, row } = asPipelineError(thrown);
        this.#logger.error({ component: id, code, todo: row.todo }, `not stopped cleanly: ${message}`);
      }
    }
    for (const authenticator of this.#authenticators.values()) authenticator.stop();
    over.abort();
    this.#state = 'stopped';
    return isClean;
  }
}
