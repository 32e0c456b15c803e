/** The promise of the ledger, over random pipelines that fail in every way: at any moment every item is accounted for. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { batch } from '../../processors/batch/factory.ts';
import type { Batch, TelemetrySignal } from '../../pipeline/batch.ts';
import { ManualClock } from '../../pipeline/clock.ts';
import type { Component, ComponentTable, Consumer, ExporterFactory, Outlets } from '../../pipeline/component.ts';
import { type ErrorCode, PipelineError } from '../../pipeline/errors.ts';
import { readLedger, total } from '../../pipeline/ledger/view.ts';
import { queuedExporterFields } from '../../pipeline/queue-config.ts';
import { Service } from '../../pipeline/service.ts';
import { assertBalanced, assertSettled, ofExporter } from '../support/ledger.ts';
import { health, loadYaml, settled, surroundings, telemetry } from '../support/pipeline.ts';

const TELEMETRY = ['traces', 'metrics', 'logs'] as const;
const EXPORTERS = ['queued', 'queued/two', 'direct', 'direct/two'] as const;
const MOODS = ['ok', 'ok', 'ok', 'slow', 'unreachable', 'busy', 'rejected', 'rejected_size', 'part', 'defect'] as const;
type Mood = (typeof MOODS)[number];

/** What every component does next, and what came to it. */
class World {
  readonly clock = new ManualClock();
  readonly surroundings = surroundings(this.clock);
  readonly delivered = new Map<string, number>();
  outlets: Outlets | undefined;
  #next = 0;
  readonly #moods: readonly Mood[];

  constructor(moods: readonly Mood[]) {
    this.#moods = moods;
  }

  /** Whenever anything happens, in the middle of it. */
  check(): void {
    assertBalanced(readLedger(this.surroundings.meter.own()));
  }

  mood(): Mood {
    return this.#moods.length === 0 ? 'ok' : (this.#moods[this.#next++ % this.#moods.length] as Mood);
  }

  deliver(id: string, items: number): void {
    this.delivered.set(id, (this.delivered.get(id) ?? 0) + items);
  }

  /** One attempt of an exporter. */
  async attempt(id: string, { items }: Batch): Promise<void> {
    this.check();
    const mood = this.mood();
    if (mood === 'slow') await this.clock.sleep(300);
    if (mood === 'defect') throw new TypeError('for the test');
    if (mood === 'part' && items > 1) {
      this.deliver(id, items - 1);
      throw new PipelineError('rejected', 'one of them', { items: 1 });
    }
    if (mood !== 'ok' && mood !== 'slow' && mood !== 'part') throw new PipelineError(mood as ErrorCode, 'for the test');
    this.deliver(id, items);
  }
}

const still: Component = { start: async () => {}, stop: async () => {} };
const declared = { stability: 'beta', summary: 'For tests.', config: z.strictObject({}) } as const;
const through = { ...declared, accepts: TELEMETRY, emits: TELEMETRY, mutates: false } as const;

/** `pass`; `filter`, which leaves out an item of each batch; `moody`, which refuses; `fold` and `judge`, which make others. */
function table(world: World): ComponentTable {
  const exporter = (type: string, config: z.ZodType): ExporterFactory => ({
    ...declared,
    type,
    config,
    accepts: [...TELEMETRY, 'decisions'],
    create: (_config, { id }): Component & Consumer => ({ ...still, consume: (one) => world.attempt(id, one) }),
  });
  return {
    receivers: [
      {
        ...declared,
        type: 'source',
        emits: TELEMETRY,
        create(_config, next) {
          world.outlets = next;
          return still;
        },
      },
    ],
    processors: [
      batch,
      { ...through, type: 'pass', create: (_config, next) => ({ ...still, consume: (one) => pass(next, one) }) },
      {
        ...through,
        type: 'filter',
        mutates: true,
        create: (_config, next, { filtered }) => ({
          ...still,
          async consume({ signal, items }) {
            if (items > 1) await pass(next, telemetry(items - 1, signal as TelemetrySignal));
            filtered?.(signal, 'first', 1);
          },
        }),
      },
      {
        ...through,
        type: 'moody',
        create: (_config, next) => ({
          ...still,
          async consume(one) {
            if (world.mood() === 'busy') throw new PipelineError('memory_limit', 'for the test');
            await pass(next, one);
            world.check();
          },
        }),
      },
      {
        ...through,
        type: 'fold',
        emits: [...TELEMETRY, 'health'],
        create: (_config, next) => ({
          ...still,
          async consume(one) {
            await pass(next, one);
            await next
              .to('health')
              .consume(health(2))
              .catch(() => {});
          },
        }),
      },
      {
        ...declared,
        type: 'judge',
        accepts: ['health'],
        emits: ['decisions'],
        mutates: false,
        create: (_config, next) => ({
          ...still,
          async consume() {
            await next.to('decisions').consume(health(1, 'decisions'));
          },
        }),
      },
    ],
    exporters: [exporter('queued', z.strictObject(queuedExporterFields)), exporter('direct', declared.config)],
  };
}

function pass(next: Outlets, one: Batch): Promise<void> {
  return next.to(one.signal).consume(one);
}

const exporters = fc.subarray([...EXPORTERS], { minLength: 1 });
const line = fc.record({
  id: fc.constantFrom('traces', 'traces/eu', 'logs', 'logs/eu', 'metrics'),
  processors: fc.shuffledSubarray(['pass', 'filter', 'moody', 'batch', 'fold']),
  exporters,
});
const graph = fc.record({
  lines: fc.uniqueArray(line, { minLength: 1, maxLength: 4, selector: ({ id }) => id }),
  decisions: exporters,
});
const step = fc.oneof(
  { arbitrary: fc.record({ send: fc.constantFrom(...TELEMETRY), items: fc.integer({ min: 1, max: 6 }) }), weight: 3 },
  { arbitrary: fc.record({ waitMs: fc.integer({ min: 0, max: 700 }) }), weight: 2 },
);

function yamlOf({ lines, decisions }: typeof graph extends fc.Arbitrary<infer Graph> ? Graph : never): string {
  const isFolded = lines.some(({ processors }) => processors.includes('fold'));
  const pipelines = lines.map(
    ({ id, processors, exporters: ends }) =>
      `    ${id}: {receivers: [source], processors: [${processors.join(', ')}], exporters: [${ends.join(', ')}]}`,
  );
  const judged = `    decisions: {receivers: [fold], processors: [judge], exporters: [${decisions.join(', ')}]}`;
  const queue = 'sending_queue: {queue_size: 2, num_consumers: 2, block_timeout: 200ms';
  const retry = 'retry_on_failure: {initial_interval: 100ms, max_interval: 1s}';
  return [
    'receivers: {source: }',
    'processors: {pass: , filter: , moody: , fold: , judge: , batch: {timeout: 150ms, send_batch_size: 8}}',
    `exporters: {queued: {${queue}}, ${retry}}, queued/two: {${queue}, when_full: drop_oldest}, ${retry}}, direct: , direct/two: }`,
    'service:',
    '  pipelines:',
    ...pipelines,
    ...(isFolded ? [judged] : []),
  ].join('\n');
}

test('at every step, and at the end nothing is left', async () => {
  const property = fc.asyncProperty(
    graph,
    fc.array(step, { minLength: 1, maxLength: 25 }),
    fc.array(fc.constantFrom(...MOODS), { maxLength: 30 }),
    fc.constantFrom(0, 400, 60_000),
    async (shape, steps, moods, timeoutMs) => {
      const world = new World(moods);
      const service = new Service(loadYaml(yamlOf(shape), table(world)), world.surroundings);
      await service.start();
      const answers: Promise<unknown>[] = [];
      const taken = new Map<string, number>();
      for (const each of steps) {
        if ('waitMs' in each) await world.clock.advanceTo(world.clock.now() + each.waitMs);
        else if (world.outlets?.has(each.send) === true) {
          const sent = world.outlets.to(each.send).consume(telemetry(each.items, each.send));
          const note = () => taken.set(each.send, (taken.get(each.send) ?? 0) + each.items);
          answers.push(sent.then(note, () => {}));
        }
        world.check();
        assertBalanced(await service.ledger());
      }
      const stopped = service.stop(timeoutMs);
      for (let i = 0; i < 40; i++) {
        await settled();
        world.check();
        await world.clock.advanceTo(world.clock.now() + 2000);
      }
      await stopped;
      await Promise.all(answers);
      const ledger = await service.ledger();
      assertSettled(ledger);
      // What the books say is what was seen from outside.
      for (const id of EXPORTERS) {
        const seen = world.delivered.get(id) ?? 0;
        const given = ofExporter(
          ledger,
          id,
          ({ dropped, refused }) => (dropped['abandoned'] ?? 0) + (refused['stopping'] ?? 0),
        );
        const booked = ofExporter(ledger, id, ({ delivered }) => delivered);
        // An attempt that ends after it was given up may have delivered all the same.
        expect(booked).toBeLessThanOrEqual(seen);
        if (given === 0) expect(booked).toBe(seen);
      }
      for (const signal of TELEMETRY) {
        const books = ledger.books.filter((book) => book.signal === signal);
        if (books.length === 0) continue;
        for (const { accepted } of books) expect(accepted).toBeGreaterThanOrEqual(taken.get(signal) ?? 0);
        if (books.length === 1) expect(books[0]?.accepted).toBe(taken.get(signal) ?? 0);
        for (const { refused, received, accepted } of books) expect(accepted + total(refused)).toBe(received);
      }
    },
  );
  await fc.assert(property, { numRuns: 150 });
}, 120_000);
