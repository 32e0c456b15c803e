import type { MessagePort } from 'node:worker_threads';
import { z } from 'zod';
import type { Batch } from '../batch.ts';
import { SystemClock } from '../clock.ts';
import type { Component, Consumer, Outlets, ProcessorFactory } from '../component.ts';
import type { LoadedConfig } from '../config/loaded.ts';
import { asPipelineError, type PipelineError } from '../errors.ts';
import { isOfLedger } from '../ledger/view.ts';
import { Service } from '../service.ts';
import type { SpoolSettings } from '../spool/spool.ts';
import { spoolsOf } from '../spool/spools.ts';
import { createLogger } from '../telemetry/logger.ts';
import { Meter } from '../telemetry/meter.ts';
import { METRICS } from '../telemetry/metrics-table.ts';
import { inPieces, toData } from './batch-data.ts';
import { Doors } from './doors.ts';
import { type ConfigTexts, errorData, errorOf, type ToMain, type ToWorker, type WorkerStart } from './messages.ts';
import { SeenTable } from './seen-table.ts';
import { cellMaker } from './series.ts';
import { SharedHeld, type SharedMemory } from './shared-memory.ts';
import type { WorkerSiblings } from './siblings.ts';
import { workerPart } from './split.ts';

/** How often gauges that are read when somebody looks are looked at. */
const REFRESH_MS = 1000;

/** Reads and checks a configuration. Rejects with `config`. */
export type Load = (texts: ConfigTexts) => Promise<LoadedConfig>;

type SpoolsOf = (id: string) => SpoolSettings;

/** Signals that cross a link, or pass it. */
const LINKED = ['traces', 'metrics', 'logs', 'health'] as const;

/**
 * Runs in an ingest worker, from when the main thread says start until it says stop: the pipelines of telemetry, with
 * their receivers and exporters. What it makes of them goes to the main thread through `port`.
 */
export class IngestWorker {
  readonly #port: MessagePort;
  readonly #start: WorkerStart;
  readonly #load: Load;
  readonly #service: Service;
  readonly #meter: Meter;
  readonly #clock: SystemClock;
  /** Batches that the main thread has not answered. */
  readonly #calls = new Map<number, PromiseWithResolvers<void>>();
  readonly #doors = new Doors();
  #lastCall = 0;
  #memory: SharedMemory;
  /** During a swap, what was before: if it fails, components of then are made anew. */
  #memoryBefore: SharedMemory | undefined;
  #loaded: LoadedConfig;
  /** What was checked last. */
  #checked: { readonly loaded: LoadedConfig; readonly memory: SharedMemory } | undefined;
  /** The last one that was asked. */
  #question = 0;
  #hasStarted = false;
  #stopRefreshing: () => void = () => {};

  /** `load` reads a configuration; `loaded` is that which it begins with. */
  constructor(port: MessagePort, start: WorkerStart, loaded: LoadedConfig, load: Load) {
    this.#port = port;
    this.#start = start;
    this.#load = load;
    this.#memory = start.memory;
    this.#loaded = loaded;
    const logger = createLogger(loaded.service.logLevel).child({ worker: start.index });
    this.#clock = new SystemClock((thrown) =>
      logger.error({ err: thrown }, 'a periodic task failed; please report it'),
    );
    this.#meter = new Meter(
      METRICS,
      cellMaker((place) => this.#tell({ kind: 'series', ...place })),
    );
    this.#service = new Service(this.#partOf(loaded), {
      clock: this.#clock,
      random: Math.random,
      logger,
      meter: this.#meter,
      siblings: (id) => this.#siblings(id),
      memoryShare: 1 / loaded.service.workers,
      ...this.#spools(),
    });
    for (const [serviceKey, baseline, candidates] of start.roles)
      this.#service.roles.set(serviceKey, baseline, candidates);
    this.#service.roles.watch({
      begun: (serviceKey, baseline, candidate) => this.#tell({ kind: 'begun', serviceKey, baseline, candidate }),
    });
    port.on('message', (message: ToWorker) => void this.#receive(message));
  }

  async #begin(): Promise<void> {
    try {
      await this.#service.start();
      this.#hasStarted = true;
      this.#stopRefreshing = this.#clock.every(REFRESH_MS, () => this.#meter.refresh());
      this.#tell({ kind: 'ready' });
    } catch (thrown) {
      this.#tell({ kind: 'failed', error: errorData(asPipelineError(thrown)) });
      this.#port.close();
    }
  }

  async #receive(message: ToWorker): Promise<void> {
    switch (message.kind) {
      case 'start':
        return this.#begin();
      case 'check':
        return this.#answer(message.question, async () => {
          const loaded = await this.#load(message.config);
          // Nobody waits any more for one that took too long.
          if (this.#question === message.question) this.#checked = { loaded, memory: message.memory };
        });
      case 'swap':
        return this.#answer(message.question, () => this.#swap(message.probes));
      case 'taken': {
        const call = this.#calls.get(message.call);
        this.#calls.delete(message.call);
        if (message.error === undefined) call?.resolve();
        else call?.reject(errorOf(message.error));
        return;
      }
      case 'roles':
        this.#service.roles.set(message.serviceKey, message.baseline, message.candidates);
        return;
      case 'report': {
        const receivers = [...this.#service.sheddable()];
        const connections = receivers.flatMap(([receiver, able]) => able.load().map((load) => ({ receiver, ...load })));
        this.#tell({ kind: 'load', connections });
        return;
      }
      case 'books':
        this.#meter.refresh();
        return this.#tell({ kind: 'books', readings: [...this.#meter.own()].filter(isOfLedger) });
      case 'doors':
        if (message.count === 0) return this.#doors.close();
        await this.#doors.open(message.count);
        return this.#tell({ kind: 'opened' });
      case 'shed':
        for (const { receiver, id } of message.connections) this.#service.sheddable().get(receiver)?.shed(id);
        return;
      case 'stop':
        return this.#stop(message.timeoutMs);
    }
  }

  async #answer(question: number, work: () => Promise<void>): Promise<void> {
    this.#question = question;
    try {
      await work();
      this.#tell({ kind: 'done', question });
    } catch (thrown) {
      this.#tell({ kind: 'done', question, error: errorData(asPipelineError(thrown)) });
    }
  }

  async #swap(probes: boolean): Promise<void> {
    if (this.#checked === undefined) throw new Error('nothing was checked');
    const { loaded, memory } = this.#checked;
    const [loadedBefore, memoryBefore] = [this.#loaded, this.#memory];
    this.#memoryBefore = memoryBefore;
    this.#memory = memory;
    this.#loaded = loaded;
    try {
      await this.#service.reload(this.#partOf(loaded), probes);
    } catch (thrown) {
      this.#loaded = loadedBefore;
      this.#memory = memoryBefore;
      throw thrown;
    } finally {
      this.#memoryBefore = undefined;
    }
  }

  /** By what runs then: where the file storage is cannot change. */
  #spools() {
    if (this.#loaded.service.fileStorage === undefined) return {};
    return { spools: (id: string) => (spoolsOf(this.#loaded, this.#start.index) as SpoolsOf)(id) };
  }

  #partOf(loaded: LoadedConfig): LoadedConfig {
    return workerPart(loaded, (target) => link((batch) => this.#hand(target, batch, 'tagged')));
  }

  async #stop(timeoutMs: number): Promise<void> {
    this.#stopRefreshing();
    this.#doors.close();
    const isClean = await this.#service.stop(timeoutMs);
    this.#meter.refresh();
    this.#tell({ kind: 'stopped', isClean });
    this.#port.close();
  }

  #siblings(id: string): WorkerSiblings | undefined {
    const { index, isFirst } = this.#start;
    // What both know is the same in both.
    const held = this.#memory.held.get(id) ?? this.#memoryBefore?.held.get(id);
    const seen = this.#memory.seen.get(id) ?? this.#memoryBefore?.seen.get(id);
    if (held === undefined || seen === undefined) return undefined;
    return {
      place: 'worker',
      main: { consume: (batch) => this.#hand(`instance:${id}`, batch, 'untagged') },
      held: new SharedHeld(held, index),
      seen: new SeenTable(seen, index),
      doors: this.#doors,
      // A reload has tried the addresses before.
      isFirst: isFirst && !this.#hasStarted,
    };
  }

  /** Resolves when the main thread has taken responsibility for the batch. */
  async #hand(target: string, batch: Batch, form: 'tagged' | 'untagged'): Promise<void> {
    if (batch.signal !== 'health') return this.#call(target, batch, form);
    for (const piece of inPieces(batch)) await this.#call(target, piece, form);
  }

  #call(target: string, batch: Batch, form: 'tagged' | 'untagged'): Promise<void> {
    const { data, transfer } = toData(batch, form);
    const call = ++this.#lastCall;
    const answered = Promise.withResolvers<void>();
    this.#calls.set(call, answered);
    this.#port.postMessage({ kind: 'batch', call, target, batch: data } satisfies ToMain, transfer);
    return answered.promise;
  }

  #tell(message: ToMain): void {
    this.#port.postMessage(message, []);
  }
}

/** A processor that hands what comes to it to another thread, and on to what stands behind it, if anything does. */
function link(hand: (batch: Batch) => Promise<void>): ProcessorFactory {
  return {
    type: 'workers',
    stability: 'beta',
    summary: '',
    config: z.strictObject({}),
    accepts: LINKED,
    emits: LINKED,
    mutates: false,
    create: (_config, next) => new Link(hand, next),
  };
}

class Link implements Component, Consumer {
  readonly #hand: (batch: Batch) => Promise<void>;
  readonly #next: Outlets;

  constructor(hand: (batch: Batch) => Promise<void>, next: Outlets) {
    this.#hand = hand;
    this.#next = next;
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {}

  async consume(batch: Batch): Promise<void> {
    const outcomes = await Promise.allSettled([this.#hand(batch), this.#next.to(batch.signal).consume(batch)]);
    const errors = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [asPipelineError(outcome.reason)] : [],
    );
    const [first] = errors;
    if (first !== undefined) throw errors.find(isRetryable) ?? first;
  }
}

function isRetryable({ row }: PipelineError): boolean {
  return row.retryable;
}
