/** Decisions that what stands behind the judge does not take, or not at once. */
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../../pipeline/batch.ts';
import { ManualClock } from '../../../pipeline/clock.ts';
import { PipelineError } from '../../../pipeline/errors.ts';
import { Fanout } from '../../../pipeline/fanout.ts';
import { MemoryStorage } from '../../../pipeline/storage.ts';
import { HandOn } from '../../../processors/verdict/hand-on.ts';
import { VerdictProcessor } from '../../../processors/verdict/verdict.ts';
import type { DecisionEvent } from '../../../proto/windback/decision.ts';
import { counted, recordingLogger, Sink, testContext } from '../../support/context.ts';
import { config, series, START } from '../../support/judging.ts';

const full = (retryAfterMs?: number) =>
  new PipelineError('file_unwritable', 'ENOSPC', retryAfterMs === undefined ? {} : { retryAfterMs });
const refused = () => new PipelineError('rejected', 'no');
const never = () => new Promise<never>(() => {});
const over = () => AbortSignal.abort();

function decision(id: string): DecisionEvent {
  return { id, subject: 'a/b/c', data: { decision: 'hold', reason: '' } } as DecisionEvent;
}

function idsOf(sink: Sink): string[] {
  return sink.batches.flatMap((batch) => (batch.signal === 'decisions' ? batch.decisions.map(({ id }) => id) : []));
}

function line(storage = new MemoryStorage(true)) {
  const clock = new ManualClock();
  const sink = new Sink(['decisions']);
  const { logger, lines } = recordingLogger();
  const context = testContext('verdict', { clock, logger, storage });
  /** When it was handed on, s. */
  const tries: number[] = [];
  let answer: () => Promise<void> = async () => {};
  sink.answer = () => {
    tries.push(clock.now() / 1000);
    return answer();
  };
  const handOn = new HandOn(sink, context);
  return { clock, sink, lines, context, tries, handOn, will: (next: typeof answer) => void (answer = next) };
}

describe('decisions are handed on', () => {
  it('at once, where they are taken at once', async () => {
    const { handOn, sink, clock } = line();
    handOn.add([decision('1'), decision('2')]);
    handOn.add([decision('3')]);
    await handOn.settled();
    expect(sink.batches).toHaveLength(2);
    expect(idsOf(sink)).toEqual(['1', '2', '3']);
    expect([handOn.waiting, clock.alarms]).toEqual([[], 0]);
  });

  it('again after pauses that double, in order, until they are taken', async () => {
    const { handOn, sink, clock, tries, will } = line();
    will(() => Promise.reject(full()));
    handOn.add([decision('1')]);
    handOn.add([decision('2')]);
    await clock.advanceTo(100_000);
    expect(tries).toEqual([0, 1, 3, 7, 15, 31, 61, 91]);
    expect(handOn.waiting.map(({ id }) => id)).toEqual(['1', '2']);
    will(async () => {});
    await clock.advanceTo(125_000);
    expect(idsOf(sink)).toEqual(['1', '2']);
    expect([handOn.waiting, clock.alarms]).toEqual([[], 0]);
  });

  it('no sooner than they are asked for', async () => {
    const { handOn, clock, tries, will } = line();
    will(() => Promise.reject(full(45_000)));
    handOn.add([decision('1')]);
    await clock.advanceTo(100_000);
    expect(tries).toEqual([0, 45, 90]);
  });

  it('not again where they are refused for good: that is said and counted, and the next ones go on', async () => {
    const { handOn, sink, lines, context, will } = line();
    will(() => (will(async () => {}), Promise.reject(refused())));
    handOn.add([decision('1'), decision('2')]);
    handOn.add([decision('3')]);
    await handOn.settled();
    expect(idsOf(sink)).toEqual(['3']);
    expect(lines).toContainEqual(expect.objectContaining({ code: 'rejected', decisions: ['1', '2'] }));
    const labels = { processor: 'verdict', signal: 'decisions', reason: 'rejected' };
    expect(await counted(context, 'windback_processor_dropped_items_total', labels)).toBe(2);
  });

  it('again as the same batch, for an exporter that knows how far it came with it, until others join', async () => {
    const { clock, context } = line();
    const batches: Batch[] = [];
    const refusing = { consume: (batch: Batch) => (batches.push(batch), Promise.reject(full())) };
    const handOn = new HandOn({ to: () => refusing, has: () => true }, context);
    handOn.add([decision('1')]);
    await clock.advanceTo(5000);
    expect([batches.length, new Set(batches).size]).toEqual([3, 1]);
    handOn.add([decision('2')]);
    await clock.advanceTo(20_000);
    expect([batches.length, new Set(batches).size]).toEqual([5, 2]);
    await handOn.stop(over());
  });

  it('to all exporters, also while one of them refuses, which gets all of them in order once it takes them', async () => {
    const { clock, context } = line();
    const [broker, file] = [new Sink(['decisions']), new Sink(['decisions'])];
    let isFull = true;
    file.answer = () => (isFull ? Promise.reject(full()) : Promise.resolve());
    const both = new Fanout();
    for (const sink of [broker, file]) both.add({ mutates: false, consumer: sink.to() });
    const handOn = new HandOn({ to: () => both, has: () => true }, context);
    for (const [i, id] of ['1', '2', '3'].entries()) {
      handOn.add([decision(id)]);
      await clock.advanceTo((i + 1) * 40_000);
    }
    expect([...new Set(idsOf(broker))]).toEqual(['1', '2', '3']);
    expect(handOn.waiting).toHaveLength(3);
    isFull = false;
    await clock.advanceTo(200_000);
    expect(idsOf(file)).toEqual(['1', '2', '3']);
    expect([handOn.waiting, clock.alarms]).toEqual([[], 0]);
  });

  it('as many as are remembered at most: what waits longest gives way, but for what is under way', async () => {
    const { handOn, context, will } = line();
    will(never);
    for (let i = 0; i < 1010; i++) handOn.add([decision(`${i}`)]);
    const waiting = handOn.waiting.map(({ id }) => id);
    expect([waiting.length, ...waiting.slice(0, 3), waiting.at(-1)]).toEqual([1000, '0', '11', '12', '1009']);
    const labels = { processor: 'verdict', signal: 'decisions', reason: 'queue_overflow' };
    expect(await counted(context, 'windback_processor_dropped_items_total', labels)).toBe(10);
  });

  it('as many as are remembered at most: of what was refused, and is in a pause, the oldest gives way', async () => {
    const { handOn, clock, sink, will } = line();
    will(() => Promise.reject(full()));
    for (let i = 0; i < 1000; i++) handOn.add([decision(`${i}`)]);
    await clock.advanceTo(10_000);
    handOn.add([decision('1000')]);
    will(async () => {});
    await clock.advanceTo(60_000);
    expect([sink.batches.length, idsOf(sink).length, idsOf(sink)[0], idsOf(sink).at(-1)]).toEqual([
      1,
      1000,
      '1',
      '1000',
    ]);
    expect([handOn.waiting, clock.alarms]).toEqual([[], 0]);
  });
});

describe('what has not been taken for long is said once', () => {
  it.each([
    ['where nobody answers', never, 'timeout'],
    ['where it is refused again and again', () => Promise.reject(full()), 'file_unwritable'],
  ])('%s', async (_, answer, code) => {
    const { handOn, clock, lines, will } = line();
    will(answer);
    handOn.add([decision('1')]);
    const errors = () => lines.filter(({ level }) => level === 50);
    await clock.advanceTo(29_000);
    expect(errors()).toEqual([]);
    await clock.advanceTo(300_000);
    expect(errors()).toMatchObject([{ code, decisions: ['1'], msg: expect.stringContaining('for 30 s') }]);
  });
});

describe('a line that stops', () => {
  it('waits for who does not answer until its time is over, says so, and holds no timer', async () => {
    const { handOn, clock, lines, sink, will } = line();
    will(never);
    handOn.add([decision('1')]);
    handOn.add([decision('2')]);
    await handOn.settled();
    const deadline = new AbortController();
    const stopped = handOn.stop(deadline.signal).then(() => 'stopped');
    expect(await Promise.race([stopped, new Promise((resolve) => setTimeout(resolve, 20, 'waits'))])).toBe('waits');
    deadline.abort();
    expect(await stopped).toBe('stopped');
    expect(handOn.waiting.map(({ id }) => id)).toEqual(['1', '2']);
    expect(lines.at(-1)).toMatchObject({ decisions: ['1', '2'], msg: expect.stringContaining('handed on first') });
    expect([sink.batches, clock.alarms]).toEqual([[], 0]);
  });

  it('tries once more what was refused, and does not wait for a pause', async () => {
    const { handOn, clock, tries, will } = line(new MemoryStorage());
    will(() => Promise.reject(full()));
    handOn.add([decision('1')]);
    handOn.add([decision('2')]);
    await clock.advanceTo(500);
    await handOn.stop();
    expect([tries, clock.alarms]).toEqual([[0, 0.5], 0]);
    expect(handOn.waiting).toHaveLength(2);
    await handOn.stop();
  });

  it('hands on what waits, where it is taken by now', async () => {
    const { handOn, sink, clock, will } = line();
    will(() => Promise.reject(full()));
    handOn.add([decision('1')]);
    handOn.add([decision('2')]);
    await clock.advanceTo(500);
    will(async () => {});
    await handOn.stop();
    expect(idsOf(sink)).toEqual(['1', '2']);
  });

  it('hands nothing on once its time is over', async () => {
    const { handOn, clock, tries, will } = line();
    will(() => Promise.reject(full()));
    handOn.add([decision('1')]);
    await clock.advanceTo(500);
    await handOn.stop(over());
    await clock.advanceTo(60_000);
    expect(tries).toEqual([0]);
  });
});

describe('the judge', () => {
  const good = series({ version: '1', ms: { 20: 18 } });
  const bad = series({ version: '2', ms: { 20: 2 }, bad: 2 });
  const LATEST = 'latest-decisions';
  const SERVICE = 'service/shop/checkout/prod';

  function judge(storage: MemoryStorage, clock = new ManualClock(START * 1000)) {
    const sink = new Sink(['decisions']);
    const { logger, lines } = recordingLogger();
    const processor = new VerdictProcessor(config(), sink, testContext('verdict', { clock, storage, logger }));
    return { sink, clock, lines, processor };
  }

  async function run({ clock, processor }: ReturnType<typeof judge>, from: number, to: number): Promise<void> {
    for (let second = from; second < to; second++) {
      const delta = { source: 'a', slot: START + second, series: second < 60 ? [good] : [good, bad], events: [] };
      await clock.advanceTo((START + second + 1) * 1000);
      await processor.consume({ signal: 'health', items: 1, deltas: [delta] });
    }
  }

  const kinds = ({ batches }: Sink) =>
    batches.flatMap((batch) => (batch.signal === 'decisions' ? batch.decisions.map(({ data }) => data.decision) : []));
  const kept = (storage: MemoryStorage) => {
    const { state } = JSON.parse(storage.get(LATEST) ?? '{"state":[]}') as { state: DecisionEvent[] };
    return state.map(({ data }) => data.decision);
  };

  it('goes on judging and saving while nobody answers, stops in time, and hands on first what was left', async () => {
    const storage = new MemoryStorage(true);
    const one = judge(storage);
    one.sink.answer = never;
    await one.processor.start();
    await run(one, 0, 300);
    const saved = JSON.parse(storage.get(SERVICE) as string) as { state: { slots: number[] } };
    expect(saved.state.slots[1]).toBeGreaterThan(START + 280);
    expect(kept(storage)).toEqual(['hold', 'rollback']);
    await one.processor.stop(AbortSignal.timeout(50));
    expect(kept(storage)).toEqual(['hold', 'rollback']);
    expect(one.clock.alarms).toBe(0);
    const two = judge(storage, one.clock);
    await two.processor.start();
    expect(kinds(two.sink)).toEqual(['hold', 'rollback']);
    await run(two, 300, 420);
    expect(kinds(two.sink)).toEqual(['hold', 'rollback']);
    expect(kept(storage)).toEqual([]);
    await two.processor.stop(over());
  });

  it.each([true, false])('keeps what was refused over a stop, where the storage survives: %s', async (survives) => {
    const storage = new MemoryStorage(survives);
    const one = judge(storage);
    one.sink.answer = () => Promise.reject(full());
    await one.processor.start();
    await run(one, 0, 300);
    await one.processor.stop();
    expect(kept(storage)).toEqual(['hold', 'rollback']);
    const two = judge(storage, one.clock);
    await two.processor.start();
    expect(kinds(two.sink)).toEqual(['hold', 'rollback']);
    await two.processor.stop();
    expect(kept(storage)).toEqual([]);
  });

  it('forgets what was kept as soon as it has been taken, also where it decides nothing more', async () => {
    const storage = new MemoryStorage(true);
    const one = judge(storage);
    one.sink.answer = () => Promise.reject(full());
    await one.processor.start();
    await run(one, 0, 200);
    expect(kept(storage)).toEqual(['hold', 'rollback']);
    one.sink.answer = async () => {};
    await run(one, 200, 260);
    expect(kinds(one.sink)).toEqual(['hold', 'rollback']);
    expect(kept(storage)).toEqual([]);
  });
});
