import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Batch, isTelemetry } from '../../pipeline/batch.ts';
import { ManualClock } from '../../pipeline/clock.ts';
import type { Component, Consumer, Context } from '../../pipeline/component.ts';
import { type ErrorCode, PipelineError } from '../../pipeline/errors.ts';
import { guardExporter } from '../../pipeline/guard.ts';
import { queueConfig } from '../../pipeline/queue-config.ts';
import { testContext } from '../support/context.ts';
import { health, ofPipelines, OpenMeter, settled, telemetry } from '../support/pipeline.ts';

const QUEUE = queueConfig.parse({ queue_size: 3, num_consumers: 2, block_timeout: '1s' });
const RETRY = { initial_interval: 100, max_interval: 1000, multiplier: 2 };
const NEVER = new AbortController().signal;

type Attempt = (batch: Batch, clock: ManualClock) => Promise<void>;

/** An exporter behind its queue, with everything around it in hand. */
class Bench {
  readonly clock = new ManualClock();
  readonly meter = new OpenMeter();
  readonly attempts: { batch: Batch; atMs: number }[] = [];
  readonly delivered: Batch[] = [];
  readonly lines: string[] = [];
  readonly exporter: Component & Consumer;
  attempt: Attempt;

  constructor(attempt: Attempt, config: object = { sending_queue: QUEUE, retry_on_failure: RETRY }, random = 0.5) {
    this.attempt = attempt;
    const inner: Component & Consumer = {
      start: async () => void this.lines.push('start'),
      stop: async (deadline) => void this.lines.push(deadline.aborted ? 'stop late' : 'stop'),
      consume: async (batch) => {
        this.check();
        this.attempts.push({ batch, atMs: this.clock.now() });
        await this.attempt(batch, this.clock);
        this.delivered.push(batch);
      },
    };
    const context: Context = { ...testContext('sink', { clock: this.clock }), meter: this.meter, random: () => random };
    this.exporter = ofPipelines(guardExporter(inner, config, context));
  }

  /** Sends, and says what became of it: a code, or `taken`. */
  send(batch: Batch): Promise<ErrorCode | 'taken'> {
    return this.exporter.consume(batch).then(
      () => 'taken',
      (error: PipelineError) => error.code,
    );
  }

  items(what: 'accepted' | 'refused' | 'sent' | 'send_failed' | 'dropped', label = ''): number {
    return this.meter.sum(`windback_exporter_${what}_items_total`, label);
  }

  get inQueue(): number {
    return this.meter.stocks.get('windback_exporter_queue_items') ?? 0;
  }

  /** The promise of docs/metrics.md. */
  check(): void {
    if (!this.meter.reads.has('windback_exporter_queue_size')) return;
    const accounted = this.items('sent') + this.items('dropped') + this.inQueue;
    if (accounted !== this.items('accepted'))
      throw new Error(`${accounted} of ${this.items('accepted')} accounted for`);
  }
}

const works: Attempt = async () => {};
const hangs: Attempt = () => new Promise(() => {});
const fails =
  (code: ErrorCode, retryAfterMs?: number): Attempt =>
  async () => {
    throw new PipelineError(code, 'for the test', retryAfterMs === undefined ? {} : { retryAfterMs });
  };

const outcome = (stopped: Promise<void>): Promise<string> =>
  stopped.then(
    () => 'done',
    (error: PipelineError) => error.code,
  );

/** What tells one batch from all others, also where it was parked. */
function contentOf(batch: Batch): unknown {
  return isTelemetry(batch) ? batch.bytes : batch;
}

describe('the sending queue', () => {
  test('loses and doubles nothing, whatever fails, and accounts for it at every moment', async () => {
    const outcome = fc.oneof(
      { arbitrary: fc.constant('ok'), weight: 5 },
      fc.constantFrom('unreachable', 'busy', 'timeout', 'rejected', 'defect'),
      fc.constant('slow'),
    );
    const step = fc.oneof(
      fc.record({ send: fc.integer({ min: 1, max: 5 }), ordered: fc.boolean() }),
      fc.record({ waitMs: fc.integer({ min: 0, max: 800 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), fc.array(outcome), async (steps, outcomes) => {
        let next = 0;
        const gone = new Set<unknown>();
        const bench = new Bench(async (batch, clock) => {
          const chosen = outcomes[next++] ?? 'ok';
          if (chosen === 'slow') await clock.sleep(700);
          if (chosen === 'defect' || chosen === 'rejected') gone.add(contentOf(batch));
          if (chosen === 'defect') throw new TypeError('no such thing');
          if (chosen !== 'ok' && chosen !== 'slow') await fails(chosen as ErrorCode)(batch, clock);
        });
        const answers = new Map<Batch, Promise<ErrorCode | 'taken'>>();
        for (const each of steps) {
          if ('send' in each) {
            const batch = each.ordered ? health(each.send, 'decisions') : telemetry(each.send);
            answers.set(batch, bench.send(batch));
          } else {
            await bench.clock.advanceTo(bench.clock.now() + each.waitMs);
          }
          bench.check();
        }
        await bench.clock.advanceTo(bench.clock.now() + 1e9);
        const taken: Batch[] = [];
        for (const [batch, answer] of answers) {
          const said = await answer;
          if (said === 'taken') taken.push(batch);
          else expect([said, batch.signal]).toEqual(['queue_full', 'traces']);
        }
        expect(bench.inQueue).toBe(0);
        const delivered = new Set(bench.delivered.map(contentOf));
        expect(delivered.size).toBe(bench.delivered.length);
        const expected = taken.filter((batch) => !gone.has(contentOf(batch)));
        expect([...delivered].filter((one) => !expected.map(contentOf).includes(one))).toEqual([]);
        expect(delivered.size).toBe(expected.length);
        const ordered = (batches: readonly Batch[]) => batches.filter(({ signal }) => signal === 'decisions');
        expect(ordered(bench.delivered)).toEqual(ordered(expected));
        expect(bench.clock.alarms).toBe(0);
        bench.check();
      }),
      { numRuns: 200 },
    );
  });

  test('decisions go one at a time, in their order, while telemetry goes in parallel', async () => {
    const bench = new Bench(hangs);
    for (let i = 1; i <= 3; i++) await bench.send(health(i, 'decisions'));
    expect(bench.attempts.map(({ batch }) => batch.items)).toEqual([1]);
    const other = new Bench(hangs);
    for (let i = 1; i <= 3; i++) await other.send(telemetry(i));
    expect(other.attempts.map(({ batch }) => batch.items)).toEqual([1, 2]);
  });

  test('decisions are let into a full queue', async () => {
    const bench = new Bench(hangs);
    for (let i = 0; i < 20; i++) expect(await bench.send(health(1, 'decisions'))).toBe('taken');
  });

  test('a caller that finds no place is refused after block_timeout, and may retry', async () => {
    const bench = new Bench(hangs);
    for (let i = 0; i < 3; i++) expect(await bench.send(telemetry(1))).toBe('taken');
    const answer = bench.exporter.consume(telemetry(7)).catch((error: unknown) => error);
    await bench.clock.advanceTo(999);
    expect(bench.items('refused')).toBe(0);
    await bench.clock.advanceTo(1000);
    expect(await answer).toMatchObject({ code: 'queue_full', retryAfterMs: 1000, row: { retryable: true } });
    expect([bench.items('refused'), bench.items('accepted'), bench.attempts.length]).toEqual([7, 3, 2]);
  });

  test('callers that come at once do not overfill it', async () => {
    const bench = new Bench(hangs);
    const answers = Promise.all(Array.from({ length: 10 }, () => bench.send(telemetry(1))));
    await bench.clock.advanceTo(1000);
    expect((await answers).filter((answer) => answer === 'taken')).toHaveLength(3);
  });

  test('a place that comes free goes to whoever waited longest, not to whoever comes just then', async () => {
    const release: (() => void)[] = [];
    const bench = new Bench(() => new Promise((resolve) => release.push(resolve)));
    for (let i = 0; i < 3; i++) await bench.send(telemetry(1));
    const answers: string[] = [];
    const wait = (name: string) => bench.send(telemetry(1)).then((answer) => answers.push(`${name} ${answer}`));
    void wait('first');
    void wait('second');
    release.shift()?.();
    void wait('third');
    await settled();
    expect(answers).toEqual(['first taken']);
    await bench.clock.advanceTo(1000);
    expect(answers).toEqual(['first taken', 'second queue_full', 'third queue_full']);
  });

  test('who waited in vain for more than there is keeps nobody out who needs less', async () => {
    const queue = queueConfig.parse({ queue_size: 10, sizer: 'items', num_consumers: 1, block_timeout: '1s' });
    const bench = new Bench(hangs, { sending_queue: queue, retry_on_failure: RETRY });
    await bench.exporter.start();
    expect(await bench.send(telemetry(6))).toBe('taken');
    const [large, small] = [bench.send(telemetry(5)), bench.clock.advanceTo(500).then(() => bench.send(telemetry(4)))];
    await bench.clock.advanceTo(2000);
    expect([await large, await small]).toEqual(['queue_full', 'taken']);
    await outcome(bench.exporter.stop(AbortSignal.abort()));
  });
});

describe('retries', () => {
  test('pauses grow by the multiplier up to the longest, varied by half at random', async () => {
    for (const [random, factor] of [
      [0, 0.5],
      [0.5, 1],
      [0.999, 1.499],
    ] as const) {
      const bench = new Bench(fails('unreachable'), { sending_queue: QUEUE, retry_on_failure: RETRY }, random);
      await bench.send(telemetry(1));
      await bench.clock.advanceTo(6000);
      const pauses = bench.attempts.slice(1).map(({ atMs }, i) => atMs - (bench.attempts[i]?.atMs as number));
      [100, 200, 400, 800, 1000, 1000].forEach((pause, i) => expect(pauses[i]).toBeCloseTo(pause * factor));
    }
  });

  test('a destination that asks for a pause gets it', async () => {
    const bench = new Bench(fails('busy', 5000));
    await bench.send(telemetry(1));
    await bench.clock.advanceTo(12_000);
    expect(bench.attempts.map(({ atMs }) => atMs)).toEqual([0, 5000, 10_000]);
  });

  test('do not end while the destination is away; each failure is counted', async () => {
    const bench = new Bench(fails('unreachable'));
    await bench.send(telemetry(2));
    await bench.clock.advanceTo(3_600_000);
    expect(bench.attempts.length).toBeGreaterThan(3000);
    bench.attempt = works;
    await bench.clock.advanceTo(3_602_000);
    expect(bench.items('send_failed', 'unreachable')).toBe(2 * (bench.attempts.length - 1));
    expect([bench.items('sent'), bench.items('dropped'), bench.inQueue]).toEqual([2, 0, 0]);
  });

  test.each(['rejected', 'internal'] as const)('after %s there is none', async (code) => {
    const bench = new Bench(code === 'internal' ? async () => Promise.reject(new TypeError('x')) : fails(code));
    await bench.send(telemetry(4));
    await settled();
    expect([bench.attempts.length, bench.items('dropped', code), bench.inQueue]).toEqual([1, 4, 0]);
  });
});

describe('stopping', () => {
  test('delivers what was accepted, then stops the exporter', async () => {
    const bench = new Bench(async (_, clock) => clock.sleep(100));
    for (let i = 0; i < 3; i++) await bench.send(telemetry(1));
    const stopped = bench.exporter.stop(NEVER);
    expect(bench.lines).toEqual([]);
    await bench.clock.advanceTo(200);
    await stopped;
    expect([bench.lines, bench.items('sent'), bench.clock.alarms]).toEqual([['stop'], 3, 0]);
  });

  test('refuses whoever comes or waits', async () => {
    const bench = new Bench(hangs);
    for (let i = 0; i < 3; i++) await bench.send(telemetry(1));
    const waiting = bench.send(telemetry(1));
    void bench.exporter.stop(NEVER);
    expect(await waiting).toBe('stopping');
    expect(await bench.send(telemetry(1))).toBe('stopping');
    expect(await bench.send(health(1, 'decisions'))).toBe('stopping');
    expect(bench.clock.alarms).toBe(0);
  });

  test.each([
    ['hangs', hangs],
    ['fails', fails('unreachable')],
    ['asks for a long pause', fails('busy', 1e9)],
  ])('gives up at the deadline what is left, where the destination %s', async (_, attempt) => {
    const bench = new Bench(attempt);
    for (let i = 0; i < 3; i++) await bench.send(telemetry(2));
    await bench.send(health(5, 'decisions'));
    const deadline = new AbortController();
    const stopped = outcome(bench.exporter.stop(deadline.signal));
    await settled();
    expect(bench.lines).toEqual([]);
    deadline.abort();
    expect(await stopped).toBe('abandoned');
    expect([bench.items('dropped', 'abandoned'), bench.inQueue, bench.lines]).toEqual([11, 0, ['stop late']]);
    expect(bench.clock.alarms).toBe(0);
    bench.check();
  });

  test('an attempt that ends after it was given up changes nothing', async () => {
    const ends: ((error?: Error) => void)[] = [];
    const bench = new Bench(
      () => new Promise((resolve, reject) => ends.push((error) => (error === undefined ? resolve() : reject(error)))),
    );
    await bench.send(telemetry(1));
    await bench.send(telemetry(1));
    expect(await outcome(bench.exporter.stop(AbortSignal.abort()))).toBe('abandoned');
    ends[0]?.();
    ends[1]?.(new Error('late'));
    await settled();
    expect([bench.items('sent'), bench.items('dropped'), bench.items('send_failed')]).toEqual([0, 2, 0]);
  });

  test('is legal before start and twice', async () => {
    const bench = new Bench(works);
    await bench.exporter.stop(NEVER);
    await bench.exporter.stop(NEVER);
    expect(bench.lines).toEqual(['stop', 'stop']);
  });

  test('a second one with less patience ends the first', async () => {
    const bench = new Bench(hangs);
    await bench.send(telemetry(1));
    const patient = outcome(bench.exporter.stop(NEVER));
    const impatient = outcome(bench.exporter.stop(AbortSignal.abort()));
    // What was lost is told once.
    expect((await Promise.all([patient, impatient])).toSorted()).toEqual(['abandoned', 'done']);
    expect(bench.items('dropped')).toBe(1);
  });
});

test.each([
  [2, 3, 2],
  [5, 0, 5],
  [9, 0, 5],
])('of five items a destination says to have refused %i: %i are sent, %i dropped', async (items, sent, dropped) => {
  const bench = new Bench(async () => {
    throw new PipelineError('rejected', 'some of them', { items });
  });
  await bench.send(telemetry(5));
  await bench.exporter.stop(NEVER);
  expect([bench.items('accepted'), bench.items('sent'), bench.items('dropped', 'rejected')]).toEqual([
    5,
    sent,
    dropped,
  ]);
});

describe('an exporter without a queue', () => {
  test('answers its caller, and counts', async () => {
    const bench = new Bench(works, {});
    expect(await bench.send(telemetry(2))).toBe('taken');
    bench.attempt = fails('file_unwritable');
    expect(await bench.send(telemetry(3))).toBe('file_unwritable');
    bench.attempt = fails('rejected');
    expect(await bench.send(telemetry(5))).toBe('rejected');
    expect(bench.items('sent')).toBe(2);
    expect([bench.items('send_failed', 'file_unwritable'), bench.items('dropped', 'file_unwritable')]).toEqual([3, 0]);
    // Its caller has them still.
    expect([bench.items('refused', 'rejected'), bench.items('dropped')]).toEqual([5, 0]);
    bench.attempt = async () => Promise.reject(new PipelineError('rejected', 'some of them', { items: 1 }));
    expect(await bench.send(telemetry(4))).toBe('taken');
    expect([bench.items('accepted'), bench.items('sent'), bench.items('dropped', 'rejected')]).toEqual([6, 5, 1]);
  });

  test('that does not answer is not waited for once its time to stop is over: the caller may send elsewhere', async () => {
    const bench = new Bench(hangs, {});
    await bench.exporter.start();
    const sent = bench.send(health(1, 'decisions'));
    const deadline = new AbortController();
    const stopped = bench.exporter.stop(deadline.signal);
    expect(await Promise.race([sent, settled().then(() => 'waits')])).toBe('waits');
    deadline.abort();
    expect(await sent).toBe('stopping');
    await stopped;
    expect([bench.items('refused'), bench.items('accepted')]).toEqual([1, 0]);
  });
});
