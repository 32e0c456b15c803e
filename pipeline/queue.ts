import { type Batch, type DecisionBatch, isTelemetry, type Signal, type TelemetryBatch } from './batch.ts';
import type { Component, Consumer, Context } from './component.ts';
import { DecisionOutbox } from './decision-outbox.ts';
import { DirectExporter, type GuardedExporter } from './direct-exporter.ts';
import { asPipelineError, PipelineError } from './errors.ts';
import { ExporterCounters } from './exporter-counters.ts';
import { Fifo } from './fifo.ts';
import { halvesOf } from './halves.ts';
import type { Account } from './ledger/account.ts';
import type { QueueConfig, RetryConfig } from './queue-config.ts';
import {
  batchOf,
  type Entry,
  entryOf,
  entryOfHalf,
  entryOnDisk,
  isDecisions,
  isKept,
  isOrdered,
  type Lane,
  logDropped,
  notKept,
  orAborted,
  queueFull,
  sizeOfBatch,
} from './queue-entry.ts';
import { type Caller, Callers } from './queue-callers.ts';
import { Pauses } from './queue-pauses.ts';
import { Room } from './queue-room.ts';
import { Tried } from './queue-tried.ts';
import { Spool, type SpoolSettings } from './spool/spool.ts';

/**
 * The sending queue. A batch is accepted once it has a place, which with a spool means that it is on disk; it leaves when
 * the destination has taken it or refused it for good, however long that takes. When there is no place the caller
 * waits, then is refused with a retryable error, so that nothing is dropped here. Telemetry goes in parallel; decisions
 * (and deltas) one at a time, in order, and they are always let in: they are few, and there is nobody who could send
 * them again. Where the storage outlives the process, decisions are kept in it until they are delivered; where that cannot
 * be, the caller is told so unless they are delivered at once.
 */
export class QueuedExporter implements GuardedExporter {
  readonly #exporter: Component & Consumer;
  readonly #queue: QueueConfig;
  readonly #retry: RetryConfig;
  readonly #counters: ExporterCounters;
  readonly #context: Context;
  readonly #parallel: Lane;
  readonly #ordered: Lane;
  readonly #outbox: DecisionOutbox | undefined;
  /** For decisions that cannot be kept. */
  readonly #direct: DirectExporter;
  #spool: Spool | undefined;
  readonly #callers = new Callers(() => this.#letIn());
  readonly #idle: (() => void)[] = [];
  readonly #tried = new Tried();
  /** Ends pauses and attempts and gives up what is left, when the deadline of `stop` has passed. */
  readonly #abandon = new AbortController();
  readonly #room: Room;
  #batches = 0;
  /** Batches that are being written to disk. */
  #entering = 0;
  #stopping = false;
  /** Items that were given up at the deadline. */
  #abandoned = 0;

  constructor(
    exporter: Component & Consumer,
    queue: QueueConfig,
    retry: RetryConfig,
    counters: ExporterCounters,
    context: Context,
  ) {
    this.#exporter = exporter;
    this.#direct = new DirectExporter(exporter, counters, context.logger);
    this.#queue = queue;
    this.#room = new Room(queue, context);
    this.#retry = retry;
    this.#counters = counters;
    this.#context = context;
    this.#parallel = { waiting: new Fifo(), workers: queue.num_consumers, running: 0 };
    this.#ordered = { waiting: new Fifo(), workers: 1, running: 0 };
    this.#outbox = context.storage.survives ? new DecisionOutbox(context.storage, context.logger) : undefined;
    counters.watchQueue(this.#room.capacity, {
      batches: () => this.#batches,
      size: () => this.#room.size,
      diskBytes: () => this.#spool?.bytes ?? 0,
    });
  }

  /** Takes up what the process before has left. */
  async start(): Promise<void> {
    await this.#exporter.start();
    for (const { key, batch } of this.#outbox?.left() ?? [])
      this.#restore({ ...entryOf(batch, this.#counters.accountOfRestored('decisions'), 0), batch, key });
    const { spool } = this.#context;
    if (this.#queue.storage !== undefined && spool !== undefined) this.#openSpool(spool);
  }

  of(pipeline: string, signal: Signal): Consumer {
    const account = this.#counters.account(pipeline, signal);
    return { consume: (batch) => this.#take(batch, account) };
  }

  async #take(batch: Batch, account: Account): Promise<void> {
    if (this.#stopping) throw account.refuse(batch.items, this.#stoppingError());
    if (isDecisions(batch)) return this.#takeDecisions(batch, account);
    if (isOrdered(batch)) return this.#admit({ ...entryOf(batch, account, 0), batch });
    const isNext = this.#callers.first === undefined;
    if (isNext && this.#hasRoomFor(batch)) return this.#enter(batch, account);
    return this.#wait(batch, account);
  }

  /** Those that cannot be kept stay with the caller, but for an attempt, since they may be needed now: in their order. */
  async #takeDecisions(batch: DecisionBatch, account: Account): Promise<void> {
    const key = this.#outbox?.keep(batch);
    if (this.#outbox === undefined || key !== undefined)
      return this.#admit({ ...entryOf(batch, account, 0), batch, key });
    const lane = this.#ordered;
    if (lane.running > 0) throw account.refuse(batch.items, notKept(this.#context.id));
    lane.running++;
    try {
      await this.#direct.take(batch, account);
    } finally {
      lane.running--;
      if (lane.waiting.length > 0) void this.#work(lane);
    }
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.#stopping = true;
    for (const { batch, account, answer } of this.#callers.takeAll())
      answer(account.refuse(batch.items, this.#stoppingError()));
    const abandon = () => this.#abandon.abort();
    if (deadline.aborted) abandon();
    else deadline.addEventListener('abort', abandon, { once: true });
    if (!this.#isIdle) await new Promise<void>((resolve) => this.#idle.push(resolve));
    deadline.removeEventListener('abort', abandon);
    // Pauses of what has given way.
    abandon();
    await this.#exporter.stop(deadline);
    const spool = this.#spool;
    this.#spool = undefined;
    await spool?.close();
    if (this.#abandoned === 0) return;
    const items = this.#abandoned;
    this.#abandoned = 0;
    throw new PipelineError('abandoned', `${items} items waited for exporter ${this.#context.id}`);
  }

  get #isIdle(): boolean {
    return this.#batches === 0 && this.#entering === 0;
  }

  #openSpool(settings: SpoolSettings): void {
    const { logger } = this.#context;
    const { spool, left } = Spool.open(settings, logger);
    this.#spool = spool;
    const { places, damagedItems } = left;
    for (const [signal, items] of damagedItems) this.#counters.accountOfRestored(signal).loseOnDisk(items);
    for (const place of places)
      this.#restore(entryOnDisk(place, this.#queue.sizer, this.#counters.accountOfRestored(place.signal)));
    if (places.length > 0) logger.info({ batches: places.length }, 'what the queue on disk had left will be delivered');
  }

  /** Gives an entry of the process before its place, even where the queue is smaller now. */
  #restore(entry: Entry): void {
    this.#room.size += entry.size;
    entry.account.restore(entry.items);
    this.#add(entry);
  }

  #hasRoomFor(batch: Batch): boolean {
    return this.#room.fits(batch, this.#spool !== undefined) || this.#makeRoomFor(batch);
  }

  /**
   * Whether there is room once what waits longest has been dropped, where it may be: all but attempts under way. Nothing
   * is dropped in vain.
   */
  #makeRoomFor(batch: Batch): boolean {
    if (this.#queue.when_full !== 'drop_oldest') return false;
    const oldest = this.#room.without(this.#mayGo(), batch, this.#spool !== undefined);
    for (const entry of oldest ?? []) {
      if (!this.#tried.forget(entry)) this.#parallel.waiting.shift();
      this.#end(entry, new PipelineError('queue_overflow', `exporter ${this.#context.id}`));
      // Whoever still waits to try it again must not keep it alive.
      entry.batch = undefined;
    }
    return oldest !== undefined;
  }

  /** Telemetry that is not being tried, the oldest first. */
  *#mayGo(): Generator<Entry> {
    yield* this.#tried.pausing();
    yield* this.#parallel.waiting;
  }

  /** Takes room for the batch, and resolves when it has its place: from here on it is sent, or counted as dropped. */
  async #enter(batch: Batch, account: Account): Promise<void> {
    const size = sizeOfBatch(this.#queue.sizer, batch);
    if (!isTelemetry(batch)) return this.#admit({ ...entryOf(batch, account, size), batch });
    const parked = batch.parked();
    const entry = { ...entryOf(parked, account, size), batch: parked };
    if (this.#spool === undefined) return this.#admit(entry);
    this.#room.size += entry.size;
    this.#entering++;
    try {
      const place = await this.#spool.append(parked.signal, parked.items, parked.bytes);
      account.accept(entry.items);
      this.#add({ ...entry, place });
    } catch (thrown) {
      this.#room.size -= entry.size;
      this.#letIn();
      throw account.refuse(entry.items, asPipelineError(thrown));
    } finally {
      this.#entering--;
      this.#tellIfIdle();
    }
  }

  #admit(entry: Entry): void {
    this.#room.size += entry.size;
    entry.account.accept(entry.items);
    this.#add(entry);
  }

  /** Puts an entry that has its room into its lane. */
  #add(entry: Entry): void {
    this.#count(entry);
    const lane = isOrdered(entry) ? this.#ordered : this.#parallel;
    lane.waiting.push(entry);
    if (lane.running < lane.workers) void this.#work(lane);
  }

  /** Counts an entry in; keeps its batch in memory, as far as there is room for what is on disk as well. */
  #count(entry: Entry): void {
    this.#batches++;
    entry.account.queue(entry.items, isKept(entry));
    const { batch, bytes, place } = entry;
    if (batch === undefined || !isTelemetry(batch)) return;
    if (place !== undefined && this.#room.memory + bytes > this.#room.memoryMax) {
      entry.batch = undefined;
      return batch.letGo();
    }
    this.#room.memory += bytes;
  }

  /** Waits until there is a place, at most `block_timeout`. */
  #wait(batch: Batch, account: Account): Promise<void> {
    const late = () => queueFull(this.#batches, this.#context.id);
    return this.#callers.wait(batch, account, this.#context.clock, this.#queue.block_timeout, late);
  }

  /** An entry has left, sent or dropped: whoever waited longest gets the place, before anybody who comes now. */
  #leave(entry: Entry): void {
    this.#remove(entry);
    this.#letIn();
    this.#tellIfIdle();
  }

  #remove(entry: Entry): void {
    this.#room.remove(entry);
    this.#batches--;
    this.#tried.forget(entry);
    entry.account.queue(-entry.items, isKept(entry));
  }

  #letIn(): void {
    const fits = (batch: Batch) => this.#room.fits(batch, this.#spool !== undefined);
    for (let { first } = this.#callers; first !== undefined && fits(first.batch); { first } = this.#callers)
      this.#let(first);
  }

  /** Lets the first caller in. */
  #let({ batch, account, answer }: Caller): void {
    this.#callers.shift();
    answer(this.#enter(batch, account));
  }

  #tellIfIdle(): void {
    if (this.#isIdle) for (const done of this.#idle.splice(0)) done();
  }

  async #work(lane: Lane): Promise<void> {
    lane.running++;
    for (let entry = lane.waiting.shift(); entry !== undefined; entry = lane.waiting.shift())
      await this.#deliver(entry);
    lane.running--;
  }

  /** Attempts until it is delivered, refused for good, or the process ends. Never throws. */
  async #deliver(entry: Entry): Promise<void> {
    const pauses = new Pauses(this.#retry, this.#context.random);
    for (let attempt = 1; !this.#abandon.signal.aborted; attempt++) {
      const error = await this.#attempt(entry);
      if (error === 'gone') return;
      if (error === undefined) return this.#delivered(entry, attempt);
      if (this.#abandon.signal.aborted) break;
      if (!error.row.retryable) return this.#drop(entry, error);
      if (attempt === 1) this.#context.logger.warn({ code: error.code, todo: error.row.todo }, error.message);
      if (!(await this.#pause(entry, pauses.next(error.retryAfterMs)))) return;
    }
    this.#giveUp(entry);
  }

  /** False where telemetry has given way meanwhile: what comes next waits all the same, for the destination's sake. */
  #pause(entry: Entry, ms: number): Promise<boolean> {
    const pause = this.#context.clock.sleep(ms, this.#abandon.signal);
    if (isOrdered(entry)) return pause.then(() => true);
    const isStillThere = this.#tried.pause(entry, pause);
    // Who waits longest may have its place now.
    const { first } = this.#callers;
    if (first !== undefined && this.#hasRoomFor(first.batch)) this.#let(first);
    return isStillThere;
  }

  /** The batch of an entry, as soon as the disk gives it; undefined where it was dropped or given up meanwhile. */
  async #load(entry: Entry): Promise<Batch | undefined> {
    const loaded = await batchOf(entry, this.#spool, this.#retry.max_interval, this.#context, this.#abandon.signal);
    if (loaded === undefined) this.#giveUp(entry);
    else if (!(loaded instanceof PipelineError)) return loaded;
    else this.#drop(entry, loaded);
    return undefined;
  }

  /** One attempt: nothing where it was delivered, `gone` where it is no longer there, or halves have its place now. */
  async #attempt(entry: Entry): Promise<PipelineError | 'gone' | undefined> {
    const batch = await this.#load(entry);
    if (batch === undefined) return 'gone';
    try {
      await orAborted(this.#exporter.consume(batch), this.#abandon.signal);
      return undefined;
    } catch (thrown) {
      const error = asPipelineError(thrown);
      if (this.#abandon.signal.aborted) return error;
      entry.account.fail(entry.items, error.code);
      if (error.code !== 'rejected_size' || !isTelemetry(batch)) return error;
      return this.#halve(entry, batch).then((isHalved) => (isHalved ? 'gone' : error), asPipelineError);
    }
  }

  #delivered(entry: Entry, attempts: number): void {
    entry.account.deliver(entry.items);
    this.#forget(entry);
    this.#leave(entry);
    // What a failed attempt left in some socket may still be read from there.
    if (attempts === 1 && entry.batch !== undefined && isTelemetry(entry.batch)) entry.batch.letGo();
    if (attempts > 1) this.#context.logger.info({ attempts }, 'delivery goes on');
  }

  /** Puts two halves of a batch in its place. False where it cannot be halved; rejects where the disk does not take them. */
  async #halve(entry: Entry, batch: TelemetryBatch): Promise<boolean> {
    const halves = halvesOf(batch);
    if (halves === undefined) return false;
    const places = (await this.#spool?.appendAll(halves)) ?? [];
    const entries = halves.map((half, i) => entryOfHalf(half, entry, this.#queue.sizer, places[i]));
    for (const half of entries) {
      this.#room.size += half.size;
      this.#count(half);
    }
    this.#parallel.waiting.unshift(...entries);
    this.#forget(entry);
    this.#leave(entry);
    this.#context.logger.debug({ items: batch.items }, 'the destination takes only smaller requests: halves are sent');
    return true;
  }

  #stoppingError(): PipelineError {
    return new PipelineError('stopping', `exporter ${this.#context.id}`);
  }

  #forget({ place, key }: Entry): void {
    if (place !== undefined) this.#spool?.done(place);
    if (key !== undefined) this.#outbox?.forget(key);
  }

  /** There is no more time: what is on disk stays there, and the rest is lost. */
  #giveUp(entry: Entry): void {
    if (isKept(entry)) {
      entry.account.keep(entry.items);
      return this.#leave(entry);
    }
    this.#abandoned += entry.items;
    this.#drop(entry, new PipelineError('abandoned', `it waited for exporter ${this.#context.id}`));
  }

  #drop(entry: Entry, error: PipelineError): void {
    this.#end(entry, error);
    this.#letIn();
    this.#tellIfIdle();
  }

  /** Drops it, and leaves its place to whoever has asked for it. */
  #end(entry: Entry, error: PipelineError): void {
    entry.account.drop(entry.items, error);
    this.#forget(entry);
    this.#remove(entry);
    logDropped(entry, error, this.#context.logger);
  }
}
