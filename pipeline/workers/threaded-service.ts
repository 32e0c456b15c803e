import type { LoadedConfig } from '../config/loaded.ts';
import { PipelineError } from '../errors.ts';
import { hasStoredQueue } from '../graph-change.ts';
import { type Ledger, readLedger } from '../ledger/view.ts';
import type { Roles } from '../roles.ts';
import { type Changes, Service, type ServiceState, type Surroundings } from '../service.ts';
import type { SpoolSettings } from '../spool/spool.ts';
import type { Meter } from '../telemetry/meter.ts';
import type { BalanceSettings } from './balance.ts';
import type { ConfigTexts } from './messages.ts';
import { WorkerPool } from './pool.ts';
import { shareMemory } from './shared-memory.ts';
import { canShare, mainExporters, mainPart, sharedIds, targetsOf, workerExporters } from './split.ts';
import { Targets } from './targets.ts';

export interface WorkerProgram {
  /** The script that each worker runs. */
  readonly entry: URL;
  /** What it loads its configuration from: the one that this service was given. */
  readonly config: ConfigTexts;
  readonly balance?: BalanceSettings;
}

/**
 * A configuration come to life in several threads: ingest workers receive, tag and fold telemetry and send it on; the
 * main one judges. It is used as a `Service` is.
 */
export class ThreadedService {
  readonly pool: WorkerPool | undefined;
  readonly #main: Service;
  readonly #targets = new Targets();
  readonly #now: () => number;
  #shutdownTimeoutMs: number;
  /** What workers run. */
  #ids: readonly string[];
  /** The exporters that workers, and the main thread, run or have run: either may still have files of theirs open. */
  readonly #exporters: { readonly workers: Set<string>; readonly main: Set<string> };
  readonly #meter: Meter;
  #pipelines: LoadedConfig['pipelines'];

  constructor(loaded: LoadedConfig, program: WorkerProgram, surroundings: Surroundings) {
    const { clock, logger, meter } = surroundings;
    this.#shutdownTimeoutMs = loaded.service.shutdownTimeoutMs;
    this.#now = () => clock.now();
    this.#ids = sharedIds(loaded);
    this.#exporters = { workers: new Set(workerExporters(loaded)), main: new Set(mainExporters(loaded)) };
    this.#meter = meter;
    this.#pipelines = loaded.pipelines;
    if (!canShare(loaded)) {
      logger.warn('service.workers has no effect: no receiver of this configuration can run in several threads');
      this.#main = new Service(loaded, surroundings);
      return;
    }
    const targets = this.#targets;
    this.#main = new Service(this.#mainPart(loaded), {
      ...this.#apart(surroundings),
      siblings: (id) => (this.#ids.includes(id) ? targets.siblings(id) : undefined),
    });
    this.pool = new WorkerPool({
      ...program,
      memory: shareMemory(this.#ids, loaded.service.workers),
      deliver: (target, data) => targets.deliver(target, data),
      roles: this.#main.roles,
      clock,
      logger,
      meter,
    });
  }

  /** What the main thread, and so the judge, knows. */
  get roles(): Roles {
    return this.#main.roles;
  }

  /** Ready where all workers listen. */
  get state(): ServiceState {
    const { state } = this.#main;
    return state === 'ready' && this.pool?.isReady === false ? 'starting' : state;
  }

  /** Where all items are, in the main thread and in the workers. What they hand to it is in books of its own. */
  async ledger(): Promise<Ledger> {
    if (this.pool === undefined) return this.#main.ledger();
    const ofWorkers = await this.pool.books();
    this.#meter.refresh();
    return readLedger([...this.#meter.own(), ...ofWorkers], this.#pipelines);
  }

  /** What the workers hand batches to starts before them. */
  async start(): Promise<void> {
    await this.#main.start();
    try {
      await this.pool?.start();
    } catch (thrown) {
      await this.#main.stop();
      throw thrown;
    }
  }

  /**
   * As a `Service` does, in all threads: each checks the configuration before any goes over to it, and if one cannot, all
   * go back. The workers go first; what they hand to a place that the main thread does not have yet waits.
   */
  async reload(loaded: LoadedConfig, config: ConfigTexts): Promise<Changes> {
    const { pool } = this;
    if (canShare(loaded) !== (pool !== undefined)) {
      const what = `service.workers (${pool === undefined ? 'a first' : 'no'} receiver can run in several threads)`;
      throw new PipelineError('reload_needs_restart', what);
    }
    const [moved] = this.#movedQueues(loaded);
    if (pool !== undefined && moved !== undefined) {
      const what = `exporters.${moved} (its queue on disk goes over from one thread to others)`;
      throw new PipelineError('reload_needs_restart', what);
    }
    const changes = pool === undefined ? await this.#main.reload(loaded) : await this.#reloadAll(pool, loaded, config);
    this.#shutdownTimeoutMs = loaded.service.shutdownTimeoutMs;
    this.#pipelines = loaded.pipelines;
    return changes;
  }

  async #reloadAll(pool: WorkerPool, loaded: LoadedConfig, config: ConfigTexts): Promise<Changes> {
    const before = this.#ids;
    const ids = sharedIds(loaded);
    for (const id of workerExporters(loaded)) this.#exporters.workers.add(id);
    for (const id of mainExporters(loaded)) this.#exporters.main.add(id);
    this.#targets.changing();
    try {
      const workers = await pool.reload({ config, memory: shareMemory(ids, loaded.service.workers, pool.memory) });
      // If it fails, instances of before are made anew.
      this.#ids = [...before, ...ids];
      try {
        const changes = await this.#main.reload(this.#mainPart(loaded));
        this.#ids = ids;
        const names = targetsOf(loaded).map(({ name }) => name);
        this.#targets.keep(names, ids);
        return changes;
      } catch (thrown) {
        this.#ids = before;
        // They wait for what will not be there.
        this.#targets.changed();
        await workers.back();
        throw thrown;
      }
    } finally {
      this.#targets.changed();
    }
  }

  /** The ids of the exporters whose files on disk one side would take up while the other may still write them. */
  #movedQueues(loaded: LoadedConfig): string[] {
    const { workers, main } = this.#exporters;
    const [inWorkers, inMain] = [workerExporters(loaded), mainExporters(loaded)];
    const isMoved = (id: string) =>
      inWorkers.has(id) ? main.has(id) && !inMain.has(id) : inMain.has(id) && workers.has(id);
    return [...loaded.exporters].flatMap(([id, configured]) =>
      isMoved(id) && hasStoredQueue({ configured }) ? [id] : [],
    );
  }

  /** The main thread leaves alone what workers have on disk. */
  #apart(surroundings: Surroundings): Surroundings {
    const { spools } = surroundings;
    if (spools === undefined) return surroundings;
    const isAlone = (id: string) => !this.#exporters.workers.has(id);
    const apart = (id: string): SpoolSettings => {
      const own = spools(id);
      return { ...own, adopts: (writer) => isAlone(id) && own.adopts(writer) };
    };
    return { ...surroundings, spools: apart };
  }

  #mainPart(loaded: LoadedConfig): LoadedConfig {
    return mainPart(loaded, (target, outlets) => this.#targets.connect(target, outlets));
  }

  /** The workers first, with all that they have taken; then what they hand it to, in the time that is left. */
  async stop(timeoutMs = this.#shutdownTimeoutMs): Promise<boolean> {
    const untilMs = this.#now() + timeoutMs;
    const workers = (await this.pool?.stop(timeoutMs)) ?? true;
    const main = await this.#main.stop(Math.max(0, untilMs - this.#now()));
    return workers && main;
  }
}
