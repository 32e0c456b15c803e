import type { Clock } from '../clock.ts';
import { asPipelineError, ERRORS, PipelineError } from '../errors.ts';
import { isOfLedger } from '../ledger/view.ts';
import type { Roles } from '../roles.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Count, ForeignReading, Level, Meter } from '../telemetry/meter.ts';
import { BALANCE, Balancer, type BalanceSettings, leastOf, type Shed, type WorkerLoad } from './balance.ts';
import { countLost } from './lost.ts';
import type { BatchData, ConfigTexts, ConnectionName, ToWorker } from './messages.ts';
import { WorkerSeries } from './series.ts';
import { releaseAll, type SharedMemory } from './shared-memory.ts';
import { WorkerThread } from './worker-thread.ts';

/** The pause before a lost worker is started again: from the first to the longest; it shrinks back once one has lived. */
const RESTART_MS = 200;
const RESTART_MS_MAX = 30_000;
const LIVED_MS = 60_000;
/** What a retry of a client may be late after the worker that took its request was lost, s. */
const UNANSWERED_SECONDS = 5;
/** How long after the time that it has to stop a worker is ended. */
const GRACE_MS = 1000;
/** Of ten new connections nine come to the worker that they are led to, where there are two. */
const DOORS_PER_OTHER = 8;
/** How long a worker may take to read another configuration. */
const CHECK_MS = 10_000;
/** How long a worker may take to tell what its books say, or its load. */
const TELL_MS = 2000;
const RECEIVED = 'windback_receiver_accepted_items_total';

/** What every worker runs. */
interface Program {
  readonly config: ConfigTexts;
  readonly memory: SharedMemory;
}

export interface PoolParts extends Program {
  /** The script of a worker. */
  readonly entry: URL;
  readonly deliver: (target: string, batch: BatchData) => Promise<void>;
  readonly roles: Roles;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly balance?: BalanceSettings;
}

/** A place for a worker, and who has it now. */
interface Place {
  readonly index: number;
  readonly busy: Level;
  thread: WorkerThread | undefined;
  startedMs: number;
  restartMs: number;
  /** Items that workers took here that are no more. */
  receivedBefore: number;
  /** Items at the last round. */
  items: number;
  /** Bytes at the last round, by connection. */
  bytes: Map<string, number>;
}

/** The ingest workers of a process: starts them, starts lost ones again, and keeps their shares of the load alike. */
export class WorkerPool {
  readonly series = new WorkerSeries();
  readonly #parts: PoolParts;
  readonly #places: Place[];
  readonly #balancer: Balancer;
  readonly #shed: Count;
  readonly #over = new AbortController();
  #stopRounds: () => void = () => {};
  /** The one that new connections are led to, for a few rounds. */
  #withDoors: WorkerThread | undefined;
  /** Whether all have been ready once: from then on a lost one is started again. */
  #isStarted = false;
  #program: Program;
  /** What they ran before a reload: while it goes on, each runs one of the two. */
  #programBefore: Program | undefined;

  constructor(parts: PoolParts) {
    this.#parts = parts;
    this.#program = { config: parts.config, memory: parts.memory };
    const { meter, memory, roles } = parts;
    this.#places = Array.from({ length: memory.workers }, (_, index) => ({
      index,
      busy: meter.gauge('windback_worker_busy_ratio', { worker: String(index) }),
      thread: undefined,
      startedMs: 0,
      restartMs: RESTART_MS,
      receivedBefore: 0,
      items: 0,
      bytes: new Map(),
    }));
    this.#balancer = new Balancer(parts.balance);
    this.#shed = meter.counter('windback_worker_shed_connections_total');
    meter.observe('windback_worker_threads', {}, () => this.threads.filter(({ isReady }) => isReady).length);
    meter.addSource(() => this.series.all());
    meter.addSource(() => this.#received());
    roles.watch({
      changed: (serviceKey, baseline, candidates) => this.#tellAll({ kind: 'roles', serviceKey, baseline, candidates }),
    });
  }

  /** Whether all of them listen. */
  get isReady(): boolean {
    return this.#places.every(({ thread }) => thread?.isReady === true);
  }

  get threads(): WorkerThread[] {
    return this.#places.flatMap(({ thread }) => thread ?? []);
  }

  /** Resolves when all listen; rejects with the first error, and then none is left. */
  async start(): Promise<void> {
    try {
      if (this.#over.signal.aborted) throw new PipelineError('stopping', 'before the ingest workers had started');
      // The first one finds out whether the addresses are free, before there are others on them.
      const [first, ...rest] = this.#places.map((place) => this.#make(place, place.index === 0));
      await first?.start();
      await Promise.all(rest.map((thread) => thread.start()));
    } catch (thrown) {
      await this.stop(0);
      throw asPipelineError(thrown);
    }
    this.#isStarted = true;
    this.#stopRounds = this.#parts.clock.every((this.#parts.balance ?? BALANCE).roundMs, () => this.round());
  }

  get memory(): SharedMemory {
    return this.#program.memory;
  }

  /**
   * Has all of them go over to another configuration; `back` takes it back. Rejects with the first error, and then all
   * run what they ran before: one that does not come back to it is started again with it.
   */
  async reload(next: Program): Promise<{ back(): Promise<void> }> {
    const { threads } = this;
    if (!this.isReady) throw new PipelineError('worker_lost', 'it is being started again; reload when it is back');
    // All of them, also where one has failed: a thread has one question open at a time.
    throwFirst(await Promise.allSettled(threads.map((thread) => this.#check(thread, next))));
    const before = this.#program;
    const back = async () => {
      this.#goOver(before);
      // One that was started again meanwhile did not run what was before.
      const since = this.threads.filter((thread) => !threads.includes(thread));
      await Promise.all([...threads.map((one) => this.#return(one, before)), ...since.map((one) => one.terminate())]);
    };
    this.#goOver(next);
    try {
      // The first one finds out whether the addresses are free, before there are others on them.
      const [first, ...rest] = threads;
      await first?.swap(true);
      throwFirst(await Promise.allSettled(rest.map((thread) => thread.swap(false))));
    } catch (thrown) {
      await back();
      throw asPipelineError(thrown);
    }
    return { back };
  }

  /** Rejects with what is wrong with it, and with `worker_silent` where one that hangs keeps the answer to itself. */
  async #check(thread: WorkerThread, { config, memory }: Program): Promise<void> {
    if ((await this.#inTime(thread.check(config, memory), CHECK_MS)) !== 'late') return;
    const detail = `worker ${thread.index} has not read the new configuration in ${CHECK_MS / 1000} s`;
    throw new PipelineError('worker_silent', detail);
  }

  #goOver(to: Program): void {
    this.#programBefore = this.#program;
    this.#program = to;
  }

  /** Nothing where it is gone already. */
  async #return(thread: WorkerThread, program: Program): Promise<void> {
    try {
      await this.#check(thread, program);
      await thread.swap(false);
    } catch {
      await thread.terminate();
    }
  }

  /** Whether all finished what they had taken, in time. Legal before `start`, during it, and twice. */
  async stop(timeoutMs: number): Promise<boolean> {
    this.#stopRounds();
    this.#stopRounds = () => {};
    this.#over.abort();
    // From here on none is started. One that is being started again is told at once too: it may hang there.
    const inTime = new AbortController();
    const late = this.#parts.clock.sleep(timeoutMs + GRACE_MS, inTime.signal);
    const isClean = await Promise.all(this.threads.map((thread) => thread.stop(timeoutMs, late)));
    inTime.abort();
    return isClean.every(Boolean);
  }

  /** What the ledger is made of, of all workers, those that are no more included: each as it is at one moment. */
  async books(): Promise<ForeignReading[]> {
    const answers = await Promise.all(this.#places.map((place) => this.#booksOf(place)));
    // Of one that was lost since it answered, the books are among those of the lost by now.
    const current = answers.flatMap(({ place, thread, readings }) => (place.thread === thread ? readings : []));
    return [...this.series.retired(), ...current];
  }

  async #booksOf(place: Place) {
    const { thread, index } = place;
    const told = thread && (await this.#inTime(thread.books(), TELL_MS));
    // One that is too busy to say so is read as it counts.
    const readings = told === undefined || told === 'late' ? [...this.series.of(index)].filter(isOfLedger) : told;
    return { place, thread, readings };
  }

  async #inTime<T>(answer: Promise<T>, ms: number): Promise<T | 'late'> {
    const answered = new AbortController();
    const late = this.#parts.clock.sleep(ms, answered.signal).then(() => 'late' as const);
    try {
      return await Promise.race([answer, late]);
    } finally {
      answered.abort();
    }
  }

  /** Looks at the load, and sends connections elsewhere where that helps. */
  async round(): Promise<void> {
    const loads = (await Promise.all(this.#places.map((place) => this.#loadOf(place)))).filter(
      (load) => load !== undefined,
    );
    const sheds = this.#balancer.step(loads);
    if (sheds.length > 0) await this.#send(sheds, leastOf(loads));
    else if (!this.#balancer.isResting) this.#closeDoors();
  }

  /** Those that come again are to come to the worker with the least. */
  async #send(sheds: readonly Shed[], to: number): Promise<void> {
    const { logger } = this.#parts;
    this.#closeDoors();
    this.#withDoors = this.#places[to]?.thread;
    await this.#withDoors?.openDoors(DOORS_PER_OTHER * (this.#places.length - 1));
    for (const { index, thread } of this.#places) {
      const connections = sheds
        .filter(({ worker }) => worker === index)
        .map(({ key }) => JSON.parse(key) as ConnectionName);
      if (connections.length === 0 || thread === undefined) continue;
      thread.tell({ kind: 'shed', connections });
      this.#shed.add(connections.length);
      const what = { worker: index, connections: connections.length, to };
      logger.info(what, 'connections were sent to another worker: this one had more than its share');
    }
  }

  #closeDoors(): void {
    this.#withDoors?.tell({ kind: 'doors', count: 0 });
    this.#withDoors = undefined;
  }

  /** What came in this round. */
  async #loadOf(place: Place): Promise<WorkerLoad | undefined> {
    const { thread, index } = place;
    if (thread?.isReady !== true) return undefined;
    const reported = await this.#inTime(thread.report(), TELL_MS);
    const busy = thread.busy();
    place.busy.set(busy);
    // The others have their balance without one that hangs, and whoever looks sees how busy it is.
    if (reported === 'late') return undefined;
    const bytes = new Map(reported.map(({ receiver, id, bytes: now }) => [JSON.stringify({ receiver, id }), now]));
    const items = this.series.sum(index, RECEIVED);
    const load = {
      worker: index,
      items: items - place.items,
      busy,
      connections: [...bytes].map(([key, now]) => ({ key, bytes: now - (place.bytes.get(key) ?? 0) })),
    };
    place.items = items;
    place.bytes = bytes;
    return load;
  }

  #make(place: Place, isFirst: boolean): WorkerThread {
    const { entry, roles, clock, deliver } = this.#parts;
    const { index } = place;
    place.startedMs = clock.now();
    place.items = 0;
    place.bytes = new Map();
    const thread = new WorkerThread(
      entry,
      { index, ...this.#program, isFirst, roles: roles.entries() },
      {
        deliver,
        series: (series) => this.series.add(index, series),
        begun: (serviceKey, baseline, candidate) => roles.begin(serviceKey, baseline, candidate),
        ended: (hasFinished, error) => this.#ended(place, hasFinished, error),
      },
    );
    place.thread = thread;
    return thread;
  }

  #ended(place: Place, hasFinished: boolean, error: unknown): void {
    const { logger, meter, clock } = this.#parts;
    const { index } = place;
    const lost = hasFinished ? 0 : countLost(this.series, index, meter);
    place.receivedBefore += this.series.sum(index, RECEIVED);
    this.series.retire(index);
    for (const program of [this.#program, this.#programBefore])
      if (program !== undefined) releaseAll(program.memory, index, clock.now() / 1000 - UNANSWERED_SECONDS);
    place.thread = undefined;
    // What goes wrong at the start is thrown there.
    if (hasFinished || !this.#isStarted) return;
    const reason =
      (error as { code?: string } | undefined)?.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'out_of_memory' : 'error';
    meter.counter('windback_worker_lost_total', { reason }).add(1);
    logger.error(
      { worker: index, err: error, code: 'worker_lost', lost_items: lost, todo: ERRORS.worker_lost.todo },
      `${ERRORS.worker_lost.what}: ${error instanceof Error ? error.message : 'it was ended from outside'}`,
    );
    if (this.#over.signal.aborted) return;
    void this.#restart(place);
  }

  async #restart(place: Place): Promise<void> {
    const { clock, logger } = this.#parts;
    if (clock.now() - place.startedMs > LIVED_MS) place.restartMs = RESTART_MS;
    await clock.sleep(place.restartMs, this.#over.signal);
    place.restartMs = Math.min(place.restartMs * 2, RESTART_MS_MAX);
    if (this.#over.signal.aborted) return;
    const thread = this.#make(place, false);
    await thread.start().then(
      () => logger.info({ worker: place.index }, 'the ingest worker is back'),
      () => {},
    );
  }

  *#received() {
    for (const { index, receivedBefore } of this.#places) {
      const value = receivedBefore + this.series.sum(index, RECEIVED);
      yield {
        name: 'windback_worker_received_items_total',
        type: 'counter' as const,
        labels: { worker: String(index) },
        value,
      };
    }
  }

  #tellAll(message: ToWorker): void {
    for (const thread of this.threads) thread.tell(message);
  }
}

function throwFirst(outcomes: readonly PromiseSettledResult<void>[]): void {
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}
