import { AuthenticatorSet } from './auth/authenticator-set.ts';
import type { Clock } from './clock.ts';
import type { Context, Sheddable } from './component.ts';
import type { LoadedConfig } from './config/loaded.ts';
import { asPipelineError, PipelineError } from './errors.ts';
import { buildGraph, type Graph, startingOrder } from './graph.ts';
import { tellStranded } from './decision-outbox.ts';
import { changeOf, type GraphChange, hasStoredQueue, isExclusive, keepsDecisions } from './graph-change.ts';
import { type Ledger, readLedger } from './ledger/view.ts';
import type { Place } from './place.ts';
import { Roles } from './roles.ts';
import { Router } from './routes.ts';
import type { SpoolSettings } from './spool/spool.ts';
import { deadlineIn, stopAll, type StoppingParts } from './stopping.ts';
import { MemoryStorages, type Storages } from './storage.ts';
import { Swap } from './swap.ts';
import type { Logger, LogLevel } from './telemetry/logger.ts';
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

/** What a reload came to, by ids. */
export interface Changes {
  readonly stopped: readonly string[];
  readonly started: readonly string[];
  /** How many components went on. */
  readonly kept: number;
}

/** A configuration come to life. */
export class Service {
  readonly roles = new Roles();
  readonly #surroundings: Surroundings & Required<Pick<Surroundings, 'storages' | 'router'>>;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #authenticators: AuthenticatorSet;
  /** What takes back that which a component has registered. */
  readonly #ends = new Map<Context, () => void>();
  /** Where components run that are to be stopped. */
  readonly #live = new Set<Place>();
  #loaded: LoadedConfig;
  #graph: Graph;
  /** Exporters that are not in the graph any more and deliver what they have; each with what has it stop at once. */
  readonly #draining = new Map<Place, () => Promise<void>>();
  /** Settles when the reload under way is done. */
  #reloading: Promise<unknown> = Promise.resolve();
  #stopped: Promise<boolean> | undefined;
  #state: ServiceState = 'new';

  constructor(loaded: LoadedConfig, surroundings: Surroundings) {
    this.#surroundings = { storages: new MemoryStorages(), router: new Router(), ...surroundings };
    this.#loaded = loaded;
    this.#logger = surroundings.logger;
    this.#clock = surroundings.clock;
    this.#authenticators = new AuthenticatorSet(this.#clock, this.#logger);
    this.#graph = buildGraph(loaded, (id) => this.#contextOf(id), surroundings.meter);
  }

  get state(): ServiceState {
    return this.#state;
  }

  /** Where all items are. */
  async ledger(): Promise<Ledger> {
    const { meter } = this.#surroundings;
    meter.refresh();
    return readLedger(meter.own(), this.#loaded.pipelines);
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
    await this.#authenticators.start(this.#loaded.service.authenticators);
    for (const place of startingOrder(this.#graph)) {
      try {
        this.#live.add(place);
        await place.component.start();
        if (this.#state === 'starting') continue;
        // Stopped meanwhile. This one was too, but may have come to life only after that.
        await this.stop();
        this.#live.add(place);
        throw new PipelineError('stopping', 'before everything had started');
      } catch (thrown) {
        await this.stop();
        throw asPipelineError(thrown);
      }
    }
    this.#state = 'ready';
    this.#tellStranded();
  }

  /** Decisions that were kept for an exporter which does not take any now. A disk that cannot be read ends nothing here. */
  #tellStranded(): void {
    const taking = this.#graph.exporters.filter(keepsDecisions).map(({ id }) => id);
    try {
      tellStranded(this.#surroundings.storages, new Set(taking), this.#logger);
    } catch (thrown) {
      const { code, message, row } = asPipelineError(thrown);
      this.#logger.warn({ code, todo: row.todo }, `whether decisions wait for nobody cannot be told: ${message}`);
    }
  }

  /**
   * Goes over to another configuration while telemetry comes: what is the same in both goes on, with its connections and
   * its queue. Rejects with a `PipelineError` where something cannot start; then the old configuration goes on. `probes`:
   * whether new addresses are tried first.
   */
  async reload(loaded: LoadedConfig, probes = true): Promise<Changes> {
    if (this.#state !== 'ready') throw new PipelineError('stopping', 'nothing is reloaded');
    const reloaded = this.#change(loaded, probes);
    this.#reloading = reloaded.catch(() => {});
    return reloaded;
  }

  async #change(loaded: LoadedConfig, probes: boolean): Promise<Changes> {
    const change = changeOf(this.#graph, this.#loaded, loaded, this.#surroundings.meter);
    try {
      await this.#goOver(change, loaded, probes);
    } catch (thrown) {
      for (const books of change.next.books) books.close();
      throw asPipelineError(thrown);
    }
    for (const books of this.#graph.books) books.close();
    this.#setLogLevel(loaded.service.logLevel);
    this.#graph = change.next;
    this.#loaded = loaded;
    for (const place of change.stopped.exporters) if (this.#live.has(place)) this.#drain(place);
    return changesOf(change);
  }

  async #goOver(change: GraphChange, loaded: LoadedConfig, probes: boolean): Promise<void> {
    await this.#makeRoom(change.made.exporters);
    const authenticators = await this.#authenticators.prepare(loaded.service.authenticators);
    try {
      const swap = new Swap(change, {
        ...this.#stoppingParts(),
        live: this.#live,
        contextOf: (id) => this.#contextOf(id),
        end: (context) => this.#end(context),
        probes,
      });
      await swap.run();
    } catch (thrown) {
      authenticators.undo();
      throw thrown;
    }
    authenticators.commit();
  }

  /** An exporter that nothing leads to any more stops once it has delivered what it has. */
  #drain(place: Place): void {
    const deadline = new AbortController();
    const timeout = deadlineIn(this.#loaded.service.shutdownTimeoutMs, this.#clock);
    timeout.signal.addEventListener('abort', () => deadline.abort());
    const drain = async () => {
      await place.door.empty(deadline.signal);
      await stopAll([place], deadline.signal, this.#stoppingParts());
      timeout.clear();
      this.#live.delete(place);
      this.#draining.delete(place);
      this.#end(place.context);
      if (isHurried) return;
      if (keepsDecisions(place)) this.#tellStranded();
      if (!hasStoredQueue(place.configuration)) return;
      const todo = 'what its queue on disk may still hold is delivered once it is configured again';
      this.#logger.info({ component: place.id }, `removed; ${todo}`);
    };
    let isHurried = false;
    const done = drain();
    this.#draining.set(place, () => {
      isHurried = true;
      deadline.abort();
      return done;
    });
  }

  /** One that would be in the way of another of its id, which comes back, stops at once: that one goes on with its queue. */
  async #makeRoom(made: readonly Place[]): Promise<void> {
    for (const [place, hurry] of this.#draining) {
      const next = made.find(({ id }) => id === place.id);
      if (next !== undefined && isExclusive(place, next)) await hurry();
    }
  }

  /** Receivers first, exporters last, all within the shutdown timeout. Legal before `start`, during it, and twice. */
  stop(timeoutMs = this.#loaded.service.shutdownTimeoutMs): Promise<boolean> {
    this.#stopped ??= this.#stopAll(timeoutMs).finally(() => {
      this.#stopped = undefined;
    });
    return this.#stopped;
  }

  /** In the reverse of the starting order each part is stopped while all that it hands batches to still runs. */
  async #stopAll(timeoutMs: number): Promise<boolean> {
    this.#state = 'stopping';
    const deadline = deadlineIn(timeoutMs, this.#clock);
    await Promise.race([this.#reloading, passed(deadline.signal)]);
    let isClean = true;
    const stop = async (places: readonly Place[]) => {
      const own = places.filter((place) => this.#live.delete(place));
      if (!(await stopAll(own, deadline.signal, this.#stoppingParts()))) isClean = false;
    };
    const { receivers, processors } = this.#graph;
    const left = (known: readonly Place[], kind: Place['kind']) =>
      [...this.#live].filter((place) => place.kind === kind && !known.includes(place));
    await stop([...left(receivers, 'receivers'), ...receivers.toReversed()]);
    for (const processor of [...processors.toReversed(), ...left(processors, 'processors')]) await stop([processor]);
    await stop([...this.#live].toReversed());
    this.#authenticators.stop();
    deadline.clear();
    this.#state = 'stopped';
    return isClean;
  }

  #stoppingParts(): StoppingParts {
    return { clock: this.#clock, logger: this.#logger };
  }

  #contextOf(id: string): Context {
    const { clock, random, logger, storages, siblings, spools, memoryShare = 1 } = this.#surroundings;
    const [meter, routes] = [this.#surroundings.meter.part(), this.#surroundings.router.of(id)];
    const own = siblings?.(id);
    const spool = spools?.(id);
    const context: Context = {
      id,
      logger: logger.child({ component: id }),
      meter,
      clock,
      random,
      roles: this.roles,
      storage: storages.of(id),
      routes,
      authenticators: this.#authenticators.all,
      ...(own === undefined ? {} : { siblings: own }),
      ...(spool === undefined ? {} : { spool }),
      memoryShare,
    };
    this.#ends.set(context, () => {
      meter.end();
      routes.end();
    });
    return context;
  }

  #end(context: Context): void {
    this.#ends.get(context)?.();
    this.#ends.delete(context);
  }

  #setLogLevel(level: LogLevel): void {
    if (level === this.#loaded.service.logLevel) return;
    for (const { logger } of [...this.#ends.keys(), this.#surroundings]) (logger as { level?: string }).level = level;
  }
}

function changesOf({ stopped, made, next }: GraphChange): Changes {
  const ids = (places: GraphChange['made']) =>
    [...places.receivers, ...places.processors, ...places.exporters].map(({ id }) => id);
  const started = ids(made);
  return { stopped: ids(stopped), started, kept: startingOrder(next).length - started.length };
}

function passed(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
