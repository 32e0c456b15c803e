import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { asPipelineError, PipelineError } from '../errors.ts';
import type { ForeignReading } from '../telemetry/meter.ts';
import {
  type BatchData,
  type ConfigTexts,
  errorData,
  errorOf,
  type SeriesPlace,
  type ToMain,
  type ToWorker,
  type WorkerStart,
} from './messages.ts';
import type { SharedMemory } from './shared-memory.ts';

/** How long a thread may take to end that is ended from outside. */
const TERMINATE_MS = 500;

/** Whom a worker tells what. */
export interface WorkerEvents {
  deliver(target: string, batch: BatchData): Promise<void>;
  series(place: SeriesPlace): void;
  begun(serviceKey: string, baseline: string, candidate: string): void;
  /**
   * It is gone, and nothing comes from it any more. `hasFinished`: it had been told to stop, and came to its end; else
   * `error` is what nobody caught in it.
   */
  ended(hasFinished: boolean, error: unknown): void;
}

/** The load that a worker reported: what has come over each of its connections so far. */
export type LoadReport = Extract<ToMain, { kind: 'load' }>['connections'];

/** One run of an ingest worker, from the main thread's side. It loads what it needs at once, and then waits for `start`. */
export class WorkerThread {
  readonly index: number;
  readonly #worker: Worker;
  readonly #events: WorkerEvents;
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  #report: PromiseWithResolvers<LoadReport> | undefined;
  #books: PromiseWithResolvers<readonly ForeignReading[] | undefined> | undefined;
  #opened: PromiseWithResolvers<void> | undefined;
  /** The one question that is open, of those that are answered by `done`. */
  #asked: PromiseWithResolvers<void> | undefined;
  /** Its number: an answer to one before it, which nobody waits for any more, is none. */
  #question = 0;
  #error: unknown;
  /** Whether it lost nothing, once it has come to its end. */
  #isClean: boolean | undefined;
  #isReady = false;
  #hasExited = false;
  #idle = { idle: 0, active: 0, utilization: 0 };

  constructor(entry: URL, start: WorkerStart, events: WorkerEvents) {
    this.index = start.index;
    this.#events = events;
    this.#ready.promise.catch(() => {});
    this.#worker = new Worker(entry, { workerData: start, name: `ingest ${start.index}` });
    this.#worker.on('message', (message: ToMain) => this.#receive(message));
    this.#worker.on('error', (error) => {
      this.#error = error;
    });
    this.#worker.on('exit', (code) => this.#exited(code));
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Settles when the thread is gone. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Lets it listen. Resolves when it does, rejects with why it does not. */
  start(): Promise<void> {
    this.tell({ kind: 'start' });
    return this.#ready.promise;
  }

  /** Has it read another configuration. Rejects with what is wrong with it; it goes on as before in any case. */
  check(config: ConfigTexts, memory: SharedMemory): Promise<void> {
    return this.#ask((question) => ({ kind: 'check', question, config, memory }));
  }

  /** Has it go over to what it has checked. Rejects with why it did not, and then it goes on as before. */
  swap(probes: boolean): Promise<void> {
    return this.#ask((question) => ({ kind: 'swap', question, probes }));
  }

  /** One question after the other. */
  #ask(message: (question: number) => ToWorker): Promise<void> {
    if (this.#hasExited) return Promise.reject(new PipelineError('worker_lost', `ingest worker ${this.index}`));
    this.#asked = Promise.withResolvers();
    this.tell(message(++this.#question));
    return this.#asked.promise;
  }

  tell(message: ToWorker): void {
    this.#worker.postMessage(message, []);
  }

  /** What has come over its connections so far; the same question is not asked twice at once. */
  report(): Promise<LoadReport> {
    if (this.#report === undefined) {
      this.#report = Promise.withResolvers();
      this.tell({ kind: 'report' });
    }
    return this.#report.promise;
  }

  /** What the ledger is made of, as it is there at one moment; undefined where the thread ends before it says so. */
  books(): Promise<readonly ForeignReading[] | undefined> {
    if (this.#hasExited) return Promise.resolve(undefined);
    if (this.#books === undefined) {
      this.#books = Promise.withResolvers();
      this.tell({ kind: 'books' });
    }
    return this.#books.promise;
  }

  /** Lets more of the new connections come to it than to others. Resolves when they do. */
  openDoors(count: number): Promise<void> {
    this.#opened ??= Promise.withResolvers();
    this.tell({ kind: 'doors', count });
    return this.#opened.promise;
  }

  /** Share of the time since the last call in which its event loop was busy. */
  busy(): number {
    const { performance } = this.#worker;
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#idle);
    this.#idle = now;
    return utilization;
  }

  /** Lets it finish what it has taken, within `timeoutMs`, and then ends it. Whether it lost nothing. */
  async stop(timeoutMs: number, late: Promise<void>): Promise<boolean> {
    this.tell({ kind: 'stop', timeoutMs });
    // What hangs in the system cannot be terminated either, and must not keep the main thread from its own end.
    await Promise.race([this.ended, late.then(() => Promise.race([this.terminate(), setTimeout(TERMINATE_MS)]))]);
    return this.#isClean === true;
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #receive(message: ToMain): void {
    switch (message.kind) {
      case 'ready':
        this.#isReady = true;
        return this.#ready.resolve();
      case 'done':
        if (message.question !== this.#question) return;
        if (message.error === undefined) this.#asked?.resolve();
        else this.#asked?.reject(errorOf(message.error));
        this.#asked = undefined;
        return;
      case 'failed':
        return this.#ready.reject(errorOf(message.error));
      case 'batch':
        return void this.#deliver(message);
      case 'series':
        return this.#events.series(message);
      case 'begun':
        return this.#events.begun(message.serviceKey, message.baseline, message.candidate);
      case 'load':
        this.#report?.resolve(message.connections);
        this.#report = undefined;
        return;
      case 'books':
        this.#books?.resolve(message.readings);
        this.#books = undefined;
        return;
      case 'opened':
        this.#opened?.resolve();
        this.#opened = undefined;
        return;
      case 'stopped':
        this.#isClean = message.isClean;
        return;
    }
  }

  async #deliver({ call, target, batch }: Extract<ToMain, { kind: 'batch' }>): Promise<void> {
    try {
      await this.#events.deliver(target, batch);
      this.tell({ kind: 'taken', call });
    } catch (thrown) {
      this.tell({ kind: 'taken', call, error: errorData(asPipelineError(thrown)) });
    }
  }

  #exited(code: number): void {
    this.#isReady = false;
    const why = this.#error instanceof Error ? this.#error.message : `exit code ${code}`;
    const lost = new PipelineError('worker_lost', why, { cause: this.#error });
    this.#ready.reject(lost);
    this.#asked?.reject(lost);
    this.#report?.resolve([]);
    this.#hasExited = true;
    this.#books?.resolve(undefined);
    this.#opened?.resolve();
    this.#events.ended(this.#isClean !== undefined, this.#error);
    this.#ended.resolve();
  }
}
