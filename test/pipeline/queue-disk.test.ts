import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Batch, isTelemetry, TelemetryBatch } from '../../pipeline/batch.ts';
import { ManualClock } from '../../pipeline/clock.ts';
import type { Component, Consumer, Context } from '../../pipeline/component.ts';
import { type ErrorCode, PipelineError } from '../../pipeline/errors.ts';
import { collectGarbage } from '../../pipeline/garbage.ts';
import { guardExporter } from '../../pipeline/guard.ts';
import { queueConfig, retryConfig } from '../../pipeline/queue-config.ts';
import { MemoryStorage, type Storage } from '../../pipeline/storage.ts';
import { decodeToJson } from '../../proto/otlp/json-decode.ts';
import { recordingLogger, testContext } from '../support/context.ts';
import { decisionEvent } from '../support/decision-event.ts';
import { requestBytes } from '../support/otlp-requests.ts';
import { ofPipelines, OpenMeter, settled, telemetry } from '../support/pipeline.ts';

const NEVER = new AbortController().signal;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'windback-queue-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** One life of an exporter whose queue outlives it. */
class Life {
  readonly clock = new ManualClock();
  readonly meter = new OpenMeter();
  readonly delivered: string[] = [];
  attempts = 0;
  readonly exporter: Component & Consumer;
  readonly lines: Record<string, unknown>[];
  attempt: (batch: Batch) => Promise<void>;

  constructor(
    attempt: (batch: Batch) => Promise<void>,
    queue: object = {},
    storage: Storage = new MemoryStorage(true),
  ) {
    this.attempt = attempt;
    const inner: Component & Consumer = {
      start: async () => {},
      stop: async () => {},
      consume: async (batch) => {
        this.attempts++;
        await this.attempt(batch);
        this.delivered.push(nameOf(batch));
      },
    };
    const { logger, lines } = recordingLogger();
    this.lines = lines;
    const context: Context = {
      ...testContext('sink', { clock: this.clock, logger, storage }),
      meter: this.meter,
      spool: { directory, fsync: false, writer: 0, adopts: () => true },
    };
    const sending_queue = queueConfig.parse({ storage: 'file_storage', num_consumers: 2, ...queue });
    const retry_on_failure = retryConfig.parse({ initial_interval: '100ms', max_interval: '100ms' });
    this.exporter = ofPipelines(guardExporter(inner, { sending_queue, retry_on_failure }, context));
  }

  async started(): Promise<this> {
    await this.exporter.start();
    return this;
  }

  send(batch: Batch): Promise<ErrorCode | 'taken'> {
    return this.exporter.consume(batch).then(
      () => 'taken',
      (error: PipelineError) => error.code,
    );
  }

  /** Ends it as a deadline that has passed does. */
  end(): Promise<string> {
    return this.exporter.stop(AbortSignal.abort()).then(
      () => 'clean',
      (error: PipelineError) => error.code,
    );
  }

  items(what: string): number {
    return this.meter.sum(`windback_exporter_${what}_items_total`);
  }

  read(what: string): number {
    if (what === 'items') return this.meter.stocks.get('windback_exporter_queue_items') ?? 0;
    return this.meter.reads.get(`windback_exporter_queue_${what}`)?.() ?? 0;
  }

  /** The promise of docs/metrics.md. */
  check(): void {
    const gone = this.items('sent') + this.items('dropped') + this.items('kept') + this.read('items');
    const come = this.items('accepted') + this.items('restored');
    if (come !== gone) throw new Error(`${gone} of ${come} items are accounted for`);
  }
}

const works = async (): Promise<void> => {};
const hangs = (): Promise<void> => new Promise(() => {});
const fails = (code: ErrorCode) => async (): Promise<void> => {
  throw new PipelineError(code, 'for the test');
};

/** Batches are told apart by their number of items, decisions by their ids. */
const nameOf = (batch: Batch): string =>
  batch.signal === 'decisions' ? batch.decisions.map(({ id }) => id).join() : String(batch.items);
const decisions = (...ids: string[]): Batch => ({
  signal: 'decisions',
  items: ids.length,
  decisions: ids.map((id) => decisionEvent(id)),
});
/** Until what goes through the disk has happened. */
async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(condition()).toBe(true);
}

describe('a queue on disk', () => {
  test('delivers after a restart what it had taken and not delivered', async () => {
    const first = await new Life(hangs).started();
    for (let i = 1; i <= 5; i++) expect(await first.send(telemetry(i))).toBe('taken');
    expect(await first.end()).toBe('clean');
    expect([first.items('kept'), first.items('dropped')]).toEqual([15, 0]);
    first.check();
    const second = await new Life(works).started();
    await until(() => second.delivered.length === 5);
    expect(second.delivered.toSorted()).toEqual(['1', '2', '3', '4', '5']);
    expect([second.items('restored'), second.items('sent')]).toEqual([15, 15]);
    second.check();
    await second.exporter.stop(NEVER);
    const third = await new Life(works).started();
    await third.exporter.stop(NEVER);
    expect(third.delivered).toEqual([]);
  });

  test('sends the tags that were written, byte for byte', async () => {
    const bytes = requestBytes('logs', 3);
    const first = await new Life(hangs).started();
    await first.send(TelemetryBatch.open('logs', bytes));
    await first.end();
    let seen: unknown;
    const second = await new Life(async (batch) => {
      if (isTelemetry(batch)) seen = decodeToJson(batch.signal, batch.encoded());
    }).started();
    await until(() => second.delivered.length === 1);
    expect(seen).toEqual(decodeToJson('logs', bytes));
    await second.exporter.stop(NEVER);
  });

  test('keeps no more in memory than it may, and loses nothing for it', async () => {
    const life = await new Life(fails('unreachable'), { max_memory: '1B' }).started();
    for (let i = 1; i <= 20; i++) expect(await life.send(telemetry(i))).toBe('taken');
    life.attempt = works;
    await life.clock.advanceTo(1000);
    await until(() => life.delivered.length === 20);
    life.check();
    await life.exporter.stop(NEVER);
    expect(life.read('disk_bytes')).toBe(0);
  });

  test('refuses, for now, what cannot be written, and goes on when it can', async () => {
    const life = await new Life(hangs).started();
    rmSync(directory, { recursive: true });
    expect(await life.send(telemetry(3))).toBe('file_unwritable');
    expect([life.items('refused'), life.items('accepted'), life.read('used')]).toEqual([3, 0, 0]);
    expect(life.lines.map(({ code }) => code)).toEqual(['file_unwritable']);
    const again = await new Life(works).started();
    expect(await again.send(telemetry(3))).toBe('taken');
    life.check();
    await again.exporter.stop(NEVER);
    await life.end();
  });

  test('drops what is damaged, and says so', async () => {
    const gate = Promise.withResolvers<void>();
    const life = await new Life(() => gate.promise, { max_memory: '1B' }).started();
    for (let i = 1; i <= 3; i++) await life.send(telemetry(i));
    await until(() => life.attempts === 2);
    rmSync(directory, { recursive: true });
    gate.resolve();
    await until(() => life.read('items') === 0);
    // Two were under way, and so in hand; the third has to be read.
    expect([life.items('sent'), life.items('dropped')]).toEqual([3, 3]);
    life.check();
    await life.exporter.stop(NEVER);
  });
});

describe('a batch on disk that cannot be read now', () => {
  test('stays, and is delivered when it can', async () => {
    const release = Promise.withResolvers<void>();
    const life = await new Life(() => release.promise, { max_memory: '1B', num_consumers: 1 }).started();
    await life.send(telemetry(2));
    await life.send(telemetry(4));
    const [file] = readdirSync(directory) as [string];
    const path = join(directory, file);
    await until(() => life.attempts === 1);
    // The first is in hand. The second has to be read, and a folder is in the place of its file.
    renameSync(path, `${path}.away`);
    mkdirSync(path);
    release.resolve();
    await until(() => life.lines.some(({ code }) => code === 'spool_unreadable'));
    expect([life.items('sent'), life.items('dropped'), life.read('items')]).toEqual([2, 0, 4]);
    rmSync(path, { recursive: true });
    renameSync(`${path}.away`, path);
    await life.clock.advanceTo(1000);
    await until(() => life.items('sent') === 6);
    life.check();
    await life.exporter.stop(NEVER);
  });
});

describe('what is too large for the destination', () => {
  const takesUpTo = (items: number) => async (batch: Batch) => {
    if (batch.items > items) throw new PipelineError('rejected_size', `${batch.items} items`);
  };

  test.each([{ storage: 'file_storage' }, { storage: undefined }])('arrives in parts, %o', async (queue) => {
    const life = await new Life(takesUpTo(3), queue).started();
    await life.send(telemetry(10));
    await life.send(telemetry(2));
    await until(() => life.items('sent') === 12);
    expect(life.delivered.map(Number).toSorted()).toEqual([2, 2, 2, 3, 3]);
    life.check();
    expect(life.read('used')).toBe(0);
    await life.exporter.stop(NEVER);
    expect(life.read('disk_bytes')).toBe(0);
  });

  test('is dropped where one item alone is too large', async () => {
    const life = await new Life(takesUpTo(0)).started();
    await life.send(telemetry(4));
    await until(() => life.items('dropped') === 4);
    life.check();
    await life.exporter.stop(NEVER);
  });
});

describe('the size of the queue', () => {
  const inMemory = { storage: undefined, block_timeout: '0s' };
  const send = async (life: Life, ...batches: Batch[]) => {
    const answers = [];
    for (const batch of batches) {
      const answer = life.send(batch);
      await settled();
      await life.clock.advanceTo(life.clock.now() + 1);
      answers.push(await answer);
    }
    return answers;
  };

  test.each([
    [{ sizer: 'requests', queue_size: 2 }],
    [{ sizer: 'items', queue_size: 10 }],
    [{ sizer: 'bytes', queue_size: 2 * telemetry(5).bytes.length }],
    [{ sizer: 'bytes', queue_size: `${2 * telemetry(5).bytes.length}B` }],
    [{ max_memory: `${2 * telemetry(5).bytes.length}B` }],
  ])('counts what it is told to, %o', async (queue) => {
    const life = await new Life(hangs, { ...inMemory, ...queue }).started();
    expect(await send(life, telemetry(5), telemetry(5), telemetry(5))).toEqual(['taken', 'taken', 'queue_full']);
    await life.end();
  });

  test('of memory counts the bytes of what waits, and not what was read of them', async () => {
    const empty = () => telemetry(10_000);
    expect(empty().memoryBytes).toBeGreaterThan(10 * empty().bytes.length);
    const life = await new Life(hangs, { ...inMemory, max_memory: `${2 * empty().bytes.length}B` }).started();
    expect(await send(life, empty(), empty(), empty())).toEqual(['taken', 'taken', 'queue_full']);
    await life.end();
  });

  test('lets in what is larger than all of it, when there is nothing else', async () => {
    const life = await new Life(hangs, { ...inMemory, sizer: 'items', queue_size: 3 }).started();
    expect(await send(life, telemetry(9), telemetry(1))).toEqual(['taken', 'queue_full']);
    await life.end();
  });

  test('as a size goes with sizer bytes only', () => {
    expect(queueConfig.safeParse({ queue_size: '1MiB' }).error?.issues[0]).toMatchObject({ path: ['queue_size'] });
  });

  test('may be kept by dropping what waits longest', async () => {
    const life = await new Life(hangs, { ...inMemory, queue_size: 4, when_full: 'drop_oldest' }).started();
    expect(await send(life, ...[1, 2, 3, 4, 5, 6].map((items) => telemetry(items)))).toEqual(Array(6).fill('taken'));
    expect([life.items('dropped'), life.read('items')]).toEqual([3 + 4, 1 + 2 + 5 + 6]);
    life.check();
    // Those under way do not give way.
    expect(await send(life, telemetry(7), telemetry(8), telemetry(9))).toEqual(['taken', 'taken', 'taken']);
    expect(life.read('items')).toBe(1 + 2 + 8 + 9);
    await life.end();
  });

  test('keeps nothing of what has given way alive, however long the destination wants to be left alone', async () => {
    const busy = () => Promise.reject(new PipelineError('busy', 'for the test', { retryAfterMs: 300_000 }));
    const small = { ...inMemory, queue_size: 4, num_consumers: 4, when_full: 'drop_oldest' };
    const life = await new Life(busy, small).started();
    const sent: WeakRef<Uint8Array>[] = [];
    const sendOne = (): Promise<unknown> => {
      const batch = telemetry(1);
      sent.push(new WeakRef(batch.bytes));
      return life.send(batch);
    };
    for (let i = 0; i < 12; i++) {
      await sendOne();
      await settled();
    }
    await collectGarbage('regular');
    expect(sent.map((bytes) => bytes.deref() !== undefined)).toEqual([...Array(8).fill(false), ...Array(4).fill(true)]);
    await life.end();
    await settled();
    expect(life.clock.alarms).toBe(0);
  });

  test('is kept also by what has been tried in vain, without trying what comes next any sooner', async () => {
    const small = { ...inMemory, queue_size: 2, num_consumers: 4, when_full: 'drop_oldest' };
    const life = await new Life(fails('unreachable'), small).started();
    for (let items = 1; items <= 9; items++) {
      expect(await life.send(telemetry(items))).toBe('taken');
      await settled();
      life.check();
    }
    expect([life.items('dropped'), life.read('items')]).toEqual([1 + 2 + 3 + 4 + 5 + 6 + 7, 8 + 9]);
    // One attempt for each consumer: the pauses of what was dropped go on.
    expect(life.attempts).toBe(4);
    life.attempt = works;
    await life.clock.advanceTo(1000);
    await settled();
    expect(life.delivered.toSorted()).toEqual(['8', '9']);
    life.check();
    expect(await life.end()).toBe('clean');
  });
});

describe('decisions', () => {
  test('are kept before they are sent, and come first after a restart, in their order', async () => {
    const storage = new MemoryStorage(true);
    let keptAtAttempt = 0;
    const first = await new Life(
      () => {
        keptAtAttempt = storage.keys().length;
        return hangs();
      },
      {},
      storage,
    ).started();
    for (let i = 0; i < 12; i++) await first.send(decisions(`a-${i}`, `b-${i}`));
    expect(keptAtAttempt).toBe(1);
    expect(await first.end()).toBe('clean');
    const second = await new Life(works, {}, storage).started();
    await second.send(decisions('c'));
    await settled();
    expect(second.delivered).toEqual([...Array.from({ length: 12 }, (_, i) => `a-${i},b-${i}`), 'c']);
    expect(storage.keys()).toEqual([]);
    second.check();
    await second.exporter.stop(NEVER);
  });

  test('that were refused for good do not come again', async () => {
    const storage = new MemoryStorage(true);
    const life = await new Life(fails('rejected'), {}, storage).started();
    await life.send(decisions('a'));
    await settled();
    expect(storage.keys()).toEqual([]);
    await life.end();
  });

  test('are sent where they cannot be kept, and that is said', async () => {
    const storage = new MemoryStorage(true);
    const life = await new Life(works, {}, storage).started();
    storage.put = () => {
      throw new PipelineError('file_unwritable', 'no space left on device');
    };
    await life.send(decisions('a'));
    await settled();
    expect(life.delivered).toEqual(['a']);
    expect(life.lines[0]).toMatchObject({ level: 50, code: 'file_unwritable', decisions: ['a'] });
    await life.exporter.stop(NEVER);
  });

  test('that cannot be read stay, and hinder nothing', async () => {
    const storage = new MemoryStorage(true);
    storage.put(new Map([['outbox/0000000000000007', '{"form": 99}']]));
    const life = await new Life(works, {}, storage).started();
    await life.send(decisions('a'));
    await settled();
    expect([life.delivered, storage.keys()]).toEqual([['a'], ['outbox/0000000000000007']]);
    expect(life.lines[0]).toMatchObject({ level: 50, key: 'outbox/0000000000000007' });
    await life.exporter.stop(NEVER);
  });

  test('are lost with a process that has no storage, and that is said', async () => {
    const life = await new Life(hangs, {}, new MemoryStorage()).started();
    await life.send(decisions('a'));
    expect(await life.end()).toBe('abandoned');
  });
});
